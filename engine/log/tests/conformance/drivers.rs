//! Drives the port as its users do: polls again while a log is busy, waits for conditions.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use atelier_log::{
    CommandRecord, CommitError, Error, Log, Membership, NewRecord, Owner, Partition, Polled, Reader, Record, Subscription, Transaction,
};
use atelier_schemas::Topic;
use tokio::runtime::Runtime;

use crate::subject::PARTITIONS;

/// A group that has to notice a dead member needs some seconds, on a busy machine many.
pub(crate) const LONG: Duration = Duration::from_secs(300);
/// Between two looks at a condition.
pub(crate) const SHORT: Duration = Duration::from_millis(100);
/// The group of the owners.
pub(crate) const ENGINE: &str = "engine";

/// Runs a future.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be had"));
    RUNTIME.block_on(future)
}

/// Tries until there is an answer.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
    }
}

/// A poll that may come at a bad moment.
pub(crate) fn tolerate<T: Default>(polled: Result<T, Error>) -> T {
    match polled {
        Ok(polled) => polled,
        Err(Error::Unavailable(_)) => T::default(),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn record(key: &str, payload: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { key: key.to_owned(), kind: "OrderHeld", traceparent: None, payload: payload.into() }
}

pub(crate) fn append(log: &dyn Log, topic: Topic, partition: Partition, key: &str) -> u64 {
    wait(log.append(topic, partition, record(key, key))).expect("the log takes it")
}

pub(crate) fn keys(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.key.as_str()).collect()
}

/// Reads until so many records are there; more is an error.
pub(crate) fn read(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    until(&format!("{count} records are read"), || {
        records.extend(tolerate(reader.poll(1000, SHORT)));
        (records.len() >= count).then_some(())
    });
    assert_eq!(records.len(), count, "{:?}", keys(&records));
    records
}

/// Everything committed of a topic, up to its end as of now.
pub(crate) fn read_all(log: &dyn Log, topic: Topic) -> Vec<Record> {
    let from: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let ends: Vec<_> = (0..PARTITIONS).map(|partition| log.end(topic, partition).expect("the log answers")).collect();
    let mut reader = log.read(topic, &from).expect("the log answers");
    let mut records = Vec::new();
    until(&format!("{topic} is read to its end"), || {
        if (0_u32..).zip(&ends).all(|(partition, end)| reader.position(partition) >= *end) {
            return Some(());
        }
        records.extend(tolerate(reader.poll(1000, SHORT)));
        None
    });
    records
}

/// Waits until the group's committed offset is this. It must not pass it.
pub(crate) fn until_committed(log: &dyn Log, partition: Partition, next: u64) {
    until(&format!("command {next} of partition {partition} is the next"), || {
        let committed = log.committed(ENGINE, partition).ok()?;
        assert!(committed <= next, "{committed} was never committed, {next} was");
        (committed == next).then_some(())
    });
}

/// A transaction of partition 0 with one event of this key.
pub(crate) fn decided(key: &str, next_command: u64) -> Transaction {
    Transaction { partition: 0, records: vec![(Topic::Events, 0, record(key, key))], next_command }
}

pub(crate) fn is_lost(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Lost(_)))
}

/// An owner and what it has been told.
pub(crate) struct Worker {
    owner: Box<dyn Owner>,
    pub(crate) held: BTreeSet<Partition>,
    pub(crate) commands: Vec<CommandRecord>,
    /// It was told that another one has its name.
    pub(crate) replaced: bool,
}

impl Worker {
    pub(crate) fn join(log: &dyn Log, instance: Option<&str>, worker: u32, workers: u32) -> Self {
        let membership = Membership { group: ENGINE.to_owned(), instance: instance.map(str::to_owned), worker, workers };
        let owner = log.own(membership).expect("the log answers");
        Self { owner, held: BTreeSet::new(), commands: Vec::new(), replaced: false }
    }

    /// Of the commands that came.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.commands.iter().map(|command| command.key.as_str()).collect()
    }

    /// The only worker, with everything assigned.
    pub(crate) fn alone(log: &dyn Log, instance: &str) -> Self {
        let mut worker = Self::join(log, Some(instance), 0, 1);
        worker.until("everything is assigned", |worker| worker.held.len() == PARTITIONS as usize);
        worker
    }

    pub(crate) fn position(&self, partition: Partition) -> u64 {
        self.owner.position(partition)
    }

    pub(crate) fn step(&mut self, max: usize, timeout: Duration) {
        match self.owner.poll(max, timeout) {
            Ok(Polled::Assigned(partitions)) => {
                for partition in partitions {
                    assert!(self.held.insert(partition), "{partition} was ours already");
                }
            }
            Ok(Polled::Revoked(partitions)) => self.held.retain(|partition| !partitions.contains(partition)),
            Ok(Polled::Commands(commands)) => {
                assert!((1..=max).contains(&commands.len()), "{} of at most {max} commands", commands.len());
                assert!(commands.iter().all(|command| self.held.contains(&command.partition)), "commands of a partition that is not ours");
                self.commands.extend(commands);
            }
            Ok(Polled::Idle) | Err(Error::Unavailable(_)) => {}
            Err(Error::InUse(_)) => self.replaced = true,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        until(what, || {
            if !done(self) {
                self.step(100, SHORT);
            }
            done(self).then_some(())
        });
    }

    pub(crate) fn until_commands(&mut self, count: usize) {
        self.until(&format!("{count} commands have come"), |worker| worker.commands.len() >= count);
        assert_eq!(self.commands.len(), count, "{:?}", self.keys());
    }

    pub(crate) fn try_commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        self.owner.commit(transaction)
    }

    pub(crate) fn commit(&mut self, transaction: &Transaction) {
        self.try_commit(transaction).expect("the partition is ours");
    }
}

/// Polls a subscription until so many records have come; more is an error.
pub(crate) fn receive(subscription: &mut dyn Subscription, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    until(&format!("{count} records are received"), || {
        records.extend(tolerate(subscription.poll(1000, SHORT)));
        (records.len() >= count).then_some(())
    });
    assert_eq!(records.len(), count, "{:?}", keys(&records));
    records
}
