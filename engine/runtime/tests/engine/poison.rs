//! Records that nobody can read stop their order, not their partition.

use atelier_log::NewRecord;
use atelier_log::client::record_of;
use atelier_log::{Log, Membership, Polled, Transaction};
use atelier_schemas::{OutcomeResult, Topic};
use std::time::Duration;

use crate::bed::{Bed, attach, create, status};

#[test]
fn a_command_that_is_no_command_gets_an_outcome_and_the_next_one_its_own() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    let garbage = NewRecord { key: order.to_string(), kind: "CreateOrder", traceparent: None, payload: b"not avro".to_vec() };
    bed.append_record(0, garbage);
    assert_eq!(status(&bed.ask(order, "customer", create())), "INITIATED");
    let codes: Vec<_> = bed.outcomes().iter().map(|outcome| status(&outcome.result).to_owned()).collect();
    assert_eq!(codes, ["unreadable", "INITIATED"]);
    bed.check_exactly_once();
}

#[test]
fn a_command_under_a_foreign_key_or_in_a_foreign_partition_is_refused() {
    let mut bed = Bed::running(4);
    let order = bed.order();
    let command = bed.command(order, "customer", create());
    let mut record = record_of(&command);
    let home = atelier_schemas::partition_of(&order, 4);
    bed.append_record((home + 1) % 4, record.clone());
    record.key = "somebody else".into();
    bed.append_record(home, record);
    let outcomes = bed.wait(|bed| Some(bed.outcomes()).filter(|outcomes| outcomes.len() == 2));
    assert!(outcomes.iter().all(|outcome| status(&outcome.result) == "unreadable"), "{outcomes:?}");
    assert!(bed.events().is_empty(), "an order has one writer");
    bed.check_exactly_once();
}

#[test]
fn an_event_from_the_future_parks_its_order_alone() {
    let mut bed = Bed::running(1);
    let (parked, other) = (bed.order(), bed.order());
    bed.ask(parked, "customer", create());
    bed.ask(other, "customer", create());
    bed.stop();
    write_event(&bed, &parked.to_string(), b"written by a newer engine");
    bed.start();
    let refused = bed.ask(parked, "customer", attach());
    assert_eq!(status(&refused), "parked");
    let OutcomeResult::Refused { detail, fix, .. } = refused else { unreachable!() };
    assert!(detail.contains("parked") && fix.contains("engineer"), "{detail} / {fix}");
    assert_eq!(status(&bed.ask(other, "customer", attach())), "FILE_UPLOADED");
}

fn write_event(bed: &Bed, key: &str, payload: &[u8]) {
    let membership = Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 };
    let mut owner = bed.log.own(membership).unwrap();
    assert!(matches!(owner.poll(1, Duration::from_secs(5)).unwrap(), Polled::Assigned(_)));
    let next_command = bed.log.committed(atelier_runtime::GROUP, 0).unwrap();
    let record = NewRecord { key: key.into(), kind: "OrderTeleported", traceparent: None, payload: payload.to_vec() };
    owner.commit(&Transaction { partition: 0, records: vec![(Topic::Events, 0, record)], next_command }).unwrap();
}

#[test]
fn a_command_too_large_for_its_event_is_refused_by_size() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    let reason = "x".repeat(bed.log.max_payload_bytes() - 500);
    let refused = bed.ask(order, "customer", atelier_schemas::CommandData::CancelOrder { reason });
    assert_eq!(status(&refused), "too_large");
    assert_eq!(status(&bed.ask(order, "customer", attach())), "FILE_UPLOADED");
}

#[test]
fn values_no_order_can_have_are_refused_by_field() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    let atelier_schemas::CommandData::CreateOrder { channel, client, reference, customer, mut item } = create() else { unreachable!() };
    item.quantity = -1;
    let refused = bed.ask(order, "customer", atelier_schemas::CommandData::CreateOrder { channel, client, reference, customer, item });
    let OutcomeResult::Refused { code, field, .. } = refused else { panic!("accepted") };
    assert_eq!((code.as_str(), field.as_deref()), ("invalid", Some("item.quantity")));
    assert_eq!(status(&bed.ask(order, "wizard", create())), "invalid");
}
