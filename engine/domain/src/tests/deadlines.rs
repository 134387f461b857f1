//! What time does to an order.

use crate::testing::{Scenario, create_order, quote, ring_model};
use crate::{
    Attention, Channel, Command, Decision, Event, Exception, Item, Limit, MissedAction, OnMissed, Policy, Role, Stage, Status, deadline,
};

const MINUTE: i64 = 60_000;

fn submitted() -> Scenario {
    Scenario::created().when(Role::Customer, Command::AttachModel { model: ring_model() }).when(Role::Customer, Command::SubmitOrder)
}

fn actions(scenario: &Scenario) -> Vec<MissedAction> {
    let action = |(event, _): &(Event, _)| if let Event::DeadlineMissed { action, .. } = event { Some(*action) } else { None };
    scenario.events.iter().filter_map(action).collect()
}

fn missed(scenario: &Scenario) -> usize {
    actions(scenario).len()
}

/// An order with a price, in a house with another policy.
fn priced_under(policy: Policy) -> Scenario {
    let mut scenario = Scenario::priced();
    scenario.policy = policy;
    scenario
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
fn an_earlier_dispatch_of_the_same_work_is_told_which_attempt_is_free() {
    let accept = |attempt| Command::AcceptPricing { attempt, worker: "w".into() };
    let offered = |scenario: Scenario, attempt| {
        let asked = scenario.when(Role::Worker, accept(attempt));
        let offered = match &asked.last {
            Some(Decision::Rejected(rejection)) => rejection.attempt(),
            granted => panic!("attempt {attempt}: {granted:?}"),
        };
        (asked, offered)
    };
    // Nobody takes the first two dispatches: 30 s, then 60 s.
    let waiting = Scenario::submitted_by_partner(None).after_ms(31_000).after_ms(61_000);
    let (waiting, free) = offered(waiting, 1);
    assert_eq!(free, Some(3));
    let (waiting, free) = offered(waiting.then_rejected("stale_attempt"), 2);
    assert_eq!(free, Some(3));
    let (waiting, free) = offered(waiting, 4);
    assert_eq!(free, None, "there is no such attempt yet");
    let (taken, free) = offered(waiting.when(Role::Worker, accept(3)), 1);
    assert_eq!(free, None, "somebody has it");

    // What somebody took and did not bring home is over for good, and so is what came before it.
    let again = taken.then_rejected("not_allowed").after_ms(31_000);
    assert_eq!(again.order.as_ref().unwrap().pricing.attempt, 4);
    let (again, free) = offered(again, 3);
    assert_eq!(free, None);
    let (again, free) = offered(again.after_ms(31_000), 3);
    assert_eq!(free, None);
    let (again, free) = offered(again, 4);
    assert_eq!(free, Some(5));

    // Another piece is other work.
    let Command::CreateOrder { item, .. } = create_order() else { unreachable!("it creates") };
    let amended = again.when(Role::Partner, Command::AmendOrder { item: Some(Item { quantity: 2, ..item }), model: None });
    let (amended, free) = offered(amended, 5);
    assert_eq!(free, None);
    let (_, free) = offered(amended.after_ms(31_000), 6);
    assert_eq!(free, Some(7));
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
fn heartbeats_do_not_push_out_what_was_asked_before() {
    let submit = 900;
    let mut running = Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when_again(Role::Customer, Command::SubmitOrder, submit)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w".into() });
    let heartbeat = |progress_percent| Command::HeartbeatPricing { attempt: 1, worker: "w".into(), progress_percent };
    for percent in 0..=100 {
        running = running.after_ms(10_000).when_again(Role::Worker, heartbeat(percent), 1000 + u128::from(percent));
    }
    let seen = running.order.as_ref().unwrap().seen.len();
    let again = running.when_again(Role::Customer, Command::SubmitOrder, submit);
    assert!(matches!(again.last, Some(Decision::Repeated(_))), "{:?}", again.last);
    let again = again.when_again(Role::Worker, heartbeat(100), 1100);
    assert!(matches!(again.last, Some(Decision::Repeated(_))), "the last heartbeat is remembered: {:?}", again.last);
    assert!(seen <= 5, "{seen} commands are remembered");
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

#[test]
fn what_begins_during_a_hold_has_its_whole_time_afterwards() {
    let day = 24 * 60 * MINUTE;
    let made = Scenario::priced()
        .when(Role::Seller, Command::ApproveOrder { reason: None })
        .when(Role::Operator, Command::ClaimWork {})
        .when(Role::Seller, Command::HoldOrder { reason: "asked to wait".into() });
    let released = made.after_ms(6 * day).when(Role::Operator, Command::ReleaseWork { reason: "another piece first".into() });
    let resumed = released.after_ms(day).when(Role::Seller, Command::ResumeOrder { reason: "go on".into() });
    let order = resumed.order.as_ref().unwrap();
    assert_eq!((order.stage, order.since), (Stage::WorkAvailable, resumed.now));
}

#[test]
fn a_worker_lost_during_a_hold_is_noticed_at_its_end() {
    let day = 24 * 60 * MINUTE;
    let accept = Command::AcceptPricing { attempt: 1, worker: "w".into() };
    let lost = submitted().when(Role::Worker, accept).when(Role::Seller, Command::HoldOrder { reason: "asked to wait".into() });
    let resumed = lost.after_ms(day).when(Role::Seller, Command::ResumeOrder { reason: "go on".into() }).after_ms(0);
    let order = resumed.order.as_ref().unwrap();
    assert_eq!((order.stage, order.pricing.attempt), (Stage::PricingRequested, 2));
}

#[test]
fn an_order_that_still_stands_there_is_raised_once_more_and_then_no_more() {
    let late = Scenario::priced().after_ms(24 * 60 * MINUTE);
    assert_eq!(actions(&late), [MissedAction::Attention]);
    let later = late.after_ms(24 * 60 * MINUTE).after_ms(24 * 60 * MINUTE);
    assert_eq!(actions(&later), [MissedAction::Attention, MissedAction::Escalate]);
    assert_eq!(later.order.as_ref().unwrap().attention, [Attention::Overdue, Attention::Escalated]);
    let moved = later.when(Role::Seller, Command::ApproveOrder { reason: None });
    assert!(moved.order.as_ref().unwrap().attention.is_empty());
    let never = priced_under(Policy { escalate_after_ms: None, ..Policy::default() }).after_ms(80 * 24 * 60 * MINUTE);
    assert_eq!(actions(&never), [MissedAction::Attention]);
}

#[test]
fn an_order_that_takes_too_long_as_a_whole_is_said_to_until_it_ends() {
    let mut policy = Policy::default();
    policy.limits.total_ms = MINUTE;
    let late = priced_under(policy).after_ms(MINUTE);
    assert_eq!(actions(&late), [MissedAction::Late]);
    let moved = late.when(Role::Seller, Command::ApproveOrder { reason: None });
    assert_eq!(moved.order.as_ref().unwrap().attention, [Attention::Late]);
    let ended = moved.when(Role::Seller, Command::CancelOrder { reason: "too late".into() });
    assert!(ended.order.as_ref().unwrap().attention.is_empty());
}

#[test]
fn a_claim_that_is_not_followed_by_a_start_goes_back_where_the_policy_says_so() {
    let claimed = |policy| {
        let approved = priced_under(policy).when(Role::Seller, Command::ApproveOrder { reason: None });
        approved.when(Role::Operator, Command::ClaimWork).after_ms(4 * 60 * MINUTE)
    };
    let kept = claimed(Policy::default());
    assert_eq!((kept.order.as_ref().unwrap().stage, actions(&kept)), (Stage::WorkClaimed, vec![MissedAction::Attention]));
    let released = claimed(Policy { on_missed: [(Limit::Claimed, OnMissed::Release)].into(), ..Policy::default() });
    let order = released.order.as_ref().unwrap();
    assert_eq!((order.stage, order.holder.as_deref(), order.attention.as_slice()), (Stage::WorkAvailable, None, &[][..]));
    assert_eq!(actions(&released), [MissedAction::Release]);
    released.when(Role::Operator, Command::StartWork).then_rejected("not_allowed");
}

#[test]
fn the_last_exception_that_fits_the_order_sets_its_limit() {
    let exception = |channel, material: Option<&str>, minutes| Exception {
        channel,
        material: material.map(str::to_owned),
        limits: [(Limit::Priced, minutes * MINUTE)].into(),
    };
    let exceptions = vec![
        exception(Some(Channel::Shop), None, 10),
        exception(None, Some("silver-925"), 20),
        exception(Some(Channel::Partner), None, 30),
        exception(None, Some("gold-585"), 40),
    ];
    let scenario = priced_under(Policy { exceptions, ..Policy::default() });
    let order = scenario.order.as_ref().unwrap();
    assert_eq!(deadline(order, &scenario.policy).unwrap().at, order.since + 20 * MINUTE);
    assert_eq!(scenario.policy.limit_ms(order, Limit::Completed), Policy::default().limits.completed_ms, "what it does not set stays");
}

#[test]
fn a_policy_that_cannot_be_gone_by_says_which_field() {
    let wrong = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        policy.check().unwrap_err()
    };
    assert_eq!(Policy::default().check(), Ok(()));
    assert!(wrong(|policy| policy.limits.total_ms = 0).contains("Total"));
    assert!(wrong(|policy| policy.version = String::new()).contains("version"));
    assert!(wrong(|policy| policy.on_missed = [(Limit::Shipped, OnMissed::Release)].into()).contains("Shipped"));
    let text =
        r#"{"version": "2", "exceptions": [{"material": "gold-585", "limits": {"priced_ms": 5}}], "on_missed": {"claimed_ms": "release"}}"#;
    let policy: Policy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.exceptions[0].limits[&Limit::Priced], 5);
    assert!(serde_json::from_str::<Policy>(r#"{"exceptions": [{"limits": {"pricd_ms": 5}}]}"#).is_err());
}
