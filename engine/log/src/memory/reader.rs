//! Reads committed records, from anywhere, and follows.

use std::sync::Arc;
use std::time::Duration;

use atelier_schemas::Topic;

use super::state::Shared;
use crate::local::{deadline_of, position_in};
use crate::{Error, Partition, Reader, Record};

/// See [`Reader`].
pub(super) struct MemoryReader {
    shared: Arc<Shared>,
    topic: Topic,
    positions: Vec<(Partition, u64)>,
    turn: usize,
}

impl MemoryReader {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, from: &[(Partition, u64)]) -> Self {
        Self { shared, topic, positions: from.to_vec(), turn: 0 }
    }
}

impl Reader for MemoryReader {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        self.turn = self.turn.wrapping_add(1);
        let taken = self.shared.wait(deadline_of(timeout), |state| match state.take(self.topic, &mut self.positions, self.turn, max) {
            Ok(records) if records.is_empty() => None,
            result => Some(result),
        });
        taken.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// 0 for a partition that is not read.
    fn position(&self, partition: Partition) -> u64 {
        position_in(&self.positions, partition)
    }
}
