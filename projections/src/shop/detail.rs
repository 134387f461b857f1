//! What the timeline tells of an event: no inner stage, no personal data, and nothing that a later
//! field of an event adds unasked.

use atelier_schemas::{EventData, Money};
use serde_json::{Value, json};

use crate::show::{amount, rfc3339};

/// The detail of a timeline entry. `None` for heartbeats: there is one every few seconds and nobody
/// reads them afterwards.
pub(super) fn detail(data: &EventData) -> Option<Value> {
    Some(match data {
        EventData::PricingProgressed { .. } => return None,
        EventData::OrderCreated { channel, client: _, reference, customer: _, item, sandbox: _ } => json!({
            "channel": channel,
            "reference": reference,
            "item": {"material": item.material, "quantity": item.quantity, "finish": item.finish},
        }),
        EventData::ClockAdvanced { by_ms } => json!({"by_seconds": by_ms / 1000}),
        EventData::ModelAttached { model } => {
            json!({"model": {"sha256": model.sha256, "format": model.format, "size_bytes": model.size_bytes}})
        }
        EventData::PricingRequested { attempt, cause } => json!({"attempt": attempt, "cause": cause}),
        EventData::PricingAccepted { attempt, worker, lease_until } => {
            json!({"attempt": attempt, "worker": worker, "lease_until": rfc3339(*lease_until)})
        }
        EventData::PriceCalculated { attempt, quote } => json!({
            "attempt": attempt,
            "price": money(&quote.price),
            "algorithm": quote.algorithm,
            "price_book": quote.price_book,
            "metal_fix": quote.metal_fix,
            "warnings": quote.warnings,
        }),
        EventData::PricingFailed { attempt, worker, failure, detail, retryable } => {
            json!({"attempt": attempt, "worker": worker, "failure": failure, "detail": detail, "retryable": retryable})
        }
        EventData::PricingExpired { attempt, worker, cause, policy } => {
            json!({"attempt": attempt, "worker": worker, "cause": cause, "policy": policy})
        }
        EventData::TermsAgreed { approve_up_to } => json!({"approve_up_to": money(approve_up_to)}),
        EventData::OrderAmended { item, model } => json!({
            "item": item.as_ref().map(|item| json!({"material": item.material, "quantity": item.quantity, "finish": item.finish})),
            "model": model.as_ref().map(|model| json!({"sha256": model.sha256, "format": model.format, "size_bytes": model.size_bytes})),
        }),
        EventData::OrderQuoted { price, reason } => json!({"price": money(price), "reason": reason}),
        EventData::OrderApproved { reason } => json!({"reason": reason}),
        EventData::OrderRejected { reason }
        | EventData::OrderHeld { reason }
        | EventData::OrderResumed { reason }
        | EventData::OrderCancelled { reason }
        | EventData::OrderClosed { reason } => json!({"reason": reason}),
        EventData::ReworkOrdered { defect, operator } => json!({"defect": defect, "operator": operator}),
        EventData::WorkReleased { reason, operator } => json!({"reason": reason, "operator": operator}),
        EventData::OrderSubmitted {} => json!({}),
        EventData::WorkClaimed { operator }
        | EventData::WorkStarted { operator }
        | EventData::WorkCompleted { operator }
        | EventData::OrderPacked { operator } => json!({"operator": operator}),
        EventData::OrderShipped { operator, carrier, tracking } => json!({"operator": operator, "carrier": carrier, "tracking": tracking}),
        EventData::OrderDelivered { carrier, tracking, delivered_at } => {
            json!({"carrier": carrier, "tracking": tracking, "delivered_at": rfc3339(*delivered_at)})
        }
        // The stage it names is an inner one; the status beside the entry says enough.
        EventData::DeadlineMissed { stage: _, due, policy, action } => json!({"due": rfc3339(*due), "policy": policy, "action": action}),
        EventData::RecordsSkipped { offsets, reason } => json!({"records": offsets.len(), "reason": reason}),
    })
}

fn money(price: &Money) -> Value {
    json!({"amount": amount(price.minor, &price.currency), "currency": price.currency})
}
