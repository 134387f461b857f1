//! What is committed together.

use std::ops::Range;

use super::Positions;
use super::source::{Chunk, Decoded, Source};

/// Records in a batch at most, give or take a chunk.
const GATHER: usize = 8000;

/// Records in the order of the log, and the offsets after them.
pub(super) struct Batch<T> {
    pub(super) records: Vec<Decoded<T>>,
    pub(super) next: Positions,
}

impl<T> Batch<T> {
    /// Nothing but offsets.
    pub(super) fn empty(next: Positions) -> Self {
        Self { records: Vec::new(), next }
    }

    /// A chunk and those that are ready behind it.
    pub(super) fn gather(first: Chunk<T>, source: &mut Source<T>) -> Self {
        let mut batch = Self { records: first.records, next: first.next };
        while batch.records.len() < GATHER {
            let Ok(chunk) = source.chunks.try_recv() else { break };
            batch.records.extend(chunk.records);
            batch.next = chunk.next;
        }
        batch
    }

    /// Drops what is applied already.
    pub(super) fn pass_over(&mut self, stored: &[u64]) {
        self.records.retain(|record| stored.get(record.partition as usize).is_none_or(|next| record.offset >= *next));
        for (next, stored) in self.next.iter_mut().zip(stored) {
            *next = (*next).max(*stored);
        }
    }

    /// The offsets after a part of the records, which begins where `stored` says.
    pub(super) fn next_after(&self, part: &Range<usize>, stored: &[u64]) -> Positions {
        if part.end == self.records.len() {
            return self.next.clone();
        }
        let mut next = stored.to_vec();
        for record in &self.records[part.clone()] {
            if let Some(slot) = next.get_mut(record.partition as usize) {
                *slot = record.offset + 1;
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: u32, offset: u64) -> Decoded<()> {
        Decoded { partition, offset, time: 0, key: String::new(), body: Ok(()) }
    }

    #[test]
    fn a_part_ends_after_its_last_records() {
        let batch = Batch { records: vec![record(0, 4), record(1, 7), record(0, 6)], next: vec![9, 9] };
        assert_eq!(batch.next_after(&(0..1), &[4, 7]), [5, 7]);
        assert_eq!(batch.next_after(&(0..2), &[4, 7]), [5, 8]);
        assert_eq!(batch.next_after(&(1..3), &[5, 7]), [9, 9]);
    }

    #[test]
    fn what_another_runner_applied_is_dropped() {
        let mut batch = Batch { records: vec![record(0, 4), record(1, 7), record(0, 6)], next: vec![7, 8] };
        batch.pass_over(&[5, 12]);
        let left: Vec<_> = batch.records.iter().map(|record| (record.partition, record.offset)).collect();
        assert_eq!((left, batch.next), (vec![(0, 6)], vec![7, 12]));
    }
}
