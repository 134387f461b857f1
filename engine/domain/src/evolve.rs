//! Folding events into the state.

use crate::order::REMEMBERED_COMMANDS;
use crate::{Attention, Event, Holding, MissedAction, Order, Pricing, Seen, Shipment, Stage, TimeMs};

/// By so many places the list of decided commands grows.
const SEEN_STEP: usize = 4;

/// The order after `event`, which was written at `at`. `None` only where there was no order and the event
/// does not make one.
pub fn evolve(order: Option<Order>, event: &Event, at: TimeMs) -> Option<Order> {
    let Some(mut order) = order else {
        return created(event, at);
    };
    advance(&mut order, event, at);
    Some(order)
}

/// [`evolve`] in place, for an order that is there.
pub fn advance(order: &mut Order, event: &Event, at: TimeMs) {
    order.version += 1;
    let before = order.stage;
    apply(order, event, at);
    if order.stage != before {
        order.since = at;
        // Between the attempts of one pricing the order's own deadline goes on.
        if !(before.is_pricing() && order.stage.is_pricing()) {
            (order.overdue, order.escalated) = (false, false);
            order.settle(Attention::Overdue);
            order.settle(Attention::Escalated);
        }
    }
}

/// Notes that the order has decided a command, one event of which is `event`. Of a worker's heartbeats only the last is
/// remembered: a long pricing has more of them than an order remembers commands, and they would push out all others.
pub fn remember(order: &mut Order, command_id: u128, digest: i64, event: &Event) {
    let heartbeat = matches!(event, Event::PricingProgressed { .. });
    let (command_id, stage) = (command_id.to_be_bytes(), order.stage);
    let version = u32::try_from(order.version).unwrap_or(u32::MAX);
    if let Some(last) = order.seen.last_mut()
        && last.command_id == command_id
    {
        (last.version, last.stage) = (version, stage);
        return;
    }
    if heartbeat {
        order.seen.retain(|seen| !seen.heartbeat);
    }
    if order.seen.len() == REMEMBERED_COMMANDS {
        order.seen.remove(0);
    }
    // A few at a time: most orders see a dozen commands, doubling would waste half.
    if order.seen.len() == order.seen.capacity() {
        order.seen.reserve_exact(SEEN_STEP);
    }
    order.seen.push(Seen { command_id, digest, version, stage, heartbeat });
}

fn created(event: &Event, at: TimeMs) -> Option<Order> {
    let Event::OrderCreated { channel, client, item, sandbox, .. } = event else { return None };
    Some(Order {
        version: 1,
        stage: Stage::Draft,
        since: at,
        pricing_since: at,
        created: at,
        overdue: false,
        escalated: false,
        late: false,
        held: None,
        channel: *channel,
        client: client.as_str().into(),
        sandbox: *sandbox,
        item: item.clone(),
        model: None,
        price: None,
        approve_up_to: None,
        pricing: Pricing::default(),
        holder: None,
        shipment: None,
        attention: Vec::new(),
        seen: Vec::new(),
    })
}

