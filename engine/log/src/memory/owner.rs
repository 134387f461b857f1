//! One worker's ownership of command partitions.

use std::sync::Arc;
use std::time::Duration;

use atelier_schemas::Topic;

use super::Fault;
use super::state::{Shared, State};
use crate::local::{Claim, check, deadline_of, position_in};
use crate::{CommandRecord, CommitError, Error, Membership, Owner, Partition, Polled, Transaction};

/// See [`Owner`]. Its drop gives the partitions back.
pub(super) struct MemoryOwner {
    shared: Arc<Shared>,
    group: String,
    claim: Claim,
    held: Held,
}

/// Where the owner stands in its partitions.
#[derive(Default)]
struct Held {
    positions: Vec<(Partition, u64)>,
    /// Assigned, and to be read from the committed offset at the next poll.
    fresh: Vec<Partition>,
    turn: usize,
}

impl Held {
    fn forget(&mut self, partitions: &[Partition]) {
        self.positions.retain(|(partition, _)| !partitions.contains(partition));
        self.fresh.retain(|partition| !partitions.contains(partition));
    }

    fn poll(&mut self, state: &mut State, group: &str, claim: Claim, max: usize) -> Result<Option<Polled>, Error> {
        let news = state.owners.news(group, claim);
        match &news {
            Some(Polled::Revoked(partitions)) => self.forget(partitions),
            Some(Polled::Assigned(partitions)) => {
                self.forget(partitions);
                self.fresh.extend(partitions);
            }
            _ if state.owners.replaced(group, claim) => {
                return Err(Error::InUse("another worker joined under the name of this instance; this one ends".to_owned()));
            }
            _ => {
                let fresh = self.fresh.drain(..).map(|partition| (partition, state.group_offset(group, Topic::Commands, partition)));
                self.positions.extend(fresh);
                let records = state.take(Topic::Commands, &mut self.positions, self.turn, max)?;
                return Ok((!records.is_empty()).then(|| Polled::Commands(records.into_iter().map(CommandRecord::from).collect())));
            }
        }
        Ok(news)
    }
}

impl MemoryOwner {
    pub(super) fn new(shared: Arc<Shared>, membership: Membership) -> Self {
        let group = membership.group.clone();
        let partitions = shared.partitions;
        let claim = shared.change(|state| state.owners.join(membership, partitions));
        Self { shared, group, claim, held: Held::default() }
    }

    fn write(&self, transaction: &Transaction) -> Result<(), CommitError> {
        for (topic, partition, record) in &transaction.records {
            check(*topic, *partition, self.shared.partitions, record)?;
        }
        let now = self.shared.now();
        let own = transaction.partition;
        self.shared.change(|state| {
            if !state.owners.holds(&self.group, self.claim, own) {
                return Err(CommitError::Lost(format!("a newer owner has claimed partition {own}")));
            }
            let fault = state.fault(Fault::of_commit);
            match fault {
                Some(Fault::RefuseCommit) => return Err(Error::Unavailable("refused on request".to_owned()).into()),
                Some(Fault::LostBeforeCommit) => {}
                _ => {
                    for (topic, partition, record) in &transaction.records {
                        state.write(*topic, *partition, now, record.clone());
                    }
                    state.set_group_offset(&self.group, Topic::Commands, own, transaction.next_command);
                }
            }
            if fault.is_some() {
                state.owners.assign_anew(&self.group, self.claim, own);
                return Err(CommitError::Lost("nobody can say whether it was written, on request".to_owned()));
            }
            Ok(())
        })
    }
}

impl Owner for MemoryOwner {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Polled, Error> {
        self.held.turn = self.held.turn.wrapping_add(1);
        let (held, group, claim) = (&mut self.held, &self.group, self.claim);
        let polled = self.shared.wait(deadline_of(timeout), |state| held.poll(state, group, claim, max).transpose());
        polled.unwrap_or(Ok(Polled::Idle))
    }

    fn position(&self, partition: Partition) -> u64 {
        position_in(&self.held.positions, partition)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let written = self.write(transaction);
        if matches!(written, Err(CommitError::Lost(_))) {
            self.held.forget(&[transaction.partition]);
        }
        written
    }
}

impl Drop for MemoryOwner {
    fn drop(&mut self) {
        self.shared.change(|state| state.owners.leave(&self.group, self.claim));
    }
}
