//! The faults and the clock. The promises common to all logs are in `tests/conformance`.

use std::time::Duration;

use atelier_schemas::Topic;

use super::{Fault, Memory};
use crate::local::block_on;
use crate::{CommitError, Error, Log, Membership, NewRecord, Owner, Polled, Transaction};

const LONG: Duration = Duration::from_secs(300);

fn record(key: &str) -> NewRecord {
    NewRecord { key: key.to_owned(), kind: "OrderHeld", traceparent: None, payload: Vec::new() }
}

fn append(log: &Memory, key: &str) -> Result<u64, Error> {
    block_on(log.append(Topic::Commands, 0, record(key)))
}

fn owner(log: &Memory) -> Box<dyn Owner> {
    let mut owner = log.own(Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 }).unwrap();
    assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Assigned(_)));
    owner
}

fn decided(next_command: u64) -> Transaction {
    Transaction { partition: 0, records: vec![(Topic::Events, 0, record("event"))], next_command }
}

#[test]
fn records_have_the_time_of_the_clock() {
    let log = Memory::new(1);
    append(&log, "at 0").unwrap();
    log.advance_ms(1_500);
    append(&log, "at 1500").unwrap();
    let times: Vec<_> = log.read(Topic::Commands, &[(0, 0)]).unwrap().poll(10, LONG).unwrap().iter().map(|record| record.time).collect();
    assert_eq!(times, [0, 1_500]);
}

#[test]
fn a_refused_append_is_not_there_and_one_with_a_lost_reply_is() {
    let log = Memory::new(1);
    log.inject(Fault::RefuseAppend);
    log.inject(Fault::LoseAppendReply);
    assert!(append(&log, "refused").is_err());
    assert_eq!(log.end(Topic::Commands, 0).unwrap(), 0);
    assert!(append(&log, "lost reply").is_err());
    assert_eq!(log.end(Topic::Commands, 0).unwrap(), 1);
    assert_eq!(append(&log, "well").unwrap(), 1);
}

#[test]
fn a_refused_commit_may_be_committed_again() {
    let log = Memory::new(1);
    let mut owner = owner(&log);
    log.inject(Fault::RefuseCommit);
    assert!(matches!(owner.commit(&decided(1)), Err(CommitError::Refused(_))));
    assert_eq!((log.end(Topic::Events, 0).unwrap(), log.committed("engine", 0).unwrap()), (0, 0));
    owner.commit(&decided(1)).unwrap();
    assert_eq!((log.end(Topic::Events, 0).unwrap(), log.committed("engine", 0).unwrap()), (1, 1));
}

#[test]
fn after_an_unknown_commit_the_partition_comes_back_where_the_log_stands() {
    for (fault, written) in [(Fault::CommitThenLost, 1), (Fault::LostBeforeCommit, 0)] {
        let log = Memory::new(1);
        append(&log, "0").unwrap();
        append(&log, "1").unwrap();
        let mut owner = owner(&log);
        assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Commands(commands) if commands[0].key == "0"));
        log.inject(fault);
        assert!(matches!(owner.commit(&decided(1)), Err(CommitError::Lost(_))));
        assert_eq!(log.end(Topic::Events, 0).unwrap(), written, "{fault:?}");
        assert!(matches!(owner.commit(&decided(1)), Err(CommitError::Lost(_))), "{fault:?}: not before it is told");
        assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Assigned(_)));
        let next = written.to_string();
        assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Commands(commands) if commands[0].key == next), "{fault:?}");
    }
}

#[test]
fn a_stolen_partition_is_fenced_at_once_and_comes_back() {
    let log = Memory::new(1);
    let mut owner = owner(&log);
    log.steal("engine", 0);
    assert!(matches!(owner.commit(&decided(1)), Err(CommitError::Lost(_))));
    assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Revoked(_)));
    assert_eq!(log.end(Topic::Events, 0).unwrap(), 0);
    log.give_back("engine", 0);
    assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Assigned(_)));
    owner.commit(&decided(1)).unwrap();
}

#[test]
fn faults_of_commits_do_not_hit_appends() {
    let log = Memory::new(1);
    log.inject(Fault::RefuseCommit);
    append(&log, "well").unwrap();
    assert!(matches!(owner(&log).commit(&decided(1)), Err(CommitError::Refused(_))));
}

#[test]
fn a_healed_log_forgets_the_faults_that_have_not_happened() {
    let log = Memory::new(1);
    log.inject(Fault::RefuseAppend);
    log.inject(Fault::RefuseCommit);
    log.heal();
    append(&log, "well").unwrap();
    owner(&log).commit(&decided(1)).unwrap();
}
