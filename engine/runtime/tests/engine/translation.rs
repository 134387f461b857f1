//! What is published comes back as what was decided.

use atelier_domain::testing::{Scenario, quote, ring_model};
use atelier_domain::{Command, Event, Role};
use atelier_runtime::translate::{from_wire, to_wire};
use atelier_schemas::EventData;

/// Histories that between them contain every event.
fn histories() -> Vec<Scenario> {
    let worker = || "w".to_owned();
    let reason = || "because".to_owned();
    let price = atelier_domain::Money { minor: 5, currency: "EUR".into() };
    let submitted =
        Scenario::created().when(Role::Customer, Command::AttachModel { model: ring_model() }).when(Role::Customer, Command::SubmitOrder);
    let parcel = || (String::from("c"), String::from("t"));
    let made = Scenario::priced()
        .when(Role::Seller, Command::HoldOrder { reason: reason() })
        .when(Role::Seller, Command::ResumeOrder { reason: reason() })
        .when(Role::Seller, Command::ApproveOrder { reason: Some(reason()) })
        .when(Role::Operator, Command::ClaimWork)
        .when(Role::Operator, Command::ReleaseWork { reason: reason() })
        .when(Role::Operator, Command::ClaimWork)
        .when(Role::Operator, Command::StartWork)
        .when(Role::Operator, Command::ReworkOrder { defect: reason() })
        .when(Role::Operator, Command::CompleteWork)
        .when(Role::Operator, Command::PackOrder)
        .when(Role::Operator, Command::ShipOrder { carrier: parcel().0, tracking: parcel().1 });
    let fail = Command::FailPricing { attempt: 1, worker: worker(), failure: "internal".into(), detail: "x".into(), retryable: true };
    vec![
        made.clone().when(Role::Carrier, Command::DeliverOrder { carrier: parcel().0, tracking: parcel().1, delivered_at: 7 }),
        made.when(Role::Seller, Command::CloseOrder { reason: reason() }),
        submitted.clone().after_ms(7_200_000),
        submitted
            .clone()
            .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: worker() })
            .when(Role::Worker, Command::HeartbeatPricing { attempt: 1, worker: worker(), progress_percent: 3 })
            .when(Role::Worker, fail)
            .when(Role::Seller, Command::QuoteOrder { price, reason: reason() })
            .when(Role::Seller, Command::RejectOrder { reason: reason() }),
        submitted.clone().when(Role::Customer, Command::CancelOrder { reason: reason() }),
        submitted.when(Role::Admin, Command::SkipRecords { offsets: vec![3, 4], reason: reason() }),
        Scenario::submitted_by_partner(Some(quote().price)).quoted(1),
        Scenario::submitted_by_partner(None).when(Role::Partner, Command::AmendOrder { item: None, model: Some(ring_model()) }),
        Scenario::priced_in_sandbox().when(Role::Sandbox, Command::AdvanceClock { by_ms: 1000 }),
        Scenario::priced().when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() }),
    ]
}

#[test]
fn every_event_survives_the_way_to_the_log_and_back() {
    let mut met = std::collections::BTreeSet::new();
    for scenario in histories() {
        for (event, _) in scenario.events {
            let published = to_wire(event.clone());
            met.insert(published.type_name());
            assert_eq!(from_wire(published), Some(event));
        }
    }
    let all: std::collections::BTreeSet<_> = EventData::TYPES.iter().copied().collect();
    assert_eq!(met, all, "the histories contain every event");
}

#[test]
fn what_no_engine_writes_is_not_guessed() {
    assert_eq!(from_wire(EventData::PricingRequested { attempt: -1, cause: "?".into() }), None::<Event>);
}
