//! What holds for any history whatever.

use proptest::prelude::*;

use crate::table::TABLE;
use crate::testing::{Scenario, create_order, quote, ring_model};
use crate::{Action, Command, Decision, Event, Money, Order, Role, Stage, allowed, deadline, evolve};

#[derive(Clone, Debug)]
enum Step {
    Ask(Role, Command),
    AskAgain(Role, Command, u128),
    Wait(i64),
}

fn command() -> impl Strategy<Value = Command> {
    let text = || prop_oneof![Just(String::new()), Just("because".to_owned())];
    let worker = || prop_oneof![Just("w1".to_owned()), Just("w2".to_owned())];
    let attempt = || 0_u32..5;
    prop_oneof![
        1 => Just(create_order()),
        1 => Just(Command::AttachModel { model: ring_model() }),
        4 => Just(Command::SubmitOrder),
        6 => (attempt(), worker()).prop_map(|(attempt, worker)| Command::AcceptPricing { attempt, worker }),
        2 => (attempt(), worker()).prop_map(|(attempt, worker)| Command::HeartbeatPricing { attempt, worker, progress_percent: 5 }),
        6 => (attempt(), worker()).prop_map(|(attempt, worker)| Command::CompletePricing { attempt, worker, quote: quote() }),
        1 => (attempt(), worker(), any::<bool>()).prop_map(|(attempt, worker, retryable)| Command::FailPricing {
            attempt, worker, failure: "internal".into(), detail: String::new(), retryable
        }),
        1 => (any::<i32>(), text()).prop_map(|(minor, reason)| Command::QuoteOrder {
            price: Money { minor: i64::from(minor), currency: "EUR".into() }, reason
        }),
        1 => text().prop_map(|reason| Command::RepriceOrder { reason }),
        4 => Just(Command::ApproveOrder { reason: None }),
        1 => text().prop_map(|reason| Command::RejectOrder { reason }),
        4 => Just(Command::ClaimWork),
        4 => Just(Command::StartWork),
        4 => Just(Command::CompleteWork),
        1 => text().prop_map(|defect| Command::ReworkOrder { defect }),
        1 => text().prop_map(|reason| Command::ReleaseWork { reason }),
        4 => Just(Command::PackOrder),
        4 => Just(Command::ShipOrder { carrier: "c".into(), tracking: "t".into() }),
        1 => Just(Command::DeliverOrder { carrier: "c".into(), tracking: "t".into(), delivered_at: 1 }),
        1 => text().prop_map(|reason| Command::CloseOrder { reason }),
        1 => text().prop_map(|reason| Command::HoldOrder { reason }),
        2 => text().prop_map(|reason| Command::ResumeOrder { reason }),
        1 => text().prop_map(|reason| Command::CancelOrder { reason }),
        2 => (10_000_i64..15_000).prop_map(|minor| Command::SubmitOrderUpTo { price: Money { minor, currency: "EUR".into() } }),
        1 => Just(Command::AcceptQuote { price: quote().price }),
        1 => any::<bool>().prop_map(|given| Command::AmendOrder { item: None, model: given.then(ring_model) }),
        1 => text().prop_map(|reason| Command::SkipRecords { offsets: vec![1], reason }),
        2 => Just(Command::AdvanceOrder),
        1 => (0_i64..100_000_000).prop_map(|by_ms| Command::AdvanceClock { by_ms }),
    ]
}

impl Step {
    /// What a buyer asks is asked with a key of the sandbox; who works in the house asks as ever, in vain.
    fn in_sandbox(self) -> Self {
        let with_key = |role| if matches!(role, Role::Customer | Role::Partner) { Role::Sandbox } else { role };
        match self {
            Step::Ask(role, command) => Step::Ask(with_key(role), command),
            Step::AskAgain(role, command, id) => Step::AskAgain(with_key(role), command, id),
            Step::Wait(ms) => Step::Wait(ms),
        }
    }
}

/// Half the time somebody who may ask asks; else anybody asks anything.
fn step() -> impl Strategy<Value = Step> {
    let anybody = || proptest::sample::select(&Role::ALL[..]);
    prop_oneof![
        6 => command().prop_map(|command| Step::Ask(rightful(&command), command)),
        2 => (anybody(), command()).prop_map(|(role, command)| Step::Ask(role, command)),
        1 => (command(), 1_u128..20).prop_map(|(command, id)| Step::AskAgain(rightful(&command), command, id)),
        2 => (0_i64..100_000_000).prop_map(Step::Wait),
    ]
}

