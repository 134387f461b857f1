//! Events, on their way to the log and back from it.

use atelier_domain::{Event, MissedAction};
use atelier_schemas::EventData;

use super::command::channel_from;
use super::values::{customer, customer_from, item, item_from, model, model_from, money, money_from, quote, quote_from};

/// The published form of an event.
pub fn to_wire(event: Event) -> EventData {
    match event {
        Event::OrderCreated { channel, client, reference, customer: person, item: what, sandbox } => EventData::OrderCreated {
            channel: channel.as_str().to_owned(),
            client,
            reference,
            customer: person.map(customer),
            item: item(what),
            sandbox,
        },
        Event::ModelAttached { model: bytes } => EventData::ModelAttached { model: model(bytes) },
        Event::OrderSubmitted => EventData::OrderSubmitted {},
        Event::PricingRequested { attempt, cause } => EventData::PricingRequested { attempt: signed(attempt), cause },
        Event::PricingAccepted { attempt, worker, lease_until } => {
            EventData::PricingAccepted { attempt: signed(attempt), worker, lease_until }
        }
        Event::PricingProgressed { attempt, worker, progress_percent, lease_until } => {
            EventData::PricingProgressed { attempt: signed(attempt), worker, progress_percent: i32::from(progress_percent), lease_until }
        }
        Event::PriceCalculated { attempt, quote: price } => EventData::PriceCalculated { attempt: signed(attempt), quote: quote(price) },
        Event::PricingFailed { attempt, worker, failure, detail, retryable } => {
            EventData::PricingFailed { attempt: signed(attempt), worker, failure, detail, retryable }
        }
        Event::PricingExpired { attempt, worker, cause, policy } => {
            EventData::PricingExpired { attempt: signed(attempt), worker, cause, policy: Some(policy) }
        }
        Event::OrderQuoted { price, reason } => EventData::OrderQuoted { price: money(price), reason },
        Event::OrderApproved { reason } => EventData::OrderApproved { reason },
        Event::OrderRejected { reason } => EventData::OrderRejected { reason },
        Event::OrderHeld { reason } => EventData::OrderHeld { reason },
        Event::OrderResumed { reason } => EventData::OrderResumed { reason },
        Event::OrderCancelled { reason } => EventData::OrderCancelled { reason },
        Event::OrderClosed { reason } => EventData::OrderClosed { reason },
        Event::WorkClaimed { operator } => EventData::WorkClaimed { operator },
        Event::WorkStarted { operator } => EventData::WorkStarted { operator },
        Event::WorkCompleted { operator } => EventData::WorkCompleted { operator },
        Event::ReworkOrdered { defect, operator } => EventData::ReworkOrdered { defect, operator },
        Event::WorkReleased { reason, operator } => EventData::WorkReleased { reason, operator },
        Event::OrderPacked { operator } => EventData::OrderPacked { operator },
        Event::OrderShipped { operator, carrier, tracking } => EventData::OrderShipped { operator, carrier, tracking },
        Event::OrderDelivered { carrier, tracking, delivered_at } => EventData::OrderDelivered { carrier, tracking, delivered_at },
        Event::DeadlineMissed { stage, due, policy, action } => {
            EventData::DeadlineMissed { stage, due, policy, action: action.as_str().to_owned() }
        }
        Event::TermsAgreed { approve_up_to } => EventData::TermsAgreed { approve_up_to: money(approve_up_to) },
        Event::OrderAmended { item: what, model: bytes } => EventData::OrderAmended { item: what.map(item), model: bytes.map(model) },
        Event::RecordsSkipped { offsets, reason } => {
            EventData::RecordsSkipped { offsets: offsets.into_iter().map(u64::cast_signed).collect(), reason }
        }
        Event::ClockAdvanced { by_ms } => EventData::ClockAdvanced { by_ms },
    }
}

