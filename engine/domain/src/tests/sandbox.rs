//! Orders of sandboxes: who moves them, how the works are played, how their clock leaps.

use proptest::prelude::*;

use crate::testing::{Scenario, create_order, quote};
use crate::{
    Action, CLOCK_LEAP_MAX_MS, Channel, Command, Decision, Event, Money, Order, Policy, Rejection, Request, Role, Stage, Status, advance,
    decide, evolve, on_deadline,
};

fn approved() -> Scenario {
    Scenario::priced_in_sandbox()
        .when(Role::Sandbox, Command::AcceptQuote { price: quote().price })
        .then_status(Status::ManufacturingApproved)
}

/// What is decided when `role`, under the name of the sandbox's partner, asks this of the order.
fn asked(order: &Order, role: Role, command: &Command) -> Decision {
    let request =
        Request { command_id: 9000, digest: 1, role, name: Role::Sandbox.as_str(), expected_version: None, command: command.clone() };
    decide(Some(order), request, &Policy::default(), 5_000_000)
}

#[test]
fn the_partner_plays_the_works_to_the_end() {
    let mut scenario = approved();
    let mut statuses = Vec::new();
    while scenario.order.as_ref().is_some_and(|order| !order.status().is_final()) {
        scenario = scenario.when(Role::Sandbox, Command::AdvanceOrder);
        assert!(matches!(scenario.last, Some(Decision::Accepted(_))), "{:?}", scenario.last);
        statuses.push(scenario.order.as_ref().expect("an order").status());
    }
    use Status::{Closed, ManufacturingApproved, ManufacturingCompleted, ManufacturingStarted, Packaging, Shipped};
    assert_eq!(statuses, [ManufacturingApproved, ManufacturingStarted, ManufacturingCompleted, Packaging, Shipped, Closed]);
    scenario.when(Role::Sandbox, Command::AdvanceOrder).then_rejected("not_allowed");
}

#[test]
fn a_step_is_the_one_the_works_would_have_taken() {
    let mut scenario = approved();
    let parcel = || (String::from("sandbox"), String::from("SANDBOX-12"));
    let theirs = [
        (Role::Operator, Command::ClaimWork),
        (Role::Operator, Command::StartWork),
        (Role::Operator, Command::CompleteWork),
        (Role::Operator, Command::PackOrder),
        (Role::Operator, Command::ShipOrder { carrier: parcel().0, tracking: parcel().1 }),
        (Role::Carrier, Command::DeliverOrder { carrier: parcel().0, tracking: parcel().1, delivered_at: 5_000_000 }),
    ];
    for (role, command) in theirs {
        let order = scenario.order.clone().expect("an order");
        let real = Order { sandbox: false, ..order.clone() };
        assert_eq!(asked(&order, Role::Sandbox, &Command::AdvanceOrder), asked(&real, role, &command), "from {}", order.stage);
        scenario = scenario.when(Role::Sandbox, Command::AdvanceOrder);
    }
}

#[test]
fn before_it_is_approved_there_is_no_step_to_play() {
    let refused = Scenario::priced_in_sandbox().when(Role::Sandbox, Command::AdvanceOrder).then_rejected("not_allowed");
    assert_eq!(refused.rejection().allowed(), [Action::Accept, Action::Amend, Action::Cancel, Action::Clock]);
}

#[test]
fn nobody_real_moves_an_order_of_a_sandbox() {
    let order = approved().order.expect("an order");
    let reason = || "because".to_owned();
    for role in [Role::Operator, Role::Seller, Role::Admin, Role::Carrier, Role::Engine] {
        for command in [Command::ClaimWork, Command::HoldOrder { reason: reason() }, Command::CancelOrder { reason: reason() }] {
            assert_eq!(asked(&order, role, &command), Decision::Rejected(Rejection::SandboxOrder), "{role}: {command:?}");
        }
    }
    let skip = Command::SkipRecords { offsets: vec![1], reason: reason() };
    assert!(matches!(asked(&order, Role::Admin, &skip), Decision::Accepted(_)), "a record is repaired wherever it is");
}

#[test]
fn a_real_order_knows_neither_steps_nor_leaps() {
    let real = Order { sandbox: false, client: Role::Sandbox.as_str().into(), ..approved().order.expect("an order") };
    for command in [Command::AdvanceOrder, Command::AdvanceClock { by_ms: 1000 }] {
        let action = command.action().expect("it moves");
        for role in [Role::Partner, Role::Admin, Role::Operator, Role::Worker] {
            assert_eq!(asked(&real, role, &command), Decision::Rejected(Rejection::LiveOrder { action }), "{role}");
        }
    }
}

