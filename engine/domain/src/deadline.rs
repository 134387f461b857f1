//! Deadlines, derived from state and policy alone, so that they survive whatever happens to a process.

use crate::{Event, Order, Policy, Stage, TimeMs};

/// When something is due, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: TimeMs,
    /// What.
    pub kind: DeadlineKind,
}

/// What has to happen by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineKind {
    /// A worker accepts the pricing attempt.
    PricingAccept,
    /// The worker extends its lease, or is done.
    PricingLease,
    /// The order leaves its stage (or, for all of pricing, its status).
    Stage,
}

/// The next deadline of the order. None while it is on hold, and none once it has ended.
pub fn deadline(order: &Order, policy: &Policy) -> Option<Deadline> {
    if order.held.is_some() {
        return None;
    }
    let attempt = match order.stage {
        Stage::PricingRequested => {
            Some(Deadline { at: order.since + policy.accept_within_ms(order.pricing.unaccepted), kind: DeadlineKind::PricingAccept })
        }
        Stage::PricingAccepted | Stage::PricingRunning => {
            Some(Deadline { at: order.pricing.lease_until, kind: DeadlineKind::PricingLease })
        }
        _ => None,
    };
    let stage = due(order, policy).filter(|_| !order.overdue).map(|at| Deadline { at, kind: DeadlineKind::Stage });
    match (attempt, stage) {
        (Some(attempt), Some(stage)) => Some(if stage.at < attempt.at { stage } else { attempt }),
        (attempt, stage) => attempt.or(stage),
    }
}

/// When the order has to leave its stage (or, for all of pricing, its status), for people and their lists;
/// stays what it was when it has passed. None while it is on hold, and none once it has ended.
pub fn due(order: &Order, policy: &Policy) -> Option<TimeMs> {
    if order.held.is_some() {
        return None;
    }
    let limits = &policy.limits;
    let since = order.since;
    Some(match order.stage {
        Stage::Draft => since + limits.draft_ms,
        Stage::Ready => since + limits.ready_ms,
        Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning | Stage::PricingFailed | Stage::PricingExpired => {
            order.pricing_since + limits.pricing_ms
        }
        Stage::Priced => since + limits.priced_ms,
        Stage::WorkAvailable => since + limits.available_ms,
        Stage::WorkClaimed => since + limits.claimed_ms,
        Stage::WorkInProgress | Stage::WorkRework => since + limits.in_progress_ms,
        Stage::Completed => since + limits.completed_ms,
        Stage::Packaging => since + limits.packaging_ms,
        Stage::Shipped => since + limits.shipped_ms,
        Stage::Closed | Stage::Cancelled => return None,
    })
}

/// What happens when the order's next deadline has passed at `now`; nothing when it has not.
pub fn on_deadline(order: &Order, policy: &Policy, now: TimeMs) -> Vec<Event> {
    let Some(missed) = deadline(order, policy).filter(|deadline| deadline.at <= now) else {
        return Vec::new();
    };
    let pricing = &order.pricing;
    match missed.kind {
        DeadlineKind::Stage => {
            vec![Event::DeadlineMissed { stage: order.stage.as_str().into(), due: missed.at, policy: policy.version.clone() }]
        }
        // Nobody was at fault: it is dispatched for as long as it takes, ever more rarely.
        DeadlineKind::PricingAccept => {
            let cause = "no worker accepted it in time";
            vec![
                Event::PricingExpired { attempt: pricing.attempt, worker: None, cause: cause.into() },
                Event::PricingRequested { attempt: pricing.attempt + 1, cause: cause.into() },
            ]
        }
        DeadlineKind::PricingLease => {
            let cause = "the worker's lease ran out";
            let worker = pricing.worker.as_deref().map(str::to_owned);
            let mut events = vec![Event::PricingExpired { attempt: pricing.attempt, worker, cause: cause.into() }];
            events.extend(next_attempt(order, policy, cause));
            events
        }
    }
}

/// The next attempt after one that a worker took and did not bring home, if there is to be one.
pub(crate) fn next_attempt(order: &Order, policy: &Policy, cause: &str) -> Option<Event> {
    let failures = order.pricing.failures + 1;
    (failures < policy.pricing_attempts).then(|| Event::PricingRequested { attempt: order.pricing.attempt + 1, cause: cause.into() })
}
