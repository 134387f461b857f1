//! The rules, one by one.

use crate::testing::{Scenario, create_order, quote, ring_model};
use crate::{Action, Channel, Command, Decision, Item, Money, Rejection, Request, Role, Status, decide};

#[test]
fn a_command_is_decided_once() {
    let submit = || Command::SubmitOrder;
    let scenario = Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when_again(Role::Customer, submit(), 77)
        .then_status(Status::Submitted);
    let version = scenario.order.as_ref().unwrap().version;
    let again = scenario.when_again(Role::Customer, submit(), 77).then_repeated();
    assert_eq!(again.order.as_ref().unwrap().version, version);
    assert!(matches!(again.last, Some(Decision::Repeated(seen)) if u64::from(seen.version) == version));
    again.when_again(Role::Customer, Command::CancelOrder { reason: "no".into() }, 77).then_rejected("key_reused");
}

#[test]
fn a_second_creation_under_the_same_order_id_is_a_reused_key() {
    Scenario::created().when(Role::Customer, create_order()).then_rejected("key_reused");
}

#[test]
fn an_order_that_moved_on_is_not_changed_by_an_old_view() {
    let scenario = Scenario::created();
    let command = Command::CancelOrder { reason: "no".into() };
    let request = Request { command_id: 5, digest: 1, role: Role::Customer, name: "shop", expected_version: Some(9), command };
    let decision = decide(scenario.order.as_ref(), request, &scenario.policy, 0);
    assert_eq!(decision, Decision::Rejected(Rejection::Version { expected: 9, actual: 1 }));
}

#[test]
fn a_hold_stops_people_but_not_what_happens_anyway() {
    let held = Scenario::priced().when(Role::Seller, Command::HoldOrder { reason: "customer on holiday".into() });
    assert_eq!(held.order.as_ref().unwrap().status(), Status::PriceCalculated, "a hold is not a status");
    let refused = held.when(Role::Seller, Command::ApproveOrder { reason: None }).then_rejected("held");
    assert_eq!(refused.rejection().to_string(), "the order is on hold: customer on holiday");
    assert!(refused.rejection().allowed().contains(&Action::Resume));
    refused
        .when(Role::Seller, Command::ResumeOrder { reason: "back".into() })
        .when(Role::Seller, Command::ApproveOrder { reason: None })
        .then_status(Status::ManufacturingApproved);
}

#[test]
fn a_price_that_arrives_while_held_is_kept() {
    let worker = || "w".to_owned();
    Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when(Role::Customer, Command::SubmitOrder)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: worker() })
        .when(Role::Operator, Command::HoldOrder { reason: "check the file".into() })
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
        .then_status(Status::PriceCalculated);
}

#[test]
fn one_worker_holds_one_attempt() {
    let submitted =
        Scenario::created().when(Role::Customer, Command::AttachModel { model: ring_model() }).when(Role::Customer, Command::SubmitOrder);
    submitted
        .when(Role::Worker, Command::AcceptPricing { attempt: 2, worker: "early".into() })
        .then_rejected("stale_attempt")
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "first".into() })
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "second".into() })
        .then_rejected("not_allowed")
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: "second".into(), quote: quote() })
        .then_rejected("not_holder")
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: "first".into(), quote: quote() })
        .then_status(Status::PriceCalculated);
}

#[test]
fn a_quote_for_another_model_or_with_a_wrong_sum_is_refused() {
    let running = Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when(Role::Customer, Command::SubmitOrder)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w".into() });
    let complete = |quote| Command::CompletePricing { attempt: 1, worker: "w".into(), quote };
    let mut other_model = quote();
    other_model.model_sha256 = "cd".repeat(32);
    let mut wrong_sum = quote();
    wrong_sum.price.minor += 1;
    running
        .when(Role::Worker, complete(other_model))
        .then_rejected("invalid")
        .when(Role::Worker, complete(wrong_sum))
        .then_rejected("invalid")
        .when(Role::Worker, complete(quote()))
        .then_status(Status::PriceCalculated);
}

