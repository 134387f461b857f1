//! The pricing worker: takes jobs from the log, measures, prices, answers through commands.
//!
//! The way of one job:
//! 1. `intake`: a thread of its own follows `pricing.jobs` as a member of the group `pricing`. A job is
//!    a hint: nothing is owned yet.
//! 2. `job`: the worker asks for the attempt with `AcceptPricing`. Accepted: it holds a lease. Refused:
//!    somebody else has it, or it is old; the job is skipped. Where it is old only because nobody took it in
//!    time, the engine names the attempt that is free for the same work, and the worker takes that one: behind a
//!    queue longer than a dispatch waits, no job would come to its turn in time, and each would be sent again.
//! 3. Once that is decided the job's offset may be committed; `claims` commits in order. From here on
//!    the engine's lease keeps the job, not the topic: a worker that dies lets it expire, and the engine
//!    sends the next attempt.
//! 4. `HeartbeatPricing` extends the lease while `measuring` runs on a thread for blocking work. A refused
//!    heartbeat means the lease is lost: the job is dropped.
//! 5. `CompletePricing` or `FailPricing` ends it. A late answer is refused by the engine, and counted.
//!
//! Every command has an id that follows from the order, attempt, worker and step, so a retry is the same
//! command. Limits: `capacity` jobs have a slot at a time, from the question for the attempt to the last answer; another
//! `backlog` read ahead; then the intake pauses and the jobs wait in the log. A job whose question is not answered for
//! `command_wait` lets its slot go and waits without, and takes one again when it has something to measure: a
//! partition without an engine would otherwise hold every slot and stop pricing for all others. So many jobs wait
//! without a slot at most as may be read ahead.

mod ask;
mod claims;
mod intake;
mod job;
mod measuring;
mod metrics;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use atelier_blobs::Blobs;
use atelier_log::client::Client;
use atelier_schemas::TimeMs;
use tokio::sync::{Semaphore, watch};

use crate::book::PriceBook;

pub use ask::command;
pub use claims::{Claims, Fate};
pub use metrics::Metrics;

/// Tells the time. A parameter, so that tests can turn it.
pub type Clock = Arc<dyn Fn() -> TimeMs + Send + Sync>;

/// The most jobs one worker takes at a time: each may hold some 250 MB while it measures.
const MAX_CAPACITY: usize = 256;

/// How a worker behaves.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Unique among all workers: the lease is given to this name. A worker that comes back under its
    /// name takes up what it had accepted; but for an attempt that it took instead of its job's, when it died before that
    /// job's offset was committed. That lease runs out.
    pub name: String,
    /// Jobs at a time, 1 to 256.
    pub capacity: usize,
    /// Jobs read ahead while every slot is taken; at it the intake pauses. As many may wait for an answer without a slot. They lie in partitions that are this
    /// worker's in any case; one that waits too long is dispatched to another partition by the engine.
    pub backlog: usize,
    /// Between two heartbeats; well below the engine's lease.
    pub heartbeat: Duration,
    /// How long one answer of the engine is waited for before the command is sent again, and the job's slot let go.
    pub command_wait: Duration,
    /// How long a result is offered to an engine that does not answer, and the object store asked for a
    /// model while it is not reachable. Then the job is left to its lease.
    pub patience: Duration,
    /// For demonstrations and tests: pretend the measuring takes so much longer.
    pub slowdown: Option<Duration>,
    /// What the worker counts.
    pub metrics: Metrics,
}