fn apply(order: &mut Order, event: &Event, at: TimeMs) {
    match event {
        // A second creation is never decided; nothing to do where one is replayed. The others only tell.
        Event::OrderCreated { .. } | Event::OrderDelivered { .. } | Event::RecordsSkipped { .. } => {}
        Event::ModelAttached { model } => {
            order.model = Some(model.clone());
            order.stage = Stage::Ready;
        }
        Event::TermsAgreed { approve_up_to } => order.approve_up_to = Some(Box::new(approve_up_to.clone())),
        Event::OrderSubmitted => order.pricing_since = at,
        Event::OrderAmended { item, model } => {
            order.item = item.clone().unwrap_or_else(|| order.item.clone());
            order.model = model.clone().or(order.model.take());
            order.price = None;
            // Another piece: neither its time nor its failures are those of the one before.
            order.pricing_since = at;
            (order.pricing.failures, order.pricing.unaccepted) = (0, 0);
            order.settle(Attention::PricingNotAccepted);
            (order.overdue, order.escalated) = (false, false);
            order.settle(Attention::Overdue);
            order.settle(Attention::Escalated);
        }
        Event::PricingRequested { attempt, .. } => {
            // From outside pricing (or by a person) everything starts afresh.
            if !order.stage.is_pricing() {
                order.pricing_since = at;
                order.pricing = Pricing::default();
            }
            order.settle(Attention::PricingFailed);
            order.pricing.attempt = *attempt;
            order.pricing.worker = None;
            order.stage = Stage::PricingRequested;
            // A new attempt waits from now, also where the stage is the same.
            order.since = at;
        }
        Event::PricingAccepted { worker, lease_until, .. } => {
            order.settle(Attention::PricingNotAccepted);
            order.pricing.unaccepted = 0;
            order.pricing.worker = Some(worker.as_str().into());
            order.pricing.lease_until = *lease_until;
            order.stage = Stage::PricingAccepted;
        }
        Event::PricingProgressed { lease_until, .. } => {
            order.pricing.lease_until = *lease_until;
            order.stage = Stage::PricingRunning;
        }
        Event::PriceCalculated { quote, .. } => priced(order, &quote.price),
        Event::OrderQuoted { price, .. } => priced(order, price),
        Event::PricingFailed { .. } => {
            order.pricing.failures += 1;
            order.pricing.worker = None;
            order.stage = Stage::PricingFailed;
            order.raise(Attention::PricingFailed);
        }
        Event::PricingExpired { worker, .. } => {
            order.pricing.worker = None;
            order.stage = Stage::PricingExpired;
            if worker.is_some() {
                order.pricing.failures += 1;
                order.raise(Attention::PricingFailed);
            } else {
                order.pricing.unaccepted += 1;
                order.raise(Attention::PricingNotAccepted);
            }
        }
        Event::OrderApproved { .. } => order.stage = Stage::WorkAvailable,
        Event::OrderHeld { reason } => order.held = Some(Holding { since: at, reason: reason.as_str().into() }),
        Event::ClockAdvanced { by_ms } => {
            for at in [&mut order.created, &mut order.since, &mut order.pricing_since, &mut order.pricing.lease_until] {
                *at = at.saturating_sub(*by_ms);
            }
            if let Some(held) = &mut order.held {
                held.since = held.since.saturating_sub(*by_ms);
            }
        }
        Event::OrderResumed { .. } => {
            if let Some(held) = order.held.take() {
                let pause = at - held.since;
                for since in [&mut order.created, &mut order.since, &mut order.pricing_since] {
                    // What began during the hold has not lasted at all yet.
                    *since = (*since + pause).min(at);
                }
            }
        }
        Event::OrderRejected { .. } | Event::OrderCancelled { .. } => end(order, Stage::Cancelled),
        Event::OrderClosed { .. } => end(order, Stage::Closed),
        Event::WorkClaimed { operator } => {
            order.holder = Some(operator.as_str().into());
            order.stage = Stage::WorkClaimed;
        }
        Event::WorkStarted { .. } => order.stage = Stage::WorkInProgress,
        Event::WorkCompleted { .. } => {
            order.holder = None;
            order.stage = Stage::Completed;
        }
        Event::ReworkOrdered { operator, .. } => {
            order.holder = Some(operator.as_str().into());
            order.stage = Stage::WorkRework;
        }
        Event::WorkReleased { .. } => {
            order.holder = None;
            order.stage = Stage::WorkAvailable;
        }
        Event::OrderPacked { .. } => order.stage = Stage::Packaging,
        Event::OrderShipped { carrier, tracking, .. } => {
            order.shipment = Some(Box::new(Shipment { carrier: carrier.as_str().into(), tracking: tracking.as_str().into() }));
            order.stage = Stage::Shipped;
        }
        Event::DeadlineMissed { action, .. } => match action {
            MissedAction::Attention | MissedAction::Release => {
                order.overdue = true;
                order.raise(Attention::Overdue);
            }
            MissedAction::Escalate => {
                order.escalated = true;
                order.raise(Attention::Escalated);
            }
            MissedAction::Late => {
                order.late = true;
                order.raise(Attention::Late);
            }
        },
    }
}

fn priced(order: &mut Order, price: &crate::Money) {
    order.price = Some(price.clone());
    order.pricing.worker = None;
    order.settle(Attention::PricingFailed);
    order.settle(Attention::PricingNotAccepted);
    // A new price is a new wait for the seller, also where there was one before.
    order.stage = Stage::Priced;
}

fn end(order: &mut Order, stage: Stage) {
    order.stage = stage;
    order.held = None;
    order.holder = None;
    order.pricing.worker = None;
    order.attention.clear();
}