#[test]
fn two_operators_never_have_one_ring() {
    let mut claimed =
        Scenario::priced().when(Role::Seller, Command::ApproveOrder { reason: None }).when(Role::Operator, Command::ClaimWork);
    let as_bob = |command: Command, scenario: &Scenario| {
        let request = Request { command_id: 900, digest: 1, role: Role::Operator, name: "bob", expected_version: None, command };
        decide(scenario.order.as_ref(), request, &scenario.policy, scenario.now)
    };
    assert!(matches!(as_bob(Command::ClaimWork, &claimed), Decision::Rejected(Rejection::NotAllowed { .. })));
    let refused = as_bob(Command::StartWork, &claimed);
    assert_eq!(refused, Decision::Rejected(Rejection::NotHolder { holder: "operator".into() }));
    claimed = claimed.when(Role::Operator, Command::ReleaseWork { reason: "shift ends".into() });
    assert!(matches!(as_bob(Command::ClaimWork, &claimed), Decision::Accepted(_)));
}

#[test]
fn what_is_not_made_is_refused_by_field_with_what_is() {
    let mut scenario = Scenario::nothing();
    scenario.policy.materials = vec!["silver-925".into()];
    let create = |material: &str, quantity, finish: &str| Command::CreateOrder {
        channel: Channel::Shop,
        client: "shop".into(),
        reference: None,
        customer: None,
        item: Item { material: material.into(), quantity, finish: finish.into() },
    };
    let refused = scenario.when(Role::Customer, create("kryptonite", 1, "polished")).then_rejected("invalid");
    assert_eq!(refused.rejection().field(), Some("item.material"));
    assert_eq!(refused.rejection().fix(), "use one of: silver-925");
    let refused = refused.when(Role::Customer, create("silver-925", 0, "polished")).then_rejected("invalid");
    assert_eq!(refused.rejection().field(), Some("item.quantity"));
    let refused = refused.when(Role::Customer, create("silver-925", 1, "fluffy")).then_rejected("invalid");
    assert_eq!(refused.rejection().field(), Some("item.finish"));
}

#[test]
fn buyers_reach_only_orders_of_their_own() {
    let scenario = Scenario::priced();
    let command = Command::CancelOrder { reason: "not mine".into() };
    let request = Request { command_id: 1000, digest: 1, role: Role::Partner, name: "acme", expected_version: None, command };
    let decision = decide(scenario.order.as_ref(), request, &scenario.policy, scenario.now);
    assert_eq!(decision, Decision::Rejected(Rejection::UnknownOrder));
}

#[test]
fn a_move_of_another_role_is_forbidden_and_says_so() {
    Scenario::priced().when(Role::Operator, Command::ApproveOrder { reason: None }).then_rejected("forbidden");
}

#[test]
fn nobody_cancels_what_is_shipped_and_customers_not_what_is_being_made() {
    let approved = Scenario::priced().when(Role::Seller, Command::ApproveOrder { reason: None });
    approved
        .when(Role::Customer, Command::CancelOrder { reason: "changed my mind".into() })
        .then_rejected("not_allowed")
        .when(Role::Seller, Command::CancelOrder { reason: "agreed with the customer".into() })
        .then_status(Status::Cancelled)
        .when(Role::Seller, Command::HoldOrder { reason: "too late".into() })
        .then_rejected("not_allowed");
}

#[test]
fn a_manual_quote_takes_the_place_of_pricing() {
    let price = |minor| Money { minor, currency: "EUR".into() };
    let submitted =
        Scenario::created().when(Role::Customer, Command::AttachModel { model: ring_model() }).when(Role::Customer, Command::SubmitOrder);
    submitted
        .when(Role::Seller, Command::QuoteOrder { price: price(0), reason: "by hand".into() })
        .then_rejected("invalid")
        .when(Role::Seller, Command::QuoteOrder { price: price(5000), reason: "by hand".into() })
        .then_status(Status::PriceCalculated)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "late".into() })
        .then_rejected("not_allowed");
}

#[test]
fn an_unknown_order_is_unknown() {
    Scenario::nothing().when(Role::Customer, Command::SubmitOrder).then_rejected("unknown_order");
}

#[test]
fn a_hash_is_its_text_and_nothing_else_is_a_hash() {
    let text = "0123456789abcdef".repeat(4);
    assert_eq!(text.parse::<crate::Sha256>().unwrap().to_string(), text);
    for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('f', "g"), &"é".repeat(32)] {
        assert_eq!(wrong.parse::<crate::Sha256>(), Err(crate::NotASha256), "{wrong}");
    }
}