/// The event that was published so; `None` where a value has no meaning to the domain, which only a
/// record not written by an engine can bring about.
pub fn from_wire(data: EventData) -> Option<Event> {
    Some(match data {
        EventData::OrderCreated { channel, client, reference, customer: person, item: what, sandbox } => Event::OrderCreated {
            channel: channel_from(&channel)?,
            client,
            reference,
            customer: person.map(customer_from),
            item: item_from(what)?,
            sandbox,
        },
        EventData::ModelAttached { model: bytes } => Event::ModelAttached { model: model_from(bytes)? },
        EventData::OrderSubmitted {} => Event::OrderSubmitted,
        EventData::PricingRequested { attempt, cause } => Event::PricingRequested { attempt: number(attempt)?, cause },
        EventData::PricingAccepted { attempt, worker, lease_until } => {
            Event::PricingAccepted { attempt: number(attempt)?, worker, lease_until }
        }
        EventData::PricingProgressed { attempt, worker, progress_percent, lease_until } => Event::PricingProgressed {
            attempt: number(attempt)?,
            worker,
            progress_percent: u8::try_from(progress_percent).ok()?,
            lease_until,
        },
        EventData::PriceCalculated { attempt, quote: price } => {
            Event::PriceCalculated { attempt: number(attempt)?, quote: quote_from(price) }
        }
        EventData::PricingFailed { attempt, worker, failure, detail, retryable } => {
            Event::PricingFailed { attempt: number(attempt)?, worker, failure, detail, retryable }
        }
        EventData::PricingExpired { attempt, worker, cause, policy } => {
            Event::PricingExpired { attempt: number(attempt)?, worker, cause, policy: policy.unwrap_or_default() }
        }
        EventData::OrderQuoted { price, reason } => Event::OrderQuoted { price: money_from(price), reason },
        EventData::OrderApproved { reason } => Event::OrderApproved { reason },
        EventData::OrderRejected { reason } => Event::OrderRejected { reason },
        EventData::OrderHeld { reason } => Event::OrderHeld { reason },
        EventData::OrderResumed { reason } => Event::OrderResumed { reason },
        EventData::OrderCancelled { reason } => Event::OrderCancelled { reason },
        EventData::OrderClosed { reason } => Event::OrderClosed { reason },
        EventData::WorkClaimed { operator } => Event::WorkClaimed { operator },
        EventData::WorkStarted { operator } => Event::WorkStarted { operator },
        EventData::WorkCompleted { operator } => Event::WorkCompleted { operator },
        EventData::ReworkOrdered { defect, operator } => Event::ReworkOrdered { defect, operator },
        EventData::WorkReleased { reason, operator } => Event::WorkReleased { reason, operator },
        EventData::OrderPacked { operator } => Event::OrderPacked { operator },
        EventData::OrderShipped { operator, carrier, tracking } => Event::OrderShipped { operator, carrier, tracking },
        EventData::OrderDelivered { carrier, tracking, delivered_at } => Event::OrderDelivered { carrier, tracking, delivered_at },
        EventData::DeadlineMissed { stage, due, policy, action } => {
            let action = MissedAction::ALL.into_iter().find(|known| known.as_str() == action)?;
            Event::DeadlineMissed { stage, due, policy, action }
        }
        EventData::TermsAgreed { approve_up_to } => Event::TermsAgreed { approve_up_to: money_from(approve_up_to) },
        EventData::OrderAmended { item: what, model: bytes } => Event::OrderAmended {
            item: what.map(item_from).map_or(Some(None), |item| item.map(Some))?,
            model: bytes.map(model_from).map_or(Some(None), |model| model.map(Some))?,
        },
        EventData::RecordsSkipped { offsets, reason } => {
            let offsets = offsets.into_iter().map(|offset| u64::try_from(offset).ok()).collect::<Option<_>>()?;
            Event::RecordsSkipped { offsets, reason }
        }
        EventData::ClockAdvanced { by_ms } => Event::ClockAdvanced { by_ms },
    })
}

fn signed(attempt: u32) -> i32 {
    i32::try_from(attempt).unwrap_or(i32::MAX)
}

fn number(attempt: i32) -> Option<u32> {
    u32::try_from(attempt).ok()
}
