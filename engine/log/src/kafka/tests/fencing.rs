//! Older owners cannot commit.

use super::super::group::{Change, Group};
use super::super::transaction::{Failed, Producer};
use super::*;
use crate::{CommitError, Error};

#[test]
fn a_second_process_under_one_name_takes_over_and_the_first_ends() {
    let log = Kafka::connect(config()).expect("connected");
    let mut first = log.own(membership(Some("mill"))).expect("joined");
    assigned(first.as_mut(), &[0, 1]);
    first.commit(&events(0, 1, &["first"])).expect("committed");

    let mut second = log.own(membership(Some("mill"))).expect("joined");
    assigned(second.as_mut(), &[0, 1]);
    let error = first.commit(&events(0, 2, &["too late"])).expect_err("it is fenced");
    assert!(matches!(error, CommitError::Lost(_)), "{error}");
    second.commit(&events(0, 2, &["second"])).expect("committed");
    assert_eq!(read_to_end(&log, Topic::Events, 0), ["first", "second"]);

    let error = until("the first is told", || first.poll(10, STEP).err());
    assert!(matches!(&error, Error::InUse(text) if text.contains("--instance") && text.contains("mill")), "{error}");
    assert!(matches!(first.poll(10, STEP), Err(Error::InUse(_))), "it stays so");
    drop(first);
    second.commit(&events(0, 3, &["third"])).expect("the end of the first does not matter");
}

#[test]
fn a_second_worker_gets_its_share_and_the_first_keeps_the_rest() {
    let log = Kafka::connect(config()).expect("connected");
    let mut first = log.own(membership(None)).expect("joined");
    assigned(first.as_mut(), &[0, 1]);
    let mut second = log.own(Membership { worker: 1, workers: 2, ..membership(None) }).expect("joined");
    let (mut revoked, mut given) = (Vec::new(), Vec::new());
    until("one partition has moved", || {
        if let Polled::Revoked(partitions) = first.poll(10, STEP).expect("polled") {
            revoked.extend(partitions);
        }
        if let Polled::Assigned(partitions) = second.poll(10, STEP).expect("polled") {
            given.extend(partitions);
        }
        (!given.is_empty()).then_some(())
    });
    assert_eq!((revoked.len(), &revoked), (1, &given));
    let moved = given[0];
    let kept = 1 - moved;
    let error = first.commit(&events(moved, 1, &["not ours"])).expect_err("it moved");
    assert!(matches!(error, CommitError::Lost(_)), "{error}");
    second.commit(&events(moved, 1, &["moved"])).expect("committed");
    first.commit(&events(kept, 1, &["kept"])).expect("committed");
    assert_eq!(read_to_end(&log, Topic::Events, moved), ["moved"]);
    assert_eq!(read_to_end(&log, Topic::Events, kept), ["kept"]);
}

#[test]
fn a_transaction_that_would_take_the_group_back_is_lost() {
    let log = Kafka::connect(config()).expect("connected");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    owner.commit(&events(0, 3, &["third"])).expect("committed");
    let error = owner.commit(&events(0, 2, &["once more"])).expect_err("commands are decided once");
    assert!(matches!(error, CommitError::Lost(_)), "{error}");
    assert_eq!((log.committed("engine", 0).expect("asked"), read_to_end(&log, Topic::Events, 0)), (3, vec!["third".to_owned()]));
    assigned(owner.as_mut(), &[0]);
    owner.commit(&events(0, 3, &["a timer"])).expect("the offset stays where it is");
}

/// The transactional id fences too. Here nobody else has opened it: the group alone refuses.
#[test]
fn the_group_fences_a_member_that_left() {
    let config = config();
    let log = Kafka::connect(config.clone()).expect("connected");
    let group = Group::join(&config, &membership(None)).expect("joined");
    assert!(group.member().is_none(), "a member before the group said so: its commits would not be fenced");
    until("the partitions are given", || {
        let _ = group.poll(STEP);
        matches!(group.changes().as_slice(), [Change::Given(_)]).then_some(())
    });
    assert!(group.confirms().expect("asked"));
    let member = group.member().expect("a member");
    let offsets = group.consumed(0, 1).expect("offsets");
    let producer = Producer::new(&config, "engine", 0).expect("producer");
    producer.open(PATIENCE).expect("opened");
    producer.commit(&config, &events(0, 1, &["in time"]), &offsets, &member).expect("committed");
    drop(group);
    let failed = producer.commit(&config, &events(0, 1, &["too late"]), &offsets, &member);
    assert!(matches!(failed, Err(Failed::Fenced(_))), "{failed:?}");
    assert_eq!(read_to_end(&log, Topic::Events, 0), ["in time"]);
}

#[test]
fn a_partition_whose_producer_was_fenced_comes_back_if_it_is_still_ours() {
    let config = config();
    let log = Kafka::connect(config.clone()).expect("connected");
    for text in ["a", "b"] {
        append(&log, Topic::Commands, 0, text);
    }
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    assert_eq!(commands(owner.as_mut(), 2).len(), 2);
    owner.commit(&events(0, 1, &["a done"])).expect("committed");

    // Somebody opens it who has no right to the partition.
    Producer::new(&config, "engine", 0).expect("producer").open(PATIENCE).expect("opened");
    let error = owner.commit(&events(0, 2, &["b done"])).expect_err("it is fenced");
    assert!(matches!(error, CommitError::Lost(_)), "{error}");
    assigned(owner.as_mut(), &[0]);
    // What was handed out and not committed is handed out again.
    let again = commands(owner.as_mut(), 1);
    assert_eq!(again.iter().map(asked).collect::<Vec<_>>(), ["b"]);
    owner.commit(&events(0, 2, &["b done"])).expect("committed");
    assert_eq!(read_to_end(&log, Topic::Events, 0), ["a done", "b done"]);
}