fn rightful(command: &Command) -> Role {
    command.action().and_then(|action| TABLE.iter().find(|row| row.action == action)).map_or(Role::Customer, |row| row.roles[0])
}

fn refold(scenario: &Scenario) -> Option<Order> {
    scenario.events.iter().fold(None, |order, (event, at)| evolve(order, event, *at))
}

/// The state without the commands it remembers, which are not events.
fn bare(order: Option<&Order>) -> Option<Order> {
    order.cloned().map(|mut order| {
        order.seen.clear();
        order
    })
}

fn check(before: &Scenario, after: &Scenario, step: &Step) {
    let new = &after.events[before.events.len()..];
    let order = after.order.as_ref();
    assert_eq!(order.map_or(0, |order| order.version), after.events.len() as u64, "versions are contiguous");
    assert_eq!(bare(refold(after).as_ref()), bare(order), "replay of the events gives the same state");
    if let Some(previous) = &before.order
        && previous.status().is_final()
    {
        let told = |(event, _): &(Event, _)| matches!(event, Event::RecordsSkipped { .. });
        assert!(new.iter().all(told), "nothing happens to an order that has ended");
        assert_eq!(order.map(|order| order.stage), Some(previous.stage), "and it stays so");
    }
    if let (Some(before), Some(after)) = (&before.order, order) {
        assert_eq!(before.sandbox, after.sandbox, "what is of a sandbox stays so, and what is not too");
    }
    if let Some(order) = order {
        let leapt = new.iter().any(|(event, _)| matches!(event, Event::ClockAdvanced { .. }));
        assert!(order.sandbox || !leapt, "the clock of a real order does not leap");
        assert_eq!(
            order.held.is_some() || order.status().is_final(),
            deadline(order, &after.policy).is_none() && !paused_by_overdue(order)
        );
        assert!(order.size_bytes() <= 1024 * 4, "an order stays small: {} bytes", order.size_bytes());
    }
    if let (Step::Ask(role, command) | Step::AskAgain(role, command, _), Some(previous), Some(order)) = (step, &before.order, order) {
        let of_house = !matches!(role, Role::Sandbox | Role::Worker) && !matches!(command, Command::SkipRecords { .. });
        assert!(!order.sandbox || !of_house || new.is_empty(), "{role} moved an order of a sandbox: {command:?}");
        match &after.last {
            Some(Decision::Accepted(_)) => legal(previous, order, *role, command),
            _ => assert!(new.is_empty(), "what is refused or repeated changes nothing"),
        }
    }
}

/// Once everything was said about an order that does not move it has no further deadline until it does.
fn paused_by_overdue(order: &Order) -> bool {
    order.escalated && order.late && !matches!(order.stage, Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning)
}

fn legal(before: &Order, after: &Order, role: Role, command: &Command) {
    let action = command.action().expect("creation of an existing order is refused");
    let listed = allowed(before.stage, before.held.is_some(), role).contains(&action);
    assert!(listed || action == Action::SkipRecords, "{action:?} was not among the allowed");
    let row = TABLE.iter().find(|row| row.action == action && row.roles.contains(&role) && row.from.contains(&before.stage));
    let row = row.expect("a row of the table");
    let stays = row.to.is_empty() && after.stage == before.stage;
    assert!(stays || row.to.contains(&after.stage), "{action:?} led from {} to {}", before.stage, after.stage);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_keeps_the_invariants(of_sandbox in any::<bool>(), steps in proptest::collection::vec(step(), 1..60)) {
        let mut scenario = if of_sandbox { Scenario::priced_in_sandbox() } else { Scenario::nothing() };
        for step in steps {
            let before = scenario.clone();
            let step = if of_sandbox { step.in_sandbox() } else { step };
            scenario = match step.clone() {
                Step::Ask(role, command) => scenario.when(role, command),
                Step::AskAgain(role, command, id) => scenario.when_again(role, command, id),
                Step::Wait(ms) => scenario.after_ms(ms),
            };
            check(&before, &scenario, &step);
        }
    }
}
