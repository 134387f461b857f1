//! Reads committed records, from anywhere, and follows.

use std::time::Duration;

use super::scan::Scan;
use crate::local::{deadline_of, position_in};
use crate::{Error, Partition, Reader, Record};

/// See [`Reader`].
pub(super) struct EmbeddedReader {
    scan: Scan,
    positions: Vec<(Partition, u64)>,
}

impl EmbeddedReader {
    pub(super) fn new(scan: Scan, from: &[(Partition, u64)]) -> Self {
        Self { scan, positions: from.to_vec() }
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        let deadline = deadline_of(timeout);
        loop {
            self.scan.look()?;
            let records = self.scan.take(&mut self.positions, max.max(1))?;
            if !records.is_empty() || !self.scan.wait(deadline) {
                return Ok(records);
            }
        }
    }

    /// 0 for a partition that is not read.
    fn position(&self, partition: Partition) -> u64 {
        position_in(&self.positions, partition)
    }
}
