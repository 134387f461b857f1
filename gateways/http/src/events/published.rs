//! From an event of the log to what leaves the house: one exhaustive match.
//!
//! What stays inside: the inner stage, customers' names and addresses.

use atelier_log::Record;
use atelier_schemas::{Actor, Event, EventData, Money, Quote, Replayed};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{money, stamp};

/// An event, as one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedEvent {
    event_id: Uuid,
    order_id: Uuid,
    /// 1, 2, 3 … per order, without gaps.
    version: i64,
    #[serde(rename = "type")]
    type_name: String,
    /// RFC 3339.
    time: String,
    actor: PublishedActor,
    /// The command that caused it; null when a deadline did.
    command_id: Option<Uuid>,
    /// Of the business request.
    correlation_id: Uuid,
    /// Public status right after.
    status: String,
    /// On hold right after.
    held: bool,
    /// By type.
    #[schema(value_type = Object)]
    data: Value,
    /// Who had its command decided after all, and why; null unless nobody could read it the first time.
    replayed: Option<PublishedReplay>,
}

/// A command sent once more, by an administrator.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedReplay {
    actor: PublishedActor,
    reason: String,
}

/// Who caused it; never a customer's name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedActor {
    role: String,
    name: String,
}

/// In place of an event that this gateway cannot read.
#[derive(Debug, Serialize)]
pub(crate) struct UnreadableEvent<'a> {
    order_id: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    partition: u32,
    offset: u64,
    unreadable: String,
}

impl<'a> UnreadableEvent<'a> {
    pub(crate) fn new(record: &'a Record, error: &atelier_schemas::Unreadable) -> Self {
        Self {
            order_id: &record.key,
            type_name: &record.kind,
            partition: record.partition,
            offset: record.offset,
            unreadable: error.to_string(),
        }
    }
}

impl From<Event> for PublishedEvent {
    fn from(event: Event) -> Self {
        let Actor { role, name } = event.actor;
        Self {
            event_id: event.event_id,
            order_id: event.order_id,
            version: event.version,
            type_name: event.data.type_name().to_owned(),
            time: stamp::text(event.time),
            actor: PublishedActor { role, name },
            command_id: event.command_id,
            correlation_id: event.correlation_id,
            status: event.after.status,
            held: event.after.held,
            data: data(event.data),
            replayed: event
                .replayed
                .map(|Replayed { actor: Actor { role, name }, reason }| PublishedReplay { actor: PublishedActor { role, name }, reason }),
        }
    }
}

fn data(data: EventData) -> Value {
    match data {
        // The customer stays here.
        EventData::OrderCreated { channel, client, reference, customer: _, item, sandbox } => {
            json!({"channel": channel, "client": client, "reference": reference, "item": item, "sandbox": sandbox})
        }
        EventData::ClockAdvanced { by_ms } => json!({"by_seconds": by_ms / 1000}),
        EventData::ModelAttached { model } => json!({"model": model}),
        EventData::OrderSubmitted {} => json!({}),
        EventData::PricingRequested { attempt, cause } => json!({"attempt": attempt, "cause": cause}),
        EventData::PricingAccepted { attempt, worker, lease_until } => {
            json!({"attempt": attempt, "worker": worker, "lease_until": stamp::text(lease_until)})
        }
        EventData::PricingProgressed { attempt, worker, progress_percent, lease_until } => json!({
            "attempt": attempt, "worker": worker, "progress_percent": progress_percent, "lease_until": stamp::text(lease_until),
        }),
        EventData::PriceCalculated { attempt, quote } => json!({"attempt": attempt, "quote": published_quote(quote)}),
        EventData::PricingFailed { attempt, worker, failure, detail, retryable } => {
            json!({"attempt": attempt, "worker": worker, "failure": failure, "detail": detail, "retryable": retryable})
        }
        EventData::PricingExpired { attempt, worker, cause, policy } => {
            json!({"attempt": attempt, "worker": worker, "cause": cause, "policy": policy})
        }
        EventData::TermsAgreed { approve_up_to } => json!({"approve_up_to": published_money(&approve_up_to)}),
        EventData::OrderAmended { item, model } => json!({"item": item, "model": model}),
        EventData::OrderQuoted { price, reason } => json!({"price": published_money(&price), "reason": reason}),
        EventData::OrderApproved { reason } => json!({"reason": reason}),
        EventData::OrderRejected { reason }
        | EventData::OrderHeld { reason }
        | EventData::OrderResumed { reason }
        | EventData::OrderCancelled { reason }
        | EventData::OrderClosed { reason } => json!({"reason": reason}),
        EventData::WorkClaimed { operator }
        | EventData::WorkStarted { operator }
        | EventData::WorkCompleted { operator }
        | EventData::OrderPacked { operator } => json!({"operator": operator}),
        EventData::ReworkOrdered { defect, operator } => json!({"defect": defect, "operator": operator}),
        EventData::WorkReleased { reason, operator } => json!({"reason": reason, "operator": operator}),
        EventData::OrderShipped { operator, carrier, tracking } => json!({"operator": operator, "carrier": carrier, "tracking": tracking}),
        EventData::OrderDelivered { carrier, tracking, delivered_at } => {
            json!({"carrier": carrier, "tracking": tracking, "delivered_at": stamp::text(delivered_at)})
        }
        EventData::RecordsSkipped { offsets, reason } => json!({"offsets": offsets, "reason": reason}),
        // The inner stage stays here; the status beside it says where the order stood.
        EventData::DeadlineMissed { stage: _, due, policy, action } => json!({"due": stamp::text(due), "policy": policy, "action": action}),
    }
}

fn published_money(money: &Money) -> Value {
    json!({"amount": money::text(money.minor), "currency": money.currency})
}

fn published_quote(quote: Quote) -> Value {
    let lines: Vec<Value> =
        quote.lines.iter().map(|line| json!({"code": line.code, "text": line.text, "amount": money::text(line.minor)})).collect();
    json!({
        "price": published_money(&quote.price),
        "lines": lines,
        "model_sha256": quote.model_sha256,
        "algorithm": quote.algorithm,
        "price_book": quote.price_book,
        "metal_fix": quote.metal_fix,
        "measures": quote.measures,
        "warnings": quote.warnings,
    })
}
