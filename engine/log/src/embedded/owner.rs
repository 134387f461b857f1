//! One worker's ownership of command partitions.

use std::sync::Arc;
use std::time::Duration;

use atelier_schemas::Topic;

use super::handle::Handle;
use super::queue::Request;
use super::scan::Scan;
use crate::local::{Claim, check, deadline_of, position_in};
use crate::{CommandRecord, CommitError, Error, Membership, Owner, Partition, Polled, Transaction};

/// See [`Owner`]. Its drop gives the partitions back.
pub(super) struct EmbeddedOwner {
    handle: Arc<Handle>,
    scan: Scan,
    group: Arc<str>,
    claim: Claim,
    positions: Vec<(Partition, u64)>,
    /// Assigned, and to be read from the committed offset at the next poll.
    fresh: Vec<Partition>,
}

impl EmbeddedOwner {
    pub(super) fn new(handle: Arc<Handle>, scan: Scan, membership: Membership, claim: Claim) -> Self {
        Self { handle, scan, group: membership.group.into(), claim, positions: Vec::new(), fresh: Vec::new() }
    }

    /// Somebody else's, or to be restored first.
    fn forget(&mut self, partitions: &[Partition]) {
        self.positions.retain(|(partition, _)| !partitions.contains(partition));
        self.fresh.retain(|partition| !partitions.contains(partition));
    }

    fn news(&mut self) -> Result<Option<Polled>, Error> {
        let mut owners = self.handle.core.owners();
        let news = owners.news(&self.group, self.claim);
        let replaced = owners.replaced(&self.group, self.claim);
        drop(owners);
        match &news {
            Some(Polled::Revoked(partitions)) => self.forget(partitions),
            Some(Polled::Assigned(partitions)) => {
                self.forget(partitions);
                self.fresh.extend(partitions);
            }
            _ if replaced => return Err(Error::InUse("another worker joined under the name of this instance; this one ends".to_owned())),
            _ => {}
        }
        Ok(news)
    }

    fn start_fresh(&mut self) -> Result<(), Error> {
        while let Some(partition) = self.fresh.last().copied() {
            let next = self.scan.group_offset(&self.group, partition)?;
            self.positions.push((partition, next));
            self.fresh.pop();
        }
        Ok(())
    }
}

impl Owner for EmbeddedOwner {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Polled, Error> {
        let deadline = deadline_of(timeout);
        loop {
            // Before the news: what happens between the two wakes the wait.
            self.scan.look()?;
            if let Some(news) = self.news()? {
                return Ok(news);
            }
            self.start_fresh()?;
            let records = self.scan.take(&mut self.positions, max.max(1))?;
            if !records.is_empty() {
                return Ok(Polled::Commands(records.into_iter().map(CommandRecord::from).collect()));
            }
            if !self.scan.wait(deadline) {
                return Ok(Polled::Idle);
            }
        }
    }

    fn position(&self, partition: Partition) -> u64 {
        position_in(&self.positions, partition)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        for (topic, partition, record) in &transaction.records {
            check(*topic, *partition, self.handle.partitions, record)?;
        }
        check_offset(transaction.next_command)?;
        let request = |reply| Request::Commit { group: self.group.clone(), claim: self.claim, transaction: transaction.clone(), reply };
        let answer = self.handle.ask(request).map_err(|error| CommitError::Lost(error.to_string()))?;
        if matches!(answer, Err(CommitError::Lost(_))) {
            self.forget(&[transaction.partition]);
        }
        answer
    }
}

impl Drop for EmbeddedOwner {
    fn drop(&mut self) {
        self.handle.core.owners().leave(&self.group, self.claim);
        self.handle.core.heads.ring(Topic::Commands);
    }
}

/// One that SQLite cannot hold would fail the whole group.
pub(super) fn check_offset(next: u64) -> Result<(), Error> {
    i64::try_from(next).map(drop).map_err(|_| Error::Mismatch(format!("{next} is no offset")))
}
