//! What time does to an order.

use crate::testing::{Scenario, quote, ring_model};
use crate::{Attention, Command, Event, Role, Stage, Status, deadline};

const MINUTE: i64 = 60_000;

fn submitted() -> Scenario {
    Scenario::created().when(Role::Customer, Command::AttachModel { model: ring_model() }).when(Role::Customer, Command::SubmitOrder)
}

fn missed(scenario: &Scenario) -> usize {
    scenario.events.iter().filter(|(event, _)| matches!(event, Event::DeadlineMissed { .. })).count()
}

#[test]
fn a_lease_that_runs_out_brings_the_next_attempt_and_refuses_the_late_result() {
    let worker = || "slow".to_owned();
    let expired = submitted().when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: worker() }).after_ms(31_000);
    let order = expired.order.as_ref().unwrap();
    assert_eq!((order.stage, order.pricing.attempt), (Stage::PricingRequested, 2));
    expired
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
        .then_rejected("not_allowed")
        .when(Role::Worker, Command::AcceptPricing { attempt: 2, worker: "w2".into() })
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
        .then_rejected("stale_attempt")
        .when(Role::Worker, Command::CompletePricing { attempt: 2, worker: "w2".into(), quote: quote() })
        .then_status(Status::PriceCalculated);
}

#[test]
fn heartbeats_keep_the_lease() {
    let mut running = submitted().when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w".into() });
    for percent in 0..20 {
        running = running
            .after_ms(20_000)
            .when(Role::Worker, Command::HeartbeatPricing { attempt: 1, worker: "w".into(), progress_percent: percent });
    }
    assert_eq!(running.order.as_ref().unwrap().stage, Stage::PricingRunning);
}

#[test]
fn attempts_end_with_a_person() {
    let mut scenario = submitted();
    for attempt in 1..=3 {
        scenario = scenario.when(Role::Worker, Command::AcceptPricing { attempt, worker: "w".into() }).after_ms(31_000);
    }
    let order = scenario.order.as_ref().unwrap();
    assert_eq!((order.stage, order.attention.as_slice()), (Stage::PricingExpired, &[Attention::PricingFailed][..]));
    scenario
        .when(Role::Seller, Command::RepriceOrder { reason: "worker fixed".into() })
        .when(Role::Worker, Command::AcceptPricing { attempt: 4, worker: "w".into() })
        .when(Role::Worker, Command::CompletePricing { attempt: 4, worker: "w".into(), quote: quote() })
        .then_status(Status::PriceCalculated);
}

#[test]
fn a_failure_that_cannot_be_mended_by_trying_again_is_not_tried_again() {
    let fail = |attempt, retryable| Command::FailPricing {
        attempt,
        worker: "w".into(),
        failure: "unreadable_model".into(),
        detail: "truncated".into(),
        retryable,
    };
    let accept = |attempt| Command::AcceptPricing { attempt, worker: "w".into() };
    let again = submitted().when(Role::Worker, accept(1)).when(Role::Worker, fail(1, true));
    assert_eq!(again.order.as_ref().unwrap().stage, Stage::PricingRequested);
    let ended = again.when(Role::Worker, accept(2)).when(Role::Worker, fail(2, false));
    assert_eq!(ended.order.as_ref().unwrap().stage, Stage::PricingFailed);
}

#[test]
fn without_workers_it_is_dispatched_ever_more_rarely_and_someone_is_told() {
    let mut scenario = submitted();
    for _ in 0..120 {
        scenario = scenario.after_ms(MINUTE);
    }
    let order = scenario.order.as_ref().unwrap();
    assert_eq!(order.attention, [Attention::PricingNotAccepted, Attention::Overdue]);
    // 30 s, 1, 2, 4, 8, 16, 32 min, then once an hour.
    assert!((6..=9).contains(&order.pricing.attempt), "attempt {}", order.pricing.attempt);
    assert_eq!(missed(&scenario), 1, "a missed deadline is written once");
    let attempt = order.pricing.attempt;
    let taken = scenario.when(Role::Worker, Command::AcceptPricing { attempt, worker: "back".into() });
    let order = taken.order.as_ref().unwrap();
    assert_eq!(order.attention, [Attention::Overdue], "a worker has it now; it is late all the same");
}

#[test]
fn a_missed_deadline_clears_itself_when_the_order_moves() {
    let late = Scenario::priced().after_ms(25 * 60 * MINUTE);
    assert_eq!(late.order.as_ref().unwrap().attention, [Attention::Overdue]);
    assert_eq!(missed(&late), 1);
    let moved = late.when(Role::Seller, Command::ApproveOrder { reason: None });
    assert!(moved.order.as_ref().unwrap().attention.is_empty());
}

#[test]
fn the_clock_of_a_held_order_stands_still() {
    let day = 24 * 60 * MINUTE;
    let held = Scenario::priced().after_ms(day / 2).when(Role::Seller, Command::HoldOrder { reason: "asked to wait".into() });
    assert_eq!(deadline(held.order.as_ref().unwrap(), &held.policy), None);
    let resumed = held.after_ms(10 * day).when(Role::Seller, Command::ResumeOrder { reason: "go on".into() }).after_ms(day / 2 - MINUTE);
    assert_eq!(missed(&resumed), 0);
    assert_eq!(missed(&resumed.after_ms(2 * MINUTE)), 1);
}
