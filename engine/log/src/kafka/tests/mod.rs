//! Against a real broker: what only Kafka's log does, or only with Kafka's means.

mod crash;
mod fencing;
mod frozen;
mod opening;
mod outage;
mod reading;

use std::time::{Duration, Instant};

use atelier_schemas::{Framed, Outcome, OutcomeResult, Topic};
use uuid::Uuid;

use super::{Config, Kafka};
use crate::{CommandRecord, Log, Membership, NewRecord, Owner, Partition, Polled, Reader, Record, Transaction};

/// No condition of these tests takes nearly so long; the bound only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_millis(50);

fn config() -> Config {
    Config {
        brokers: atelier_support::Kafka::shared().bootstrap(),
        prefix: format!("{}.", Uuid::new_v4().simple()),
        partitions: 2,
        ..Config::default()
    }
}

fn membership(instance: Option<&str>) -> Membership {
    Membership { group: "engine".into(), instance: instance.map(Into::into), worker: 0, workers: 1 }
}

/// Calls `step` until it has something.
fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(Instant::now() < deadline, "still waiting until {what}");
    }
}

fn new_record(text: &str) -> NewRecord {
    NewRecord { key: "order".into(), kind: "Test", traceparent: Some("00-1-2-01".into()), payload: text.as_bytes().to_vec() }
}

fn append(log: &Kafka, topic: Topic, partition: Partition, text: &str) -> u64 {
    super::context::wait(log.append(topic, partition, new_record(text))).expect("appended")
}

/// Polls until all of `partitions` are assigned.
fn assigned(owner: &mut dyn Owner, partitions: &[Partition]) {
    let mut missing = partitions.to_vec();
    until("the partitions are assigned", || {
        if let Polled::Assigned(given) = owner.poll(100, STEP).expect("polled") {
            missing.retain(|partition| !given.contains(partition));
        }
        missing.is_empty().then_some(())
    });
}

/// Polls until `count` commands have come.
fn commands(owner: &mut dyn Owner, count: usize) -> Vec<CommandRecord> {
    let mut records = Vec::new();
    until("the commands arrive", || {
        if let Polled::Commands(more) = owner.poll(100, STEP).expect("polled") {
            records.extend(more);
        }
        (records.len() >= count).then_some(())
    });
    records
}

/// Reads until everything below the end is read.
fn read_to_end(log: &Kafka, topic: Topic, partition: Partition) -> Vec<String> {
    let end = log.end(topic, partition).expect("end");
    let mut reader = log.read(topic, &[(partition, 0)]).expect("reader");
    read_to(reader.as_mut(), partition, end)
}

fn read_to(reader: &mut dyn Reader, partition: Partition, end: u64) -> Vec<String> {
    let mut texts = Vec::new();
    until("the reader is at the end", || {
        texts.extend(reader.poll(100, STEP).expect("read").iter().map(text));
        (reader.position(partition) >= end).then_some(())
    });
    texts
}

fn asked(command: &CommandRecord) -> String {
    String::from_utf8_lossy(&command.payload).into_owned()
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

fn events(partition: Partition, next_command: u64, texts: &[&str]) -> Transaction {
    let records = texts.iter().map(|text| (Topic::Events, partition, new_record(text))).collect();
    Transaction { partition, records, next_command }
}

fn outcome(command_offset: i64) -> NewRecord {
    let outcome = Outcome {
        command_id: Uuid::new_v4(),
        order_id: Uuid::new_v4(),
        type_name: "Cancel".into(),
        command_offset,
        time: 0,
        correlation_id: Uuid::new_v4(),
        traceparent: None,
        result: OutcomeResult::Accepted { status: "CANCELLED".into(), version: 1, events: vec![], repeated: false, dry_run: false },
    };
    NewRecord { key: outcome.order_id.to_string(), kind: "Accepted", traceparent: None, payload: outcome.encode() }
}
