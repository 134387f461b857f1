//! What a reader promises: from an offset, the named partitions, nothing twice, nothing skipped.

use std::time::Instant;

use atelier_log::Error;
use atelier_schemas::Topic;

use crate::drivers::{LONG, SHORT, append, keys, read, tolerate, until};
use crate::subject::Subject;

pub(crate) fn reading_starts_at_the_offset(subject: &dyn Subject) {
    let log = subject.open();
    let offsets: Vec<u64> = (0..10).map(|number| append(&*log, Topic::Events, 1, &number.to_string())).collect();
    let mut reader = log.read(Topic::Events, &[(1, offsets[6])]).expect("the log answers");
    assert_eq!(keys(&read(&mut *reader, 4)), ["6", "7", "8", "9"]);
    assert!(reader.position(1) > offsets[9]);

    let mut at_end = log.read(Topic::Events, &[(1, log.end(Topic::Events, 1).expect("the log answers"))]).expect("the log answers");
    append(&*log, Topic::Events, 1, "later");
    assert_eq!(keys(&read(&mut *at_end, 1)), ["later"]);
}

pub(crate) fn only_the_named_partitions_and_topic_are_read(subject: &dyn Subject) {
    let log = subject.open();
    append(&*log, Topic::Events, 0, "other partition");
    append(&*log, Topic::Outcomes, 1, "other topic");
    append(&*log, Topic::Events, 1, "one");
    append(&*log, Topic::Events, 2, "two");
    let mut reader = log.read(Topic::Events, &[(2, 0), (1, 0)]).expect("the log answers");
    let mut records = read(&mut *reader, 2);
    append(&*log, Topic::Events, 1, "sentinel");
    records.extend(read(&mut *reader, 1));
    records.sort_by_key(|record| (record.partition, record.offset));
    assert_eq!(keys(&records), ["one", "sentinel", "two"]);
}

pub(crate) fn small_batches_skip_and_repeat_nothing(subject: &dyn Subject) {
    let log = subject.open();
    for number in 0..20 {
        append(&*log, Topic::Events, number % 3, &number.to_string());
    }
    let mut reader = log.read(Topic::Events, &[(0, 0), (1, 0), (2, 0)]).expect("the log answers");
    let mut numbers = Vec::new();
    let mut before = [0; 3];
    until("20 records are read", || {
        let records = tolerate(reader.poll(3, SHORT));
        assert!(records.len() <= 3);
        for record in records {
            let position = reader.position(record.partition);
            assert!(position > record.offset && position >= before[record.partition as usize]);
            before[record.partition as usize] = position;
            numbers.push(record.key.parse::<u32>().expect("a number"));
        }
        (numbers.len() >= 20).then_some(())
    });
    for partition in 0..3 {
        let of_partition: Vec<_> = numbers.iter().copied().filter(|number| number % 3 == partition).collect();
        assert!(of_partition.iter().copied().eq((partition..20).step_by(3)), "{of_partition:?}");
    }
}

pub(crate) fn a_position_past_the_end_is_refused(subject: &dyn Subject) {
    let log = subject.open();
    append(&*log, Topic::Events, 0, "only");
    let mut reader = log.read(Topic::Events, &[(0, 1_000)]).expect("the log answers");
    let deadline = Instant::now() + LONG;
    let refused = loop {
        match reader.poll(10, SHORT) {
            Ok(records) => assert!(records.is_empty(), "nothing lies there"),
            Err(Error::Unavailable(_)) => {}
            Err(error) => break error,
        }
        assert!(Instant::now() < deadline, "it waits for what cannot come");
    };
    let Error::Mismatch(text) = refused else { panic!("{refused}") };
    assert!(text.contains("1000"), "{text}");
}
