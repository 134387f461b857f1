//! One worker: a thread that owns some partitions and does everything for them, one thing at a time.
//!
//! Batches form by themselves: what arrives while a transaction is under way is the next batch.
//!
//! The work is a row of turns ([`Worker::turn`]). A turn never sleeps: where the log refuses something the turn
//! ends, what was to be done is kept, and the next turn begins with it. So the thread is a short loop, and
//! simulation takes the turns itself. A turn is made of steps ([`Worker::step`]), each with one effect, so that
//! a search can let anything happen between any two of them.

mod steps;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use atelier_log::{CommandRecord, Error as LogError, Log, Membership, Owner, Partition, Polled, Transaction};
use atelier_schemas::TimeMs;

use crate::engine::Settings as EngineSettings;
use crate::metrics::Metrics;
use crate::partition::PartitionState;
use crate::{Clock, restore};

/// The consumer group of the engines.
pub const GROUP: &str = "engine";
/// Longest wait for commands; bounds how late a deadline or a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Between tries of what the log refused.
const BACKOFF: Duration = Duration::from_millis(300);

/// Why a worker ended for good.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Another process took this instance's name, or the log is not the one it should be.
    #[error(transparent)]
    Log(LogError),
    /// The index of ended orders does not work.
    #[error("{0}")]
    Restore(restore::Error),
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a worker whose log refuses needs a pause"]
pub enum Turn {
    /// All there was to do is done.
    Done,
    /// The log cannot be reached or took nothing. Pause, then take the next turn: it begins where this one ended.
    Refused,
}

/// Why a turn ends early.
enum Stop {
    Refused,
    Fatal(Fatal),
}

/// A transaction the log has not taken yet, and how many commands it decides.
struct Unwritten {
    transaction: Transaction,
    commands: u64,
}

/// Deadlines of a partition that have passed. A heartbeat that came in time may lie among the commands that are not read
/// yet: nothing is missed before they are decided.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// When it was noticed; what passes later is noticed anew.
    noticed: TimeMs,
    /// Where the commands ended then.
    end: u64,
}

/// One worker. Dropping it gives its partitions back; what was not committed is decided again by their next owner.
pub struct Worker {
    log: Arc<dyn Log>,
    membership: Membership,
    settings: EngineSettings,
    clock: Clock,
    metrics: Metrics,
    stopping: Arc<AtomicBool>,
    owner: Option<Box<dyn Owner>>,
    owned: BTreeMap<Partition, PartitionState>,
    /// Assigned, and not restored yet; or to be restored again.
    assigned: Vec<Partition>,
    /// Restored again for this command, the first one that is not decided.
    again_for: BTreeMap<Partition, u64>,
    /// Taken from the log by one poll, and not decided yet; nothing is polled before that.
    taken: BTreeMap<Partition, Vec<CommandRecord>>,
    /// Polled since deadlines were last looked at.
    polled: bool,
    /// Where deadlines have passed and are not decided yet.
    due: BTreeMap<Partition, Due>,
    unwritten: Option<Unwritten>,
    /// Whom to tell that a partition has many events that no checkpoint covers.
    wishes: Option<SyncSender<Partition>>,
    /// By partition, about so many.
    uncovered: BTreeMap<Partition, u64>,
    /// The refusal was said; it is said once.
    said: bool,
}

impl Worker {
    /// A worker of `settings.instance`, the `worker`th of `workers`, which share the partitions. It joins the owners
    /// with its first turn.
    pub fn new(log: Arc<dyn Log>, settings: EngineSettings, worker: u32, workers: u32, clock: Clock, metrics: Metrics) -> Self {
        let membership = Membership { group: GROUP.into(), instance: settings.instance.clone(), worker, workers };
        Self {
            log,
            membership,
            settings,
            clock,
            metrics,
            stopping: Arc::default(),
            owner: None,
            owned: BTreeMap::new(),
            assigned: Vec::new(),
            again_for: BTreeMap::new(),
            taken: BTreeMap::new(),
            polled: false,
            due: BTreeMap::new(),
            unwritten: None,
            wishes: None,
            uncovered: BTreeMap::new(),
            said: false,
        }
    }

    /// The same worker, which tells `wishes` when a partition should get a checkpoint. It never waits for that: where
    /// there is no room the wish is made again later.
    pub(crate) fn wishing(self, wishes: Option<SyncSender<Partition>>) -> Self {
        Self { wishes, ..self }
    }

    /// The same worker, which leaves its loop and breaks off restoring once `stopping` is true.
    pub(crate) fn until(self, stopping: Arc<AtomicBool>) -> Self {
        Self { stopping, ..self }
    }

    /// Works until told to stop, or until another process has taken its name.
    pub(crate) fn run(mut self) -> Result<(), Fatal> {
        while !self.stopping() {
            match self.turn(POLL)? {
                Turn::Done => {}
                Turn::Refused if self.stopping() => {}
                Turn::Refused => std::thread::sleep(BACKOFF),
            }
        }
        if let Some(Unwritten { transaction, commands }) = &self.unwritten {
            tracing::warn!(transaction.partition, commands, "ends with a transaction the log did not take; it is decided again");
        }
        Ok(())
    }

