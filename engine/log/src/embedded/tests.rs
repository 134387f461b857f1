//! What is particular to the folder. The promises common to all logs are in `tests/conformance`.

mod full;
mod group;
mod process;
mod torn;

use std::sync::mpsc;
use std::time::Duration;

use atelier_schemas::Topic;
use tempfile::TempDir;

use super::queue::Request;
use super::{Embedded, schema};
use crate::local::block_on;
use crate::{Error, Log, Membership, NewRecord, Owner, Polled, Record, Transaction};

/// Longer than anything here takes on the slowest machine.
const LONG: Duration = Duration::from_secs(300);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn record(key: &str, payload: &[u8]) -> NewRecord {
    NewRecord { key: key.to_owned(), kind: "OrderHeld", traceparent: None, payload: payload.to_vec() }
}

fn append(log: &Embedded, key: &str) -> Result<u64, Error> {
    block_on(log.append(Topic::Commands, 0, record(key, key.as_bytes())))
}

fn owner(log: &Embedded) -> Box<dyn Owner> {
    let mut owner = log.own(Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 }).unwrap();
    assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Assigned(_)));
    owner
}

/// One event and one outcome about command `number` of partition 0.
fn transaction(number: u64, payload: &[u8]) -> Transaction {
    let one = |topic| (topic, 0, record(&format!("order {number}"), payload));
    Transaction { partition: 0, records: vec![one(Topic::Events), one(Topic::Outcomes)], next_command: number + 1 }
}

/// All records of partition 0.
fn all(log: &Embedded, topic: Topic) -> Vec<Record> {
    let mut reader = log.read(topic, &[(0, 0)]).unwrap();
    let mut records = Vec::new();
    while reader.position(0) < log.end(topic, 0).unwrap() {
        records.extend(reader.poll(1000, LONG).unwrap());
    }
    records
}

fn keys(log: &Embedded, topic: Topic) -> Vec<String> {
    all(log, topic).into_iter().map(|record| record.key).collect()
}

/// Does something on the writer's connection, between two groups.
fn meddle(log: &Embedded, act: impl FnOnce(&rusqlite::Connection) + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let request = Request::Meddle(Box::new(move |connection| {
        act(connection);
        done.send(()).unwrap();
    }));
    assert!(log.handle.as_ref().unwrap().core.queue.try_push(request).is_ok());
    wait.recv_timeout(LONG).unwrap();
}

fn sentence<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_partition_count_is_for_life() {
    let dir = folder();
    let id = Embedded::open(dir.path(), 4).unwrap().log_id();
    let refused = Embedded::open(dir.path(), 8);
    assert!(matches!(refused, Err(Error::Mismatch(_))));
    let text = sentence(refused);
    assert!(text.contains(" 4 ") && text.contains(" 8 "), "{text}");
    assert_eq!(Embedded::open(dir.path(), 4).unwrap().log_id(), id);
}

#[test]
fn a_count_out_of_range_leaves_nothing_behind() {
    let dir = folder();
    for count in [0, schema::MAX_PARTITIONS + 1] {
        assert!(matches!(Embedded::open(dir.path(), count), Err(Error::Mismatch(_))));
    }
    assert_eq!(Embedded::open(dir.path(), schema::MAX_PARTITIONS).unwrap().partitions(), schema::MAX_PARTITIONS);
}

#[test]
fn a_file_that_is_not_ours_is_refused() {
    let dir = folder();
    std::fs::write(dir.path().join(schema::FILE), "certainly not a database, and long enough to be seen as none".repeat(100)).unwrap();
    assert!(matches!(Embedded::open(dir.path(), 1), Err(Error::Mismatch(_))));
    let other = folder();
    rusqlite::Connection::open(other.path().join(schema::FILE)).unwrap().execute_batch("CREATE TABLE pets (name TEXT)").unwrap();
    let text = sentence(Embedded::open(other.path(), 1));
    assert!(text.contains("not a log of Atelier"), "{text}");
}

#[test]
fn a_newer_format_is_refused() {
    let dir = folder();
    drop(Embedded::open(dir.path(), 1).unwrap());
    rusqlite::Connection::open(dir.path().join(schema::FILE)).unwrap().execute_batch("UPDATE genesis SET format = 2").unwrap();
    let text = sentence(Embedded::open(dir.path(), 1));
    assert!(text.contains("format 2"), "{text}");
}

#[test]
fn read_only_sees_what_is_written_beside_it_and_writes_nothing() {
    let dir = folder();
    assert!(matches!(Embedded::open_read_only(dir.path()), Err(Error::Unavailable(_))));
    let log = Embedded::open(dir.path(), 2).unwrap();
    append(&log, "first").unwrap();
    let other = Embedded::open_read_only(dir.path()).unwrap();
    assert_eq!((other.partitions(), other.log_id()), (2, log.log_id()));
    assert_eq!(keys(&other, Topic::Commands), ["first"]);

    let mut reader = other.read(Topic::Commands, &[(0, 1)]).unwrap();
    append(&log, "second").unwrap();
    assert_eq!(reader.poll(10, LONG).unwrap()[0].key, "second");

    let mut owner = owner(&log);
    owner.commit(&transaction(0, b"x")).unwrap();
    assert_eq!(other.committed("engine", 0).unwrap(), 1);

    assert!(matches!(append(&other, "third"), Err(Error::InUse(_))));
    let membership = Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 };
    assert!(matches!(other.own(membership), Err(Error::InUse(_))));
    assert!(matches!(other.subscribe(Topic::PricingJobs, "pricing"), Err(Error::InUse(_))));
    assert_eq!(keys(&log, Topic::Commands), ["first", "second"]);
}

#[test]
fn a_position_past_the_end_is_named() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    append(&log, "only").unwrap();
    let text = sentence(log.read(Topic::Commands, &[(0, 7)]).unwrap().poll(1, LONG));
    assert!(text.contains("offset 7") && text.contains("ends at 1"), "{text}");
}

#[test]
fn an_owner_keeps_the_folder_after_the_log_is_dropped() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    drop(log);
    assert!(matches!(Embedded::open(dir.path(), 1), Err(Error::InUse(_))));
    owner.commit(&transaction(0, b"still")).unwrap();
    drop(owner);
    assert_eq!(keys(&Embedded::open(dir.path(), 1).unwrap(), Topic::Events), ["order 0"]);
}
