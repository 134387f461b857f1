//! A transaction from the command to its readers.

use super::*;
use crate::Error;

#[test]
fn a_transaction_is_read_with_its_headers_and_offset() {
    let log = Kafka::connect(config()).expect("connected");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    assert_eq!(append(&log, Topic::Commands, 1, "make"), 0);
    let taken = commands(owner.as_mut(), 1);
    assert_eq!((taken[0].partition, taken[0].offset, taken[0].key.as_str()), (1, 0, "order"));
    let read = log.read(Topic::Commands, &[(1, 0)]).expect("reader").poll(1, PATIENCE).expect("read");
    assert_eq!((read[0].key.as_str(), read[0].kind.as_str()), ("order", "Test"));
    assert_eq!(read[0].traceparent.as_deref(), Some("00-1-2-01"));
    assert!(read[0].time > 0, "the broker stamps it");
    assert_eq!(log.committed("engine", 1).expect("asked"), 0);

    owner.commit(&events(1, 1, &["made", "told"])).expect("committed");
    assert_eq!(log.committed("engine", 1).expect("asked"), 1);
    let mut reader = log.read(Topic::Events, &[(1, 0)]).expect("reader");
    let mut read = Vec::new();
    until("both are read", || {
        read.extend(reader.poll(100, STEP).expect("read"));
        (read.len() >= 2).then_some(())
    });
    assert_eq!(read.iter().map(text).collect::<Vec<_>>(), ["made", "told"]);
    // The end lies behind the mark of the transaction: a reader must get past it.
    let end = log.end(Topic::Events, 1).expect("asked");
    assert!(end > read[1].offset + 1, "{end} after {}", read[1].offset);
    assert_eq!(read_to(reader.as_mut(), 1, end), [""; 0]);
}

#[test]
fn a_transaction_without_records_moves_the_offset() {
    let log = Kafka::connect(config()).expect("connected");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    owner.commit(&events(0, 7, &[])).expect("committed");
    assert_eq!(log.committed("engine", 0).expect("asked"), 7);
}

#[test]
fn an_owner_goes_on_where_the_last_one_stopped() {
    let log = Kafka::connect(config()).expect("connected");
    for text in ["a", "b", "c"] {
        append(&log, Topic::Commands, 0, text);
    }
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    assert_eq!(commands(owner.as_mut(), 3).len(), 3);
    owner.commit(&events(0, 2, &["a done", "b done"])).expect("committed");
    drop(owner);

    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    assert_eq!(commands(owner.as_mut(), 1).iter().map(asked).collect::<Vec<_>>(), ["c"]);
}

/// Another program may write commands in transactions, whose ends take offsets and are handed to nobody.
#[test]
fn an_owner_gets_to_the_end_also_where_a_transaction_ends_there() {
    let log = Kafka::connect(config()).expect("connected");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    let foreign = Transaction { partition: 1, records: vec![(Topic::Commands, 0, new_record("theirs"))], next_command: 0 };
    owner.commit(&foreign).expect("committed");
    assert_eq!(commands(owner.as_mut(), 1).len(), 1);
    let end = log.end(Topic::Commands, 0).expect("asked");
    assert_eq!(end, 2, "the record and the mark");
    let gets_there = |owner: &mut dyn Owner| {
        until("the owner is at the end", || {
            assert!(!matches!(owner.poll(100, STEP).expect("polled"), Polled::Commands(_)), "nothing is left");
            (owner.position(0) == end).then_some(())
        });
    };
    gets_there(owner.as_mut());
    owner.commit(&events(0, 1, &["done"])).expect("committed");
    drop(owner);

    // Its successor begins between the two.
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    gets_there(owner.as_mut());
}

/// Brokers forget the offsets of a group that was away for long. A group that they never knew is the same to us.
#[test]
fn without_a_committed_offset_the_outcomes_say_where_to_go_on() {
    let log = Kafka::connect(config()).expect("connected");
    for text in ["a", "b", "c"] {
        append(&log, Topic::Commands, 0, text);
    }
    let mut first = log.own(membership(None)).expect("joined");
    assigned(first.as_mut(), &[0, 1]);
    let records = vec![(Topic::Outcomes, 0, outcome(0)), (Topic::Outcomes, 0, outcome(1))];
    first.commit(&Transaction { partition: 0, records, next_command: 2 }).expect("committed");
    drop(first);

    assert_eq!(log.committed("forgotten", 0).expect("asked"), 2);
    assert_eq!(log.committed("forgotten", 1).expect("asked"), 0);
    let mut second = log.own(Membership { group: "forgotten".into(), ..membership(None) }).expect("joined");
    assigned(second.as_mut(), &[0, 1]);
    assert_eq!(commands(second.as_mut(), 1).iter().map(asked).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_position_outside_of_the_log_is_refused() {
    let log = Kafka::connect(config()).expect("connected");
    append(&log, Topic::Events, 1, "only");
    let mut reader = log.read(Topic::Events, &[(0, 0), (1, 9)]).expect("reader");
    // It may be a broker that leads no more, so it is asked for a while who does.
    let error =
        until("the broker refuses the position", || reader.poll(10, STEP).err().filter(|error| !matches!(error, Error::Unavailable(_))));
    assert!(matches!(&error, Error::Mismatch(text) if text.contains("offset 9") && text.contains("partition 1")), "{error}");
}

#[test]
fn a_subscription_shares_pauses_and_comes_again() {
    let log = Kafka::connect(config()).expect("connected");
    for partition in [0, 1] {
        append(&log, Topic::PricingJobs, partition, "one");
        append(&log, Topic::PricingJobs, partition, "two");
    }
    let mut first = log.subscribe(Topic::PricingJobs, "pricing").expect("joined");
    let mut taken = Vec::new();
    until("all jobs are there", || {
        taken.extend(first.poll(10, STEP).expect("polled"));
        (taken.len() == 4).then_some(())
    });
    first.commit(0, 1).expect("committed");
    first.commit(1, 2).expect("committed");
    first.pause(true).expect("paused");
    append(&log, Topic::PricingJobs, 1, "three");
    for _ in 0..10 {
        assert_eq!(first.poll(10, STEP).expect("polled"), []);
    }
    first.pause(false).expect("resumed");
    let third = until("the job comes after the pause", || first.poll(10, STEP).expect("polled").pop());
    assert_eq!((third.partition, text(&third).as_str()), (1, "three"));
    drop(first);

    let mut second = log.subscribe(Topic::PricingJobs, "pricing").expect("joined");
    let mut again = Vec::new();
    until("what was not committed comes again", || {
        again.extend(second.poll(10, STEP).expect("polled").iter().map(|record| (record.partition, text(record))));
        (again.len() == 2).then_some(())
    });
    again.sort();
    assert_eq!(again, [(0, "two".to_owned()), (1, "three".to_owned())]);
}
