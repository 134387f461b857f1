//! Who approves a price: the partner, at once or beforehand; and what follows when the order is amended.

use crate::testing::{Scenario, create_order, quote, ring_model};
use crate::{Action, Command, Event, Item, Money, Quote, Role, Status, allowed};

fn eur(minor: i64) -> Money {
    Money { minor, currency: "EUR".into() }
}

fn approvals(scenario: &Scenario) -> usize {
    scenario.events.iter().filter(|(event, _)| matches!(event, Event::OrderApproved { .. })).count()
}

#[test]
fn a_quote_waits_until_the_partner_accepts_that_very_price() {
    Scenario::submitted_by_partner(None)
        .quoted(1)
        .then_status(Status::PriceCalculated)
        .when(Role::Customer, Command::AcceptQuote { price: quote().price })
        .then_rejected("unknown_order")
        .when(Role::Seller, Command::AcceptQuote { price: quote().price })
        .then_rejected("forbidden")
        .when(Role::Partner, Command::AcceptQuote { price: eur(1) })
        .then_rejected("invalid")
        .when(Role::Partner, Command::AcceptQuote { price: Money { currency: "USD".into(), ..quote().price } })
        .then_rejected("invalid")
        .when(Role::Partner, Command::AcceptQuote { price: quote().price })
        .then_status(Status::ManufacturingApproved);
}

#[test]
fn a_price_within_the_limit_is_approved_with_its_calculation() {
    let price = quote().price.minor;
    for (limit, status) in [
        (eur(price), Status::ManufacturingApproved),
        (eur(price + 1), Status::ManufacturingApproved),
        (eur(price - 1), Status::PriceCalculated),
        (Money { minor: price, currency: "USD".into() }, Status::PriceCalculated),
    ] {
        let quoted = Scenario::submitted_by_partner(Some(limit.clone())).quoted(1).then_status(status);
        assert_eq!(approvals(&quoted), usize::from(status == Status::ManufacturingApproved), "{limit:?}");
    }
    // One above it may still be accepted, and one set by hand counts like any other.
    let above = Scenario::submitted_by_partner(Some(eur(price - 1))).quoted(1);
    above.clone().when(Role::Partner, Command::AcceptQuote { price: quote().price }).then_status(Status::ManufacturingApproved);
    above
        .when(Role::Seller, Command::QuoteOrder { price: eur(price - 2), reason: "rebate".into() })
        .then_status(Status::ManufacturingApproved);
}

#[test]
fn a_price_with_warnings_is_not_approved_beforehand() {
    let warned = Quote { warnings: vec!["the mesh is not watertight".into()], ..quote() };
    let calculated = Command::CompletePricing { attempt: 1, worker: "w1".into(), quote: warned };
    Scenario::submitted_by_partner(Some(eur(1_000_000)))
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w1".into() })
        .when(Role::Worker, calculated)
        .then_status(Status::PriceCalculated)
        .when(Role::Partner, Command::AcceptQuote { price: quote().price })
        .then_status(Status::ManufacturingApproved);
}

#[test]
fn nothing_is_approved_beforehand_while_the_order_is_on_hold() {
    let held = Scenario::submitted_by_partner(Some(eur(1_000_000)))
        .when(Role::Operator, Command::HoldOrder { reason: "check the file".into() })
        .quoted(1)
        .then_status(Status::PriceCalculated);
    held.when(Role::Operator, Command::ResumeOrder { reason: "it is fine".into() })
        .then_status(Status::PriceCalculated)
        .when(Role::Partner, Command::AcceptQuote { price: quote().price })
        .then_status(Status::ManufacturingApproved);
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let Command::CreateOrder { item, .. } = create_order() else { unreachable!("it creates") };
    assert_eq!(item.quantity, 1);
    Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when(Role::Customer, Command::SubmitOrderUpTo { price: eur(0) })
        .then_rejected("invalid");
}

#[test]
fn an_amended_order_is_priced_anew_and_the_old_price_is_gone() {
    let item = Item { material: "gold-585".into(), quantity: 2, finish: "matte".into() };
    let amended = Scenario::submitted_by_partner(None)
        .quoted(1)
        .when(Role::Partner, Command::AmendOrder { item: Some(item.clone()), model: None })
        .then_status(Status::Submitted);
    let order = amended.order.as_ref().expect("an order");
    assert_eq!((&order.item, &order.price, order.pricing.attempt), (&item, &None, 2));
    assert!(order.model.is_some(), "what is not given stays");
    amended
        .when(Role::Partner, Command::AcceptQuote { price: quote().price })
        .then_rejected("not_allowed")
        .quoted(2)
        .then_status(Status::PriceCalculated);
}

#[test]
fn the_result_for_what_was_ordered_before_is_refused() {
    let worker = || "w1".to_owned();
    let amended = Scenario::submitted_by_partner(None)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: worker() })
        .when(Role::Partner, Command::AmendOrder { item: None, model: Some(ring_model()) })
        .then_status(Status::Submitted);
    amended
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
        .then_rejected("not_allowed")
        .when(Role::Worker, Command::AcceptPricing { attempt: 2, worker: worker() })
        .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
        .then_rejected("stale_attempt");
}

#[test]
fn an_order_is_amended_before_its_approval_only_and_with_something_that_is_made() {
    let submitted = Scenario::submitted_by_partner(None);
    let change = || Command::AmendOrder { item: None, model: Some(ring_model()) };
    submitted.clone().when(Role::Partner, Command::AmendOrder { item: None, model: None }).then_rejected("invalid");
    let wood = Item { material: "wood".into(), quantity: 0, finish: "raw".into() };
    submitted.clone().when(Role::Partner, Command::AmendOrder { item: Some(wood), model: None }).then_rejected("invalid");
    submitted.clone().when(Role::Seller, change()).then_rejected("forbidden");
    let approved = submitted.quoted(1).when(Role::Partner, Command::AcceptQuote { price: quote().price });
    assert!(!allowed(approved.order.as_ref().expect("an order").stage, false, Role::Partner).contains(&Action::Amend));
    approved.when(Role::Partner, change()).then_rejected("not_allowed");
}

#[test]
fn another_piece_has_its_own_attempts() {
    let fail =
        |attempt| Command::FailPricing { attempt, worker: "w1".into(), failure: "mesh".into(), detail: "x".into(), retryable: false };
    let failed = Scenario::submitted_by_partner(None)
        .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: "w1".into() })
        .when(Role::Worker, fail(1));
    let amended = failed.when(Role::Partner, Command::AmendOrder { item: None, model: Some(ring_model()) });
    let order = amended.order.as_ref().expect("an order");
    assert_eq!((order.pricing.failures, order.attention.len()), (0, 0));
    amended.quoted(2).then_status(Status::PriceCalculated);
}