    /// One turn: finishes what the last one left, waits at most `longest` for commands or a change of ownership,
    /// decides and commits what came, then what is due, once the commands that were there by then are decided. Waits
    /// less where a deadline is sooner.
    ///
    /// # Errors
    /// [`Fatal`]: drop the worker.
    pub fn turn(&mut self, longest: Duration) -> Result<Turn, Fatal> {
        let ended = self.try_turn(longest);
        self.ended(ended)
    }

    /// One step of a turn, without waiting: one partition is restored, one batch or what is due is decided, one
    /// transaction is committed, or, when nothing was begun, the log is polled.
    ///
    /// # Errors
    /// [`Fatal`]: drop the worker.
    pub fn step(&mut self) -> Result<Turn, Fatal> {
        let ended = match self.go_on() {
            Ok(false) => self.poll(Duration::ZERO),
            went_on => went_on.map(drop),
        };
        self.ended(ended)
    }

    fn ended(&mut self, ended: Result<(), Stop>) -> Result<Turn, Fatal> {
        match ended {
            Ok(()) => {
                self.said = false;
                Ok(Turn::Done)
            }
            Err(Stop::Refused) => Ok(Turn::Refused),
            Err(Stop::Fatal(fatal)) => Err(fatal),
        }
    }

    /// The state of a partition while it is owned and restored.
    pub fn partition(&self, partition: Partition) -> Option<&PartitionState> {
        self.owned.get(&partition)
    }

    fn try_turn(&mut self, longest: Duration) -> Result<(), Stop> {
        while self.go_on()? {}
        self.poll(longest)?;
        while self.go_on()? {}
        Ok(())
    }

    fn poll(&mut self, longest: Duration) -> Result<(), Stop> {
        let policy = self.settings.policy.current();
        self.owned.values_mut().for_each(|state| state.follow(&policy));
        let patience = self.patience(longest);
        let max = self.settings.batch_max;
        let polled = self.owner().and_then(|owner| owner.poll(max, patience)).map_err(|error| self.refused(error))?;
        match polled {
            Polled::Assigned(partitions) => self.assigned = partitions,
            Polled::Revoked(partitions) => self.revoked(&partitions),
            Polled::Commands(commands) => self.taken = by_partition(commands),
            Polled::Idle => {}
        }
        self.polled = true;
        Ok(())
    }

    /// The next of what was begun. `false`: nothing is left; nothing is polled before that.
    fn go_on(&mut self) -> Result<bool, Stop> {
        if let Some(unwritten) = self.unwritten.take() {
            self.commit(unwritten)?;
        } else if let Some(partition) = self.assigned.first().copied() {
            self.restore(partition)?;
            if self.stopping() {
                return Ok(false);
            }
            self.assigned.remove(0);
        } else if let Some((partition, commands)) = self.taken.pop_first() {
            self.commands(partition, commands)?;
        } else {
            if std::mem::take(&mut self.polled) {
                self.note_due()?;
            }
            let Some((partition, noticed)) = self.caught_up() else { return Ok(false) };
            self.due.remove(&partition);
            self.deadlines(partition, noticed)?;
        }
        Ok(true)
    }

    fn owner(&mut self) -> Result<&mut dyn Owner, LogError> {
        let owner = match &mut self.owner {
            Some(owner) => owner,
            none => none.insert(self.log.own(self.membership.clone())?),
        };
        Ok(owner.as_mut())
    }

    fn patience(&self, longest: Duration) -> Duration {
        let now = (self.clock)();
        // What waits for commands ends the wait with their arrival.
        let ahead = self.owned.iter().filter(|(partition, _)| !self.due.contains_key(partition));
        let due = ahead.filter_map(|(_, state)| state.next_due()).min();
        due.map_or(longest, |at| Duration::from_millis((at - now).max(0) as u64).min(longest))
    }

    /// What the log's error means for the turn.
    fn refused(&mut self, error: LogError) -> Stop {
        if matches!(error, LogError::InUse(_) | LogError::Mismatch(_)) {
            return Stop::Fatal(Fatal::Log(error));
        }
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!(%error, "the engine waits for its log");
        }
        Stop::Refused
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

fn by_partition(commands: Vec<CommandRecord>) -> BTreeMap<Partition, Vec<CommandRecord>> {
    let mut sorted: BTreeMap<Partition, Vec<CommandRecord>> = BTreeMap::new();
    for command in commands {
        sorted.entry(command.partition).or_default().push(command);
    }
    sorted
}

/// Where it stands: what it owns, and what it has begun.
impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken: Vec<_> = self.taken.values().flatten().map(|record| (record.partition, record.offset)).collect();
        let unwritten = self.unwritten.as_ref().map(|Unwritten { transaction, .. }| {
            (
                transaction.partition,
                transaction.next_command,
                transaction.records.iter().map(|(.., record)| record.kind).collect::<Vec<_>>(),
            )
        });
        f.debug_struct("Worker")
            .field("joined", &self.owner.is_some())
            .field("owned", &self.owned)
            .field("assigned", &self.assigned)
            .field("taken", &taken)
            .field("polled", &self.polled)
            .field("due", &self.due)
            .field("unwritten", &unwritten)
            .finish_non_exhaustive()
    }
}