#[test]
fn live_keys_and_sandbox_keys_of_one_partner_see_different_orders() {
    let of_sandbox = approved().order.expect("an order");
    let real = Order { sandbox: false, ..of_sandbox.clone() };
    let cancel = Command::CancelOrder { reason: "no".into() };
    for (order, role) in [(&of_sandbox, Role::Partner), (&of_sandbox, Role::Customer), (&real, Role::Sandbox)] {
        assert_eq!(asked(order, role, &cancel), Decision::Rejected(Rejection::UnknownOrder), "{role}");
        assert_eq!(asked(order, role, &Command::AdvanceOrder), Decision::Rejected(Rejection::UnknownOrder), "{role}");
    }
    let others = Order { client: "other".into(), ..of_sandbox };
    assert_eq!(asked(&others, Role::Sandbox, &cancel), Decision::Rejected(Rejection::UnknownOrder));
}

#[test]
fn the_key_makes_the_mark_and_the_channel_must_be_the_partners() {
    let Command::CreateOrder { client, item, .. } = create_order() else { unreachable!("it creates") };
    let create = |channel| Command::CreateOrder { channel, client: client.clone(), reference: None, customer: None, item: item.clone() };
    for (role, mark) in [(Role::Partner, false), (Role::Sandbox, true)] {
        let created = Scenario::nothing().when(role, create(Channel::Partner));
        assert!(matches!(&created.events[0].0, Event::OrderCreated { sandbox, .. } if *sandbox == mark), "{role}");
        assert_eq!(created.order.expect("an order").sandbox, mark);
        Scenario::nothing().when(role, create(Channel::Shop)).then_rejected("invalid");
    }
}

#[test]
fn a_leap_has_a_limit() {
    for (by_ms, possible) in [(i64::MIN, false), (-1, false), (0, false), (1, true), (CLOCK_LEAP_MAX_MS, true), (i64::MAX, false)] {
        let scenario = approved().when(Role::Sandbox, Command::AdvanceClock { by_ms });
        assert_eq!(matches!(scenario.last, Some(Decision::Accepted(_))), possible, "{by_ms}");
        if !possible {
            assert_eq!(scenario.then_rejected("invalid").rejection().field(), Some("by_seconds"));
        }
    }
}

/// An order of a sandbox that stands somewhere before its end.
fn standing() -> impl Strategy<Value = Scenario> {
    let submitted = |limit: Option<i64>| {
        let Command::CreateOrder { item, .. } = create_order() else { unreachable!("it creates") };
        let client = Role::Sandbox.as_str().to_owned();
        let submit =
            limit.map_or(Command::SubmitOrder, |minor| Command::SubmitOrderUpTo { price: Money { minor, currency: "EUR".into() } });
        Scenario::nothing()
            .when(Role::Sandbox, Command::CreateOrder { channel: Channel::Partner, client, reference: None, customer: None, item })
            .when(Role::Sandbox, Command::AttachModel { model: crate::testing::ring_model() })
            .when(Role::Sandbox, submit)
    };
    prop_oneof![
        Just(submitted(None)),
        Just(submitted(None).when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w1".into() })),
        Just(submitted(Some(1_000_000)).quoted(1)),
        Just(Scenario::priced_in_sandbox()),
        (0_usize..6).prop_map(|steps| (0..steps).fold(approved(), |scenario, _| scenario.when(Role::Sandbox, Command::AdvanceOrder))),
    ]
}

/// What the deadlines lead to until none has passed, without when they were due, and where the order stands then.
fn fired(mut order: Order, now: i64) -> (Vec<String>, Stage) {
    let mut told = Vec::new();
    loop {
        let events = on_deadline(&order, &Policy::default(), now);
        if events.is_empty() {
            return (told, order.stage);
        }
        for event in events {
            told.push(match &event {
                Event::DeadlineMissed { stage, action, .. } => format!("{stage} {action:?}"),
                other => format!("{other:?}"),
            });
            advance(&mut order, &event, now);
        }
        // A dispatch that nobody takes is given up again and again, from now on; the first round is compared.
        if told.len() > 8 {
            return (told, order.stage);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_leap_is_the_same_as_waiting(scenario in standing(), by_ms in 1_i64..2_000_000_000) {
        let order = scenario.order.clone().expect("an order");
        let leapt = evolve(Some(order.clone()), &Event::ClockAdvanced { by_ms }, scenario.now).expect("an order");
        prop_assert_eq!(fired(leapt, scenario.now), fired(order, scenario.now + by_ms));
    }
}