impl WorkerConfig {
    /// A worker for one job per processor, with heartbeats every 8 s.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            capacity: std::thread::available_parallelism().map_or(1, usize::from).min(MAX_CAPACITY),
            backlog: 256,
            heartbeat: Duration::from_secs(8),
            command_wait: Duration::from_secs(5),
            patience: Duration::from_secs(600),
            slowdown: None,
            metrics: Metrics::default(),
        }
    }

    /// Most jobs under way, with a slot and without.
    fn places(&self) -> usize {
        self.capacity + self.backlog
    }

    fn validate(&self) -> Result<(), Error> {
        let name_ok = !self.name.is_empty() && self.name.len() <= 100 && !self.name.chars().any(char::is_control);
        if !name_ok {
            return Err(Error::Config { field: "name", problem: "must be 1 to 100 characters, unique among all workers".to_owned() });
        }
        if !(1..=MAX_CAPACITY).contains(&self.capacity) {
            let problem = format!("is {}; it must be between 1 and {MAX_CAPACITY}", self.capacity);
            return Err(Error::Config { field: "capacity", problem });
        }
        for (field, value) in [("heartbeat", self.heartbeat), ("command_wait", self.command_wait)] {
            if value.is_zero() {
                return Err(Error::Config { field, problem: "must be longer than nothing".to_owned() });
            }
        }
        Ok(())
    }
}

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work.
    #[error("pricing worker, {field}: {problem}")]
    Config {
        /// The field of [`WorkerConfig`].
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The system gives no thread.
    #[error("no thread for the pricing worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts workers.
#[derive(Debug)]
pub struct Worker;

impl Worker {
    /// Starts a worker; call it inside a tokio runtime, which runs its jobs. A log that cannot be reached
    /// is tried again until it can.
    ///
    /// # Errors
    /// [`Error`]: a wrong setting, or no thread.
    pub fn start(config: WorkerConfig, client: Client, blobs: Blobs, book: Arc<PriceBook>, clock: Clock) -> Result<WorkerHandle, Error> {
        Self::start_with(config, client, blobs, clock, measuring::by_the_book(book))
    }

    fn start_with(
        config: WorkerConfig,
        client: Client,
        blobs: Blobs,
        clock: Clock,
        measuring: measuring::Measuring,
    ) -> Result<WorkerHandle, Error> {
        config.validate()?;
        let (draining, watched) = watch::channel(false);
        let shared = Arc::new(Shared {
            slots: Arc::new(Semaphore::new(config.capacity)),
            places: Arc::new(Semaphore::new(config.places())),
            config,
            client,
            blobs,
            clock,
            measuring,
            draining: watched,
            runtime: tokio::runtime::Handle::current(),
        });
        let intake = std::thread::Builder::new().name("pricing-intake".into()).spawn({
            let shared = shared.clone();
            move || intake::run(&shared)
        })?;
        Ok(WorkerHandle { shared, draining, intake: Some(intake) })
    }
}

/// What the intake and the jobs share.
struct Shared {
    config: WorkerConfig,
    client: Client,
    blobs: Blobs,
    clock: Clock,
    measuring: measuring::Measuring,
    /// One permit per job that may ask and measure.
    slots: Arc<Semaphore>,
    /// One per job that may be under way, also those that wait for an answer without a slot.
    places: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
    runtime: tokio::runtime::Handle,
}

impl Shared {
    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Resolves once the worker drains, also when its handle is gone.
    async fn drained(&self) {
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}

/// A running worker. Dropping it stops the intake; what runs goes on until the runtime ends.
pub struct WorkerHandle {
    shared: Arc<Shared>,
    draining: watch::Sender<bool>,
    intake: Option<JoinHandle<()>>,
}

impl WorkerHandle {
    /// Jobs that have a slot.
    pub fn running(&self) -> usize {
        self.shared.config.capacity - self.shared.slots.available_permits().min(self.shared.config.capacity)
    }

    /// Takes no more jobs, finishes those whose attempt was granted, then ends. Jobs that nobody has
    /// answered yet stay in the log for other workers. Takes as long as the longest job.
    pub async fn drain(mut self) {
        self.draining.send_replace(true);
        if let Some(intake) = self.intake.take() {
            let _ = tokio::task::spawn_blocking(move || intake.join()).await;
        }
        let all = u32::try_from(self.shared.config.places()).unwrap_or(u32::MAX);
        let _ = self.shared.places.acquire_many(all).await;
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.draining.send_replace(true);
    }
}

#[cfg(test)]
mod tests;
