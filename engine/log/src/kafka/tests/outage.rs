//! The broker dies and comes back.

use super::super::context::wait;
use super::*;
use crate::CommitError;

/// Commits `text` as the answer to command `offset`, whatever it takes.
fn insist(owner: &mut dyn Owner, offset: u64, text: &str) {
    until("the commit is confirmed", || {
        match owner.commit(&events(0, offset + 1, &[text])) {
            Ok(()) => return Some(()),
            Err(CommitError::Refused(_)) => return None,
            Err(CommitError::Lost(_)) => {}
        }
        // Nobody knows whether it was written. The commands that come say it.
        until("the partition is back", || match owner.poll(100, STEP) {
            Ok(Polled::Commands(records)) if records.iter().any(|record| record.partition == 0 && record.offset == offset) => Some(None),
            Ok(Polled::Commands(records)) if records.iter().any(|record| record.partition == 0 && record.offset > offset) => Some(Some(())),
            _ => None,
        })
    });
}

#[test]
fn an_owner_outlives_its_broker() {
    let kafka = atelier_support::Kafka::start();
    let log = Kafka::connect(Config { brokers: kafka.bootstrap(), ..config() }).expect("connected");
    let mut reader = log.read(Topic::Events, &[(0, 0)]).expect("reader");
    let mut owner = log.own(membership(Some("mill"))).expect("joined");
    assigned(owner.as_mut(), &[0, 1]);
    for text in ["a", "b", "c"] {
        append(&log, Topic::Commands, 0, text);
    }
    assert_eq!(commands(owner.as_mut(), 1)[0].offset, 0);
    insist(owner.as_mut(), 0, "a done");

    kafka.kill();
    let waiting = log.append(Topic::Commands, 0, new_record("d"));
    let error = wait(waiting).expect_err("no broker takes it");
    assert!(matches!(error, crate::Error::Unavailable(_) | crate::Error::Unconfirmed(_)), "{error}");
    kafka.restart();

    insist(owner.as_mut(), 1, "b done");
    // The commands are c and whatever became of d.
    until("it takes commands again", || super::super::context::wait(log.append(Topic::Commands, 0, new_record("e"))).ok());
    insist(owner.as_mut(), 2, "c done");
    let end = log.end(Topic::Events, 0).expect("end");
    let mut texts = Vec::new();
    until("the reader is at the end", || {
        texts.extend(reader.poll(100, STEP).unwrap_or_default().iter().map(text));
        (reader.position(0) >= end).then_some(())
    });
    assert_eq!(texts, ["a done", "b done", "c done"]);
    assert_eq!(log.committed("engine", 0).expect("asked"), 3);
}

/// The client that is asked for ends reads nothing, so nobody tells it that a leader has changed.
#[test]
fn the_end_of_a_partition_is_known_again_once_another_node_leads_it() {
    let ports = [(); 3].map(|()| atelier_support::Ports::free());
    let cluster = atelier_support::Cluster::start(ports, ports);
    let config = Config { brokers: cluster.bootstrap(), partitions: 3, replication: Some(3), ..config() };
    let log = until("three nodes know each other", || Kafka::connect(config.clone()).ok());
    let ends = |log: &Kafka| (0..3).map(|partition| log.end(Topic::Events, partition)).collect::<Result<Vec<_>, _>>();
    assert_eq!(ends(&log).expect("asked"), [0, 0, 0]);
    for node in 0..atelier_support::Cluster::NODES {
        cluster.kill(node);
        until("the others tell every end", || ends(&log).ok());
        cluster.restart(node);
    }
}
