//! Deadlines, derived from state and policy alone, so that they survive whatever happens to a process.

use crate::{Event, Limit, MissedAction, OnMissed, Order, Policy, Stage, TimeMs};

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
    /// It does so at last.
    Escalation,
    /// It ends.
    Total,
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
    let due = due(order, policy);
    let stage = due.filter(|_| !order.overdue).map(|at| Deadline { at, kind: DeadlineKind::Stage });
    let escalation = due
        .filter(|_| order.overdue && !order.escalated)
        .zip(policy.escalate_after_ms)
        .map(|(due, after)| Deadline { at: due.saturating_add(after), kind: DeadlineKind::Escalation });
    let total = due
        .filter(|_| !order.late)
        .map(|_| Deadline { at: order.created.saturating_add(policy.limit_ms(order, Limit::Total)), kind: DeadlineKind::Total });
    // Of several at the same time the first named: what concerns the stage is said before an attempt gives it a new turn.
    [stage, escalation, total, attempt].into_iter().flatten().min_by_key(|deadline| deadline.at)
}

/// When the order has to leave its stage (or, for all of pricing, its status), for people and their lists;
/// stays what it was when it has passed. None while it is on hold, and none once it has ended.
pub fn due(order: &Order, policy: &Policy) -> Option<TimeMs> {
    if order.held.is_some() {
        return None;
    }
    let limit = Limit::of(order.stage)?;
    let since = if limit == Limit::Pricing { order.pricing_since } else { order.since };
    Some(since.saturating_add(policy.limit_ms(order, limit)))
}

/// What happens when the order's next deadline has passed at `now`; nothing when it has not.
pub fn on_deadline(order: &Order, policy: &Policy, now: TimeMs) -> Vec<Event> {
    let Some(missed) = deadline(order, policy).filter(|deadline| deadline.at <= now) else {
        return Vec::new();
    };
    let pricing = &order.pricing;
    let told =
        |action| Event::DeadlineMissed { stage: order.stage.as_str().into(), due: missed.at, policy: policy.version.clone(), action };
    match missed.kind {
        DeadlineKind::Stage => {
            let release = order.stage == Stage::WorkClaimed && policy.on_missed.get(&Limit::Claimed) == Some(&OnMissed::Release);
            if !release {
                return vec![told(MissedAction::Attention)];
            }
            let reason = "the claim was not followed by a start in time".into();
            vec![told(MissedAction::Release), Event::WorkReleased { reason, operator: "deadline".into() }]
        }
        DeadlineKind::Escalation => vec![told(MissedAction::Escalate)],
        DeadlineKind::Total => vec![told(MissedAction::Late)],
        // Nobody was at fault: it is dispatched for as long as it takes, ever more rarely.
        DeadlineKind::PricingAccept => {
            let cause = "no worker accepted it in time";
            vec![
                Event::PricingExpired { attempt: pricing.attempt, worker: None, cause: cause.into(), policy: policy.version.clone() },
                Event::PricingRequested { attempt: pricing.attempt + 1, cause: cause.into() },
            ]
        }
        DeadlineKind::PricingLease => {
            let cause = "the worker's lease ran out";
            let worker = pricing.worker.as_deref().map(str::to_owned);
            let expired = Event::PricingExpired { attempt: pricing.attempt, worker, cause: cause.into(), policy: policy.version.clone() };
            let mut events = vec![expired];
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
