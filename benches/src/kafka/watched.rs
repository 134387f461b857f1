//! Our log with a gate before the commands and a stop-watch around them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use atelier_log::kafka::Kafka;
use atelier_log::{Appending, CommitError, Error, Log, Membership, NewRecord, Owner, Partition, Polled, Reader, Subscription, Transaction};
use atelier_schemas::Topic;

use crate::harness::{Mark, Outcome};

/// Closed until opened.
#[derive(Default)]
pub(super) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    pub(super) fn pass(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(open, |open| !*open));
    }
}

/// From the gate's opening to the commit of the last command.
pub(crate) struct Window {
    pub(super) gate: Gate,
    target: u64,
    done: AtomicU64,
    transactions: AtomicU64,
    started: OnceLock<Mark>,
    ended: OnceLock<Mark>,
    finished: Gate,
}

impl Window {
    /// A window that ends with so many commands.
    pub(crate) fn new(target: u64) -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::default(),
            target,
            done: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            started: OnceLock::new(),
            ended: OnceLock::new(),
            finished: Gate::default(),
        })
    }

    /// Opens the gate and starts the watch.
    pub(crate) fn start(&self) {
        self.started.get_or_init(Mark::now);
        self.gate.open();
    }

    /// So many commands were committed in one transaction.
    pub(super) fn committed(&self, commands: u64) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        if self.done.fetch_add(commands, Ordering::SeqCst) + commands >= self.target {
            self.ended.get_or_init(Mark::now);
            self.finished.open();
        }
    }

    /// One that ends early is waited for no longer.
    pub(super) fn give_up(&self) {
        self.finished.open();
    }

    /// Waits for the last commit; wall and CPU seconds, and transactions.
    ///
    /// # Errors
    /// When whoever worked on it gave up.
    pub(crate) fn wait(&self) -> Outcome<(f64, f64, u64)> {
        self.finished.pass();
        match (self.started.get(), self.ended.get()) {
            (Some(started), Some(ended)) => {
                let (wall_s, cpu_s) = ended.since(started);
                Ok((wall_s, cpu_s, self.transactions.load(Ordering::Relaxed)))
            }
            _ => Err("the block ended before its last command".into()),
        }
    }
}

/// A log whose owners wait at the window's gate with the first commands they get.
pub(crate) struct Watched {
    pub(crate) log: Kafka,
    pub(crate) window: Arc<Window>,
    /// Owned partitions of each worker.
    pub(crate) owned: Arc<Mutex<Vec<BTreeSet<Partition>>>>,
}

impl Log for Watched {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn max_payload_bytes(&self) -> usize {
        self.log.max_payload_bytes()
    }
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        self.log.append(topic, partition, record)
    }
    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        let worker = membership.worker as usize;
        Ok(Box::new(WatchedOwner {
            owner: self.log.own(membership)?,
            worker,
            window: self.window.clone(),
            owned: self.owned.clone(),
            next: Vec::new(),
        }))
    }
    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        self.log.read(topic, from)
    }
    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        self.log.subscribe(topic, group)
    }
    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        self.log.end(topic, partition)
    }
    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        self.log.committed(group, partition)
    }
}

struct WatchedOwner {
    owner: Box<dyn Owner>,
    worker: usize,
    window: Arc<Window>,
    owned: Arc<Mutex<Vec<BTreeSet<Partition>>>>,
    next: Vec<u64>,
}

impl Owner for WatchedOwner {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Polled, Error> {
        let polled = self.owner.poll(max, timeout)?;
        let mut all = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        match &polled {
            Polled::Assigned(partitions) => all[self.worker].extend(partitions),
            Polled::Revoked(partitions) => all[self.worker].retain(|partition| !partitions.contains(partition)),
            Polled::Commands(_) => {
                drop(all);
                self.window.gate.pass();
            }
            Polled::Idle => {}
        }
        Ok(polled)
    }

    fn position(&self, partition: Partition) -> u64 {
        self.owner.position(partition)
    }

    fn ask_leader(&mut self, partition: Partition) -> Result<(), Error> {
        self.owner.ask_leader(partition)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        self.owner.commit(transaction)?;
        let partition = transaction.partition as usize;
        if self.next.len() <= partition {
            self.next.resize(partition + 1, 0);
        }
        self.window.committed(transaction.next_command - self.next[partition]);
        self.next[partition] = transaction.next_command;
        Ok(())
    }
}
