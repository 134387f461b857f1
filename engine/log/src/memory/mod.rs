//! The log in memory: for tests and simulation.
//!
//! It promises what the others promise, within the life of its clones, and breaks on request
//! ([`Fault`], [`Memory::steal`]). Record times come from a clock that only the caller advances. It keeps
//! every record: its limit is the test that uses it.

mod fault;
mod owner;
mod reader;
mod state;
mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use atelier_schemas::Topic;

pub use fault::Fault;
use state::{Shared, State};

use crate::local::{MAX_PAYLOAD_BYTES, check};
use crate::{Appending, Error, Log, Membership, NewRecord, Owner, Partition, Reader, Subscription};

/// The log in memory. Clones are the same log; a "restart" is a clone whose elder was dropped.
///
/// ```
/// use atelier_log::memory::{Fault, Memory};
/// let log = Memory::new(4);
/// log.advance_ms(1_000);
/// log.inject(Fault::RefuseAppend);
/// ```
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

impl Memory {
    /// A log whose clock stands at 0.
    pub fn new(partitions: u32) -> Self {
        Self::with_clock(partitions, Arc::new(AtomicI64::new(0)))
    }

    /// A log that takes record times from `clock`, in milliseconds since 1970.
    pub fn with_clock(partitions: u32, clock: Arc<AtomicI64>) -> Self {
        Self { shared: Arc::new(Shared::new(partitions, clock)) }
    }

    /// Moves the clock.
    pub fn advance_ms(&self, by_ms: i64) {
        self.shared.clock.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// The next call it concerns goes wrong. Faults of one kind of call happen in the order they were given.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push_back(fault);
    }

    /// What was asked to go wrong and has not yet will not.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// A newer owner, in a process nobody sees, takes a command partition of `group`.
    pub fn steal(&self, group: &str, partition: Partition) {
        self.shared.change(|state| state.owners.steal(group, partition));
    }

    /// The process nobody sees is gone; the partition comes back to whose share it is.
    pub fn give_back(&self, group: &str, partition: Partition) {
        self.shared.change(|state| state.owners.give_back(group, partition));
    }

    /// Where the log stands, as text without personal data: how many records there are and a hash of them, what the
    /// groups have consumed, who owns what, and what is to go wrong. Owners are named by the order they came in.
    /// Two logs that give the same text answer the same calls alike.
    pub fn standing(&self) -> String {
        self.shared.lock().standing()
    }

    fn check_partition(&self, topic: Topic, partition: Partition) -> Result<(), Error> {
        if partition < self.shared.partitions {
            return Ok(());
        }
        Err(Error::Mismatch(format!("{topic} has {} partitions, there is no {partition}", self.shared.partitions)))
    }
}

impl Log for Memory {
    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn max_payload_bytes(&self) -> usize {
        MAX_PAYLOAD_BYTES
    }

    /// Done at the call; the future only tells.
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        let appended = check(topic, partition, self.shared.partitions, &record).and_then(|()| {
            let now = self.shared.now();
            self.shared.change(|state: &mut State| match state.fault(Fault::of_append) {
                Some(Fault::RefuseAppend) => Err(Error::Unavailable("refused on request".to_owned())),
                Some(_) => {
                    state.write(topic, partition, now, record);
                    Err(Error::Unavailable("written, and the reply lost on request".to_owned()))
                }
                None => Ok(state.write(topic, partition, now, record)),
            })
        });
        Box::pin(std::future::ready(appended))
    }

    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        Ok(Box::new(owner::MemoryOwner::new(self.shared.clone(), membership)))
    }

    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        for (partition, _) in from {
            self.check_partition(topic, *partition)?;
        }
        Ok(Box::new(reader::MemoryReader::new(self.shared.clone(), topic, from)))
    }

    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(subscription::MemorySubscription::new(self.shared.clone(), topic, group)))
    }

    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        self.check_partition(topic, partition)?;
        Ok(self.shared.lock().end(topic, partition))
    }

    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        self.check_partition(Topic::Commands, partition)?;
        Ok(self.shared.lock().group_offset(group, Topic::Commands, partition))
    }
}

#[cfg(test)]
mod tests;
