//! The steps of a turn, each with one effect.

use std::collections::BTreeMap;
use std::time::Instant;

use atelier_log::{CommandRecord, CommitError, Error as LogError, Partition, Transaction};
use atelier_schemas::{TimeMs, Topic};

use super::{Due, Fatal, Stop, Unwritten, Worker};
use crate::metrics::{PartitionLabel, TypeLabel};
use crate::restore::{self, Restored, restore};

impl Worker {
    pub(super) fn restore(&mut self, partition: Partition) -> Result<(), Stop> {
        self.owned.remove(&partition);
        if self.again_for.contains_key(&partition) {
            self.owner().and_then(|owner| owner.ask_leader(partition)).map_err(|error| self.refused(error))?;
        }
        let settings = self.settings.partition(self.log.as_ref(), partition);
        let checkpoints = self.settings.checkpoints.as_ref().map(|checkpoints| checkpoints.store.as_ref());
        let started = Instant::now();
        match restore(self.log.as_ref(), settings, checkpoints, || self.stopping()) {
            Ok(Restored { mut state, events, checkpoint }) => {
                if let Some(command) = self.again_for.remove(&partition) {
                    state.was_read_for(command);
                }
                tracing::info!(
                    partition,
                    checkpoint,
                    events,
                    open_orders = state.open_orders(),
                    closed_orders = state.closed_orders(),
                    took_ms = started.elapsed().as_millis() as u64,
                    "partition taken"
                );
                self.owned.insert(partition, state);
                self.uncovered.insert(partition, events);
                self.gauge(partition);
                Ok(())
            }
            Err(restore::Error::Stopped) => Ok(()),
            Err(restore::Error::Log(error @ (LogError::Unavailable(_) | LogError::Full(_)))) => Err(self.refused(error)),
            Err(error) => Err(Stop::Fatal(Fatal::Restore(error))),
        }
    }

    pub(super) fn revoked(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if self.owned.remove(partition).is_some() {
                tracing::info!(partition, "partition handed over");
            }
            self.metrics.open_orders.remove(&PartitionLabel { partition: *partition });
            self.again_for.remove(partition);
            self.due.remove(partition);
            self.assigned.retain(|assigned| assigned != partition);
        }
    }

    pub(super) fn commands(&mut self, partition: Partition, mut commands: Vec<CommandRecord>) -> Result<(), Stop> {
        let now = (self.clock)();
        // Commands of a partition lost in this very batch come again after it is claimed again.
        let Some(state) = self.owned.get_mut(&partition) else { return Ok(()) };
        // Decided before: the log gave them again after a restart in mid-commit.
        commands.retain(|command| command.offset >= state.next_command());
        if commands.is_empty() {
            return Ok(());
        }
        let count = commands.len() as u64;
        let transaction = state.decide(commands, now).map_err(index_failed)?;
        let left = state.left();
        let decided = count - left.len() as u64;
        if let Some(first) = left.first().map(|command| command.offset) {
            tracing::info!(partition, command = first, "somebody names events this engine has not read: the partition is restored again");
            self.again_for.insert(partition, first);
            self.assigned.push(partition);
            self.taken.insert(partition, left);
        }
        self.unwritten = (decided > 0).then_some(Unwritten { transaction, commands: decided });
        Ok(())
    }

    /// Takes note of partitions with a deadline that has passed, and of where their commands end.
    pub(super) fn note_due(&mut self) -> Result<(), Stop> {
        let noticed = (self.clock)();
        let passed = self.owned.iter().filter(|(_, state)| state.next_due().is_some_and(|at| at <= noticed));
        let new: Vec<Partition> = passed.map(|(partition, _)| *partition).filter(|partition| !self.due.contains_key(partition)).collect();
        let mut unknown = None;
        for partition in new {
            match self.log.end(Topic::Commands, partition) {
                Ok(end) => drop(self.due.insert(partition, Due { noticed, end })),
                // The others do not wait for it.
                Err(error) => unknown = Some(error),
            }
        }
        unknown.map_or(Ok(()), |error| Err(self.refused(error)))
    }

    /// A partition whose commands from before its deadlines were noticed are all decided, and when that was.
    pub(super) fn caught_up(&self) -> Option<(Partition, TimeMs)> {
        let owner = self.owner.as_deref()?;
        let ready = self.due.iter().find(|(partition, due)| owner.position(**partition) >= due.end);
        ready.map(|(partition, due)| (*partition, due.noticed))
    }

    pub(super) fn deadlines(&mut self, partition: Partition, noticed: TimeMs) -> Result<(), Stop> {
        let now = (self.clock)();
        // Lost since it was seen to be due.
        let Some(state) = self.owned.get_mut(&partition) else { return Ok(()) };
        let transaction = state.fire_due(noticed, now).map_err(index_failed)?;
        self.unwritten = transaction.map(|transaction| Unwritten { transaction, commands: 0 });
        Ok(())
    }

    /// Commits; keeps what the log certainly did not write for the next turn. A partition that is lost or in doubt
    /// is dropped with its state.
    pub(super) fn commit(&mut self, unwritten: Unwritten) -> Result<(), Stop> {
        let Unwritten { transaction, commands } = &unwritten;
        let partition = transaction.partition;
        let started = Instant::now();
        let committed = match self.owner() {
            Ok(owner) => owner.commit(transaction),
            Err(error) => Err(error.into()),
        };
        match committed {
            Ok(()) => {
                self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
                self.count(transaction);
                self.wish(transaction);
                self.gauge(partition);
                if *commands == 0 {
                    self.metrics.deadlines.inc();
                } else {
                    self.metrics.commands.inc_by(*commands);
                }
                Ok(())
            }
            Err(CommitError::Refused(error)) => {
                if !std::mem::replace(&mut self.said, true) {
                    tracing::warn!(partition, %error, "nothing was written; the transaction waits");
                }
                self.unwritten = Some(unwritten);
                Err(Stop::Refused)
            }
            Err(error) => {
                tracing::warn!(partition, %error, "dropped the partition's state; it is restored from the log when it is ours again");
                self.metrics.lost.inc();
                self.revoked(&[partition]);
                Ok(())
            }
        }
    }

    fn count(&self, transaction: &Transaction) {
        let mut records: BTreeMap<&str, u64> = BTreeMap::new();
        for (topic, _, record) in &transaction.records {
            if matches!(topic, Topic::Events) || record.kind == "Refused" {
                *records.entry(record.kind).or_default() += 1;
            }
        }
        for (kind, count) in records {
            self.metrics.records.get_or_create(&TypeLabel { r#type: kind.to_owned() }).inc_by(count);
        }
    }

    fn wish(&mut self, transaction: &Transaction) {
        let (Some(checkpoints), Some(wishes)) = (&self.settings.checkpoints, &self.wishes) else { return };
        let uncovered = self.uncovered.entry(transaction.partition).or_default();
        *uncovered += transaction.records.iter().filter(|(topic, ..)| *topic == Topic::Events).count() as u64;
        if *uncovered >= checkpoints.every_events && wishes.try_send(transaction.partition).is_ok() {
            *uncovered = 0;
        }
    }

    fn gauge(&self, partition: Partition) {
        if let Some(state) = self.owned.get(&partition) {
            let label = PartitionLabel { partition };
            self.metrics.open_orders.get_or_create(&label).set(state.open_orders() as i64);
            self.metrics.parked_orders.get_or_create(&label).set(state.parked().count() as i64);
        }
    }
}

fn index_failed(error: crate::closed::Error) -> Stop {
    Stop::Fatal(Fatal::Restore(error.into()))
}
