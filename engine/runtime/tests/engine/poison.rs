//! Records that nobody can read stop their order, not their partition.

use atelier_log::NewRecord;
use atelier_log::client::record_of;
use atelier_log::{Log, Membership, Polled, Transaction};
use atelier_schemas::{CommandData, OutcomeResult, Topic};
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

/// An answer that does not fit into a record would be tried again for ever, and the partition with it.
#[test]
fn whatever_a_foreign_writer_sends_its_answer_fits_into_a_record() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    let long = "\u{7f}".repeat(400 << 10);
    let mut role = bed.command(order, "customer", create());
    role.actor.role.clone_from(&long);
    let mut traced = bed.command(order, "customer", create());
    traced.traceparent = Some(long.clone());
    let mut keyed = record_of(&bed.command(order, "customer", create()));
    keyed.key = "\u{fffd}".repeat(400 << 10);
    bed.append(&role);
    bed.append_record(0, keyed);
    bed.append(&traced);
    let outcomes = bed.wait(|bed| Some(bed.outcomes()).filter(|outcomes| outcomes.len() == 3));
    let codes: Vec<_> = outcomes.iter().map(|outcome| status(&outcome.result)).collect();
    assert_eq!(codes, ["invalid", "unreadable", "INITIATED"]);
    let longest = bed.records(Topic::Outcomes).iter().map(|record| record.key.len() + record.payload.len()).max();
    assert!(longest < Some(16 << 10), "{longest:?}");
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
    assert!(detail.contains("offset 2 cannot be read") && fix.contains("engineer"), "{detail} / {fix}");
    assert_eq!(status(&bed.ask(other, "customer", attach())), "FILE_UPLOADED");
}

#[test]
fn an_order_that_was_set_aside_comes_back_when_an_engineer_says_what_does_not_count() {
    let mut bed = Bed::running(1);
    let (order, other) = (bed.order(), bed.order());
    bed.ask(order, "customer", create());
    // Somebody else writes to the topic while the engine runs, which does not read its own events.
    for garbage in [b"one", b"two"] {
        let record = NewRecord { key: order.to_string(), kind: "OrderTeleported", traceparent: None, payload: garbage.to_vec() };
        drop(bed.log.append(Topic::Events, 0, record));
    }
    assert_eq!(status(&bed.ask(order, "customer", attach())), "FILE_UPLOADED");
    bed.stop();
    bed.start();
    assert_eq!(status(&bed.ask(order, "customer", CommandData::SubmitOrder {})), "parked");

    let skip = |offsets: &[i64]| CommandData::SkipRecords { offsets: offsets.to_vec(), reason: "written by a stray script".into() };
    assert_eq!(status(&bed.ask(order, "seller", skip(&[1, 2]))), "forbidden");
    let OutcomeResult::Refused { detail, .. } = bed.ask(order, "admin", skip(&[1])) else { panic!("one of two is not enough") };
    assert!(detail.contains("record 2 cannot be read either"), "{detail}");
    let OutcomeResult::Refused { detail, .. } = bed.ask(order, "admin", skip(&[1, 2, 3])) else { panic!("the model was attached") };
    assert!(detail.contains("record 3 is understood and counts"), "{detail}");
    assert_eq!(status(&bed.ask(other, "admin", skip(&[1]))), "not_parked");
    let mut dry = bed.command(order, "admin", skip(&[1, 2]));
    dry.dry_run = true;
    assert_eq!(status(&bed.send(&dry)), "FILE_UPLOADED");
    assert_eq!(status(&bed.ask(order, "customer", CommandData::SubmitOrder {})), "parked", "nothing of that has changed it");

    let skipped = bed.command(order, "admin", skip(&[1, 2]));
    for repeated_before in [false, true] {
        let OutcomeResult::Accepted { status, version, repeated, .. } = bed.send(&skipped) else { panic!("refused") };
        assert_eq!((status.as_str(), version, repeated), ("FILE_UPLOADED", 3, repeated_before));
    }
    assert_eq!(status(&bed.ask(order, "customer", CommandData::SubmitOrder {})), "SUBMITTED");
    bed.stop();
    bed.start();
    assert_eq!(status(&bed.ask(order, "customer", CommandData::CancelOrder { reason: "enough".into() })), "CANCELLED");
}

/// An engine does not read what it writes, so it has not seen what somebody else writes there.
#[test]
fn a_running_engine_takes_the_word_on_a_record_it_has_not_read() {
    let mut bed = Bed::running(1);
    let (order, other) = (bed.order(), bed.order());
    bed.ask(order, "customer", create());
    for garbage in [b"one", b"two"] {
        let record = NewRecord { key: order.to_string(), kind: "OrderTeleported", traceparent: None, payload: garbage.to_vec() };
        drop(bed.log.append(Topic::Events, 0, record));
    }
    assert_eq!(status(&bed.ask(order, "customer", attach())), "FILE_UPLOADED");
    let skip = |offsets: &[i64]| CommandData::SkipRecords { offsets: offsets.to_vec(), reason: "written by a stray script".into() };
    // The engine looks for nobody else.
    assert_eq!(status(&bed.ask(order, "seller", skip(&[1, 2]))), "not_parked");
    // Commands that arrive with it, before it and after it, are decided in their order.
    let asked: Vec<_> = [
        (other, "customer", create()),
        (order, "admin", skip(&[1, 2])),
        (other, "customer", attach()),
        (order, "admin", skip(&[999])),
        (order, "customer", CommandData::SubmitOrder {}),
    ]
    .into_iter()
    .map(|(order, role, data)| bed.command(order, role, data))
    .collect();
    asked.iter().for_each(|command| bed.append(command));
    let answers = bed.wait(|bed| {
        let outcomes = bed.outcomes();
        let of = |id| outcomes.iter().find(|outcome| outcome.command_id == id).map(|outcome| status(&outcome.result).to_owned());
        asked.iter().map(|command| of(command.command_id)).collect::<Option<Vec<_>>>()
    });
    assert_eq!(answers, ["INITIATED", "FILE_UPLOADED", "FILE_UPLOADED", "not_parked", "SUBMITTED"]);
    bed.stop();
    bed.start();
    assert_eq!(status(&bed.ask(order, "customer", CommandData::CancelOrder { reason: "enough".into() })), "CANCELLED");
    assert_eq!(status(&bed.ask(order, "admin", skip(&[0]))), "not_parked");
    let offsets: Vec<_> = bed.outcomes().iter().map(|outcome| outcome.command_offset).collect();
    assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>(), "one outcome for each command, in their order");
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
    let refused = bed.ask(order, "customer", CommandData::CancelOrder { reason });
    assert_eq!(status(&refused), "too_large");
    assert_eq!(status(&bed.ask(order, "customer", attach())), "FILE_UPLOADED");
}

#[test]
fn values_no_order_can_have_are_refused_by_field() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    let CommandData::CreateOrder { channel, client, reference, customer, mut item } = create() else { unreachable!() };
    item.quantity = -1;
    let refused = bed.ask(order, "customer", CommandData::CreateOrder { channel, client, reference, customer, item });
    let OutcomeResult::Refused { code, field, .. } = refused else { panic!("accepted") };
    assert_eq!((code.as_str(), field.as_deref()), ("invalid", Some("item.quantity")));
    assert_eq!(status(&bed.ask(order, "wizard", create())), "invalid");
}
