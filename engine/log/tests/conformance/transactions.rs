//! A transaction is visible as a whole or not at all, the consumed offset with it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use atelier_log::{CommitError, Error, Log, Transaction};
use atelier_schemas::Topic;

use crate::drivers::{ENGINE, SHORT, Worker, append, decided, keys, read_all, record, tolerate, until_committed};
use crate::subject::Subject;

/// Two events in two partitions, an outcome, a job.
fn all_over(key: &str, next_command: u64) -> Transaction {
    let at = |topic, partition| (topic, partition, record(key, key));
    let records = vec![at(Topic::Events, 0), at(Topic::Events, 1), at(Topic::Outcomes, 0), at(Topic::PricingJobs, 2)];
    Transaction { partition: 0, records, next_command }
}

fn seen(log: &dyn Log, topic: Topic) -> Vec<String> {
    read_all(log, topic).into_iter().map(|record| record.key).collect()
}

pub(crate) fn a_transaction_reaches_every_topic_and_partition(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = Worker::alone(&*log, "a");
    worker.commit(&all_over("order", 0));
    assert_eq!(seen(&*log, Topic::Outcomes), ["order"]);
    assert_eq!(seen(&*log, Topic::PricingJobs), ["order"]);
    let events = read_all(&*log, Topic::Events);
    assert_eq!(events.iter().map(|event| event.partition).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
}

pub(crate) fn records_keep_their_order_in_a_transaction(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = Worker::alone(&*log, "a");
    for half in [0..50_u8, 50..100] {
        let records = half.map(|number| (Topic::Events, 0, record("order", [number]))).collect();
        worker.commit(&Transaction { partition: 0, records, next_command: 0 });
    }
    assert!(read_all(&*log, Topic::Events).iter().map(|event| event.payload[0]).eq(0..100));
}

pub(crate) fn whoever_sees_a_part_sees_the_whole(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = Worker::alone(&*log, "a");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let observer = scope.spawn(|| {
            let mut outcomes = log.read(Topic::Outcomes, &[(0, 0)]).expect("the log answers");
            let mut last = 0;
            while last < 20 && !done.load(Ordering::SeqCst) {
                if let Some(outcome) = tolerate(outcomes.poll(100, SHORT)).last() {
                    last = outcome.payload[0];
                    let events = read_all(&*log, Topic::Events);
                    for partition in [0, 1] {
                        let newest = events.iter().filter(|event| event.partition == partition).map(|event| event.payload[0]).max();
                        assert!(newest >= Some(last), "outcome {last} is there, the newest event in {partition} is {newest:?}");
                    }
                }
            }
            last
        });
        for number in 1..=20_u8 {
            let mut transaction = all_over("order", 0);
            for (_, _, record) in &mut transaction.records {
                record.payload = vec![number];
            }
            if let Err(error) = worker.try_commit(&transaction) {
                done.store(true, Ordering::SeqCst);
                panic!("{error}");
            }
        }
        assert_eq!(observer.join().expect("what it saw was whole"), 20);
    });
}

pub(crate) fn a_refused_transaction_leaves_nothing(subject: &dyn Subject) {
    let log = subject.open();
    let command = append(&*log, Topic::Commands, 0, "command");
    let mut worker = Worker::alone(&*log, "a");
    worker.until_commands(1);
    let mut transaction = all_over("refused", command + 1);
    transaction.records.push((Topic::Events, 0, record("order-77", vec![0; log.max_payload_bytes() + 1])));
    match worker.try_commit(&transaction) {
        Err(CommitError::Refused(Error::TooLarge { key, .. })) => assert_eq!(key, "order-77"),
        other => panic!("{other:?}"),
    }
    assert_eq!(log.committed(ENGINE, 0).expect("the log answers"), 0);
    // It is still the owner.
    worker.commit(&all_over("sentinel", command + 1));
    until_committed(&*log, 0, command + 1);
    assert_eq!(seen(&*log, Topic::Events), ["sentinel", "sentinel"]);
    assert_eq!(seen(&*log, Topic::Outcomes), ["sentinel"]);
    assert_eq!(seen(&*log, Topic::PricingJobs), ["sentinel"]);
}

pub(crate) fn the_offset_moves_with_the_records(subject: &dyn Subject) {
    let log = subject.open();
    assert_eq!(log.committed(ENGINE, 0).expect("the log answers"), 0);
    let offsets: Vec<_> = (0..3).map(|number| append(&*log, Topic::Commands, 0, &number.to_string())).collect();
    let mut worker = Worker::alone(&*log, "a");
    for (number, offset) in offsets.iter().enumerate() {
        worker.commit(&decided(&number.to_string(), offset + 1));
        until_committed(&*log, 0, offset + 1);
        assert_eq!(keys(&read_all(&*log, Topic::Events)).len(), number + 1);
    }
    // Only timers fired: nothing consumed.
    worker.commit(&decided("timer", offsets[2] + 1));
    until_committed(&*log, 0, offsets[2] + 1);
    for other in [1, 2] {
        assert_eq!(log.committed(ENGINE, other).expect("the log answers"), 0);
    }
    assert_eq!(log.committed("another group", 0).expect("the log answers"), 0);
}
