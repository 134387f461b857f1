//! How far the events of a partition go at least.
//!
//! A broker that led a partition, stood still until another one was elected, and goes on answers for a moment as if it
//! still led: the end it tells is too low, and state restored up to there lacks what was decided meanwhile. Only the
//! leader gets a record confirmed. So a new owner writes one ([`super::transaction::barrier`]) and believes no end
//! before it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use atelier_schemas::Topic;

use crate::Partition;

/// What the owners of this process have learned.
#[derive(Default)]
pub(super) struct Floors(Mutex<BTreeMap<Partition, u64>>);

impl Floors {
    /// The events of `partition` go up to `end` at least.
    pub(super) fn raise(&self, partition: Partition, end: u64) {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = floors.entry(partition).or_default();
        *floor = end.max(*floor);
    }

    /// An end of the partition below this one is the word of a broker that leads it no more.
    pub(super) fn of(&self, topic: Topic, partition: Partition) -> u64 {
        if topic != Topic::Events {
            return 0;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied().unwrap_or(0)
    }
}
