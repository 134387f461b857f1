//! What an owner gets: its partitions' commands, in order, from where the last owner stopped.

use atelier_log::{Log, Transaction};
use atelier_schemas::Topic;

use crate::drivers::{ENGINE, SHORT, Worker, append, decided, until, until_committed};
use crate::subject::{PARTITIONS, Subject};

fn ask(log: &dyn Log, count: u64) -> Vec<u64> {
    (0..count).map(|number| append(log, Topic::Commands, 0, &number.to_string())).collect()
}

pub(crate) fn commands_come_in_order_and_once(subject: &dyn Subject) {
    let log = subject.open();
    ask(&*log, 5);
    let mut worker = Worker::alone(&*log, "a");
    worker.until_commands(5);
    append(&*log, Topic::Commands, 0, "5");
    worker.until_commands(6);
    assert_eq!(worker.keys(), ["0", "1", "2", "3", "4", "5"]);
    assert!(worker.commands.is_sorted_by_key(|command| command.offset));
}

pub(crate) fn at_most_as_many_as_asked_for(subject: &dyn Subject) {
    let log = subject.open();
    ask(&*log, 7);
    let mut worker = Worker::alone(&*log, "a");
    worker.commands.clear();
    // `step` holds every batch against the maximum.
    until("all have come, two by two", || {
        worker.step(2, SHORT);
        (worker.commands.len() == 7).then_some(())
    });
    assert_eq!(worker.keys(), ["0", "1", "2", "3", "4", "5", "6"]);
}

pub(crate) fn a_successor_starts_at_the_committed_offset(subject: &dyn Subject) {
    let log = subject.open();
    let offsets = ask(&*log, 5);
    let mut first = Worker::alone(&*log, "a");
    first.until_commands(5);
    first.commit(&decided("of 0 to 2", offsets[3]));
    drop(first);
    until_committed(&*log, 0, offsets[3]);
    let mut second = Worker::alone(&*log, "b");
    second.until_commands(2);
    assert_eq!(second.keys(), ["3", "4"]);
}

/// Whoever asks whether all commands up to the end are handed out must not be told so before.
pub(crate) fn an_owner_knows_how_far_it_has_come(subject: &dyn Subject) {
    let log = subject.open();
    let offsets = ask(&*log, 5);
    let end = log.end(Topic::Commands, 0).expect("the log answers");
    let mut first = Worker::alone(&*log, "a");
    first.until_commands(5);
    assert_eq!(first.position(0), end);
    first.commit(&decided("of 0 to 2", offsets[3]));
    drop(first);
    until_committed(&*log, 0, offsets[3]);
    let mut second = Worker::join(&*log, Some("b"), 0, 1);
    let mut handed_out = offsets[3];
    until("it has come to the end", || {
        assert!(second.position(0) <= handed_out, "at {}, and only what is before {handed_out} was handed out", second.position(0));
        second.step(1, SHORT);
        handed_out = second.commands.last().map_or(handed_out, |command| command.offset + 1);
        (second.position(0) == end).then_some(())
    });
    assert_eq!((handed_out, second.keys()), (end, vec!["3", "4"]));
}

pub(crate) fn two_workers_split_the_partitions(subject: &dyn Subject) {
    let log = subject.open();
    let mut one = Worker::join(&*log, Some("a"), 0, 2);
    let mut other = Worker::join(&*log, Some("a"), 1, 2);
    until("each partition has one owner", || {
        one.step(10, SHORT);
        other.step(10, SHORT);
        let all = one.held.union(&other.held).count() == PARTITIONS as usize;
        (all && one.held.is_disjoint(&other.held) && !one.held.is_empty() && !other.held.is_empty()).then_some(())
    });
    for partition in 0..PARTITIONS {
        append(&*log, Topic::Commands, partition, &partition.to_string());
    }
    until("every command has come", || {
        one.step(10, SHORT);
        other.step(10, SHORT);
        (one.commands.len() + other.commands.len() == PARTITIONS as usize).then_some(())
    });
    for worker in [&mut one, &mut other] {
        for command in std::mem::take(&mut worker.commands) {
            let event = (Topic::Events, command.partition, crate::drivers::record(&command.key, "x"));
            worker.commit(&Transaction { partition: command.partition, records: vec![event], next_command: command.offset + 1 });
        }
    }
    for partition in 0..PARTITIONS {
        until("it is consumed", || (log.committed(ENGINE, partition).ok()? > 0).then_some(()));
    }
}

pub(crate) fn a_commit_for_a_partition_of_another_is_lost(subject: &dyn Subject) {
    let log = subject.open();
    let mut one = Worker::join(&*log, Some("a"), 0, 2);
    let mut other = Worker::join(&*log, Some("a"), 1, 2);
    until("each partition has one owner", || {
        one.step(10, SHORT);
        other.step(10, SHORT);
        (one.held.len() + other.held.len() == PARTITIONS as usize && !one.held.is_empty() && !other.held.is_empty()).then_some(())
    });
    let foreign = *other.held.first().expect("it holds something");
    let theirs = Transaction { partition: foreign, records: Vec::new(), next_command: 1 };
    assert!(crate::drivers::is_lost(&one.try_commit(&theirs)));
    other.commit(&Transaction { next_command: 0, ..theirs });
    until_committed(&*log, foreign, 0);
}
