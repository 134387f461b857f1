//! One worker: a thread that owns some partitions and does everything for them, one thing at a time.
//!
//! Batches form by themselves: what arrives while a transaction is under way is the next batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atelier_log::{CommitError, Error as LogError, Log, Membership, Owner, Partition, Polled, Record, Transaction};
use atelier_schemas::Topic;

use crate::Clock;
use crate::engine::Settings as EngineSettings;
use crate::metrics::{Metrics, PartitionLabel, TypeLabel};
use crate::partition::{PartitionState, Settings};
use crate::restore::{self, Restored, restore};

/// The consumer group of the engines.
pub const GROUP: &str = "engine";
/// Longest wait for commands; bounds how late a deadline or a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Between tries of what the log refused.
const BACKOFF: Duration = Duration::from_millis(300);

/// Why a worker ended for good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    #[error(transparent)]
    Log(LogError),
    #[error("{0}")]
    Restore(restore::Error),
}

pub(crate) struct Worker {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) membership: Membership,
    pub(crate) settings: EngineSettings,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) owned: BTreeMap<Partition, PartitionState>,
}

impl Worker {
    /// Works until told to stop, or until another process has taken its name.
    pub(crate) fn run(mut self) -> Result<(), Fatal> {
        let Some(mut owner) = self.join()? else { return Ok(()) };
        let mut said_unavailable = false;
        while !self.stopping() {
            let policy = self.settings.policy.current();
            self.owned.values_mut().for_each(|state| state.follow(&policy));
            let polled = match owner.poll(self.settings.batch_max, self.patience()) {
                Ok(polled) => polled,
                Err(error @ (LogError::InUse(_) | LogError::Mismatch(_))) => return Err(Fatal::Log(error)),
                Err(error) => {
                    if !std::mem::replace(&mut said_unavailable, true) {
                        tracing::warn!(%error, "the engine waits for its log");
                    }
                    self.pause();
                    continue;
                }
            };
            said_unavailable = false;
            match polled {
                Polled::Assigned(partitions) => self.assigned(&partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions),
                Polled::Commands(commands) => self.commands(owner.as_mut(), commands)?,
                Polled::Idle => {}
            }
            self.deadlines(owner.as_mut())?;
        }
        Ok(())
    }

    fn join(&self) -> Result<Option<Box<dyn Owner>>, Fatal> {
        let mut said = false;
        while !self.stopping() {
            match self.log.own(self.membership.clone()) {
                Ok(owner) => return Ok(Some(owner)),
                Err(error @ (LogError::InUse(_) | LogError::Mismatch(_))) => return Err(Fatal::Log(error)),
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!(%error, "the engine waits for its log");
                    }
                    self.pause();
                }
            }
        }
        Ok(None)
    }

    fn assigned(&mut self, partitions: &[Partition]) -> Result<(), Fatal> {
        for &partition in partitions {
            self.owned.remove(&partition);
            let started = Instant::now();
            let Some(Restored { state, events }) = self.restore(partition)? else { return Ok(()) };
            tracing::info!(
                partition,
                events,
                open_orders = state.open_orders(),
                closed_orders = state.closed_orders(),
                took_ms = started.elapsed().as_millis() as u64,
                "partition taken"
            );
            self.owned.insert(partition, state);
            self.gauge(partition);
        }
        Ok(())
    }

    /// Tries until the log answers; `None` when the process ends first.
    fn restore(&self, partition: Partition) -> Result<Option<Restored>, Fatal> {
        let settings = Settings {
            partition,
            partitions: self.log.partitions(),
            policy: self.settings.policy.current(),
            max_payload_bytes: self.log.max_payload_bytes(),
            index_folder: self.settings.index_folder.clone(),
        };
        loop {
            match restore(self.log.as_ref(), settings.clone(), || self.stopping()) {
                Ok(restored) => return Ok(Some(restored)),
                Err(restore::Error::Stopped) => return Ok(None),
                Err(restore::Error::Log(error @ (LogError::Unavailable(_) | LogError::Full(_)))) => {
                    tracing::warn!(partition, %error, "cannot restore the partition yet");
                    self.pause();
                    if self.stopping() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(Fatal::Restore(error)),
            }
        }
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if self.owned.remove(partition).is_some() {
                tracing::info!(partition, "partition handed over");
            }
            self.metrics.open_orders.remove(&PartitionLabel { partition: *partition });
        }
    }

    fn commands(&mut self, owner: &mut dyn Owner, commands: Vec<Record>) -> Result<(), Fatal> {
        let mut by_partition: BTreeMap<Partition, Vec<Record>> = BTreeMap::new();
        for command in commands {
            by_partition.entry(command.partition).or_default().push(command);
        }
        for (partition, mut commands) in by_partition {
            let now = (self.clock)();
            // Commands of a partition lost in this very batch come again after it is claimed again.
            let Some(state) = self.owned.get_mut(&partition) else { continue };
            // Decided before: the log gave them again after a restart in mid-commit.
            commands.retain(|command| command.offset >= state.next_command());
            if commands.is_empty() {
                continue;
            }
            let transaction = state.decide(&commands, now).map_err(|error| Fatal::Restore(error.into()))?;
            if self.commit(owner, &transaction) {
                self.metrics.commands.inc_by(commands.len() as u64);
            }
        }
        Ok(())
    }

    fn deadlines(&mut self, owner: &mut dyn Owner) -> Result<(), Fatal> {
        let now = (self.clock)();
        let due: Vec<_> =
            self.owned.iter().filter(|(_, state)| state.next_due().is_some_and(|at| at <= now)).map(|(partition, _)| *partition).collect();
        for partition in due {
            let Some(state) = self.owned.get_mut(&partition) else { continue };
            let transaction = state.fire_due(now).map_err(|error| Fatal::Restore(error.into()))?;
            if let Some(transaction) = transaction
                && self.commit(owner, &transaction)
            {
                self.metrics.deadlines.inc();
            }
        }
        Ok(())
    }

    /// Commits; tries again for as long as the log certainly wrote nothing. `false`: the partition is lost
    /// and its state dropped.
    fn commit(&mut self, owner: &mut dyn Owner, transaction: &Transaction) -> bool {
        let partition = transaction.partition;
        let mut said = false;
        loop {
            let started = Instant::now();
            match owner.commit(transaction) {
                Ok(()) => {
                    self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
                    self.count(transaction);
                    self.gauge(partition);
                    return true;
                }
                Err(CommitError::Refused(error)) if !self.stopping() => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!(partition, %error, "nothing was written; the transaction waits");
                    }
                    self.pause();
                }
                Err(error) => {
                    tracing::warn!(partition, %error, "dropped the partition's state; it is restored from the log when it is ours again");
                    self.metrics.lost.inc();
                    self.revoked(&[partition]);
                    return false;
                }
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

    fn gauge(&self, partition: Partition) {
        if let Some(state) = self.owned.get(&partition) {
            let label = PartitionLabel { partition };
            self.metrics.open_orders.get_or_create(&label).set(state.open_orders() as i64);
            self.metrics.parked_orders.get_or_create(&label).set(state.parked().count() as i64);
        }
    }

    fn patience(&self) -> Duration {
        let now = (self.clock)();
        let due = self.owned.values().filter_map(PartitionState::next_due).min();
        due.map_or(POLL, |at| Duration::from_millis((at - now).max(0) as u64).min(POLL))
    }

    fn pause(&self) {
        if !self.stopping() {
            std::thread::sleep(BACKOFF);
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
