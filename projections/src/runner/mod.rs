//! Feeds the read models from the log.
//!
//! The way of a batch: a thread of its own reads and decodes ([`source`]); the model's task gathers what
//! has arrived ([`session`]) and commits it with the new offsets in one transaction ([`commit`]). For
//! models of orders, [`events`] works out the rows: one write per order touched, however many of its
//! events are in the batch.
//!
//! Several processes may run the same models. The offsets are moved by `UPDATE … WHERE next = <what I
//! believe>`, so of two that apply the same records one commits, and the other notices and waits in
//! its lee.
//!
//! A record that cannot be understood, or that leaves a gap in its order's versions, parks its order for
//! this model: noted in `parked`, logged, counted; the order's later records are counted and passed
//! over; everybody else's go on. It is tried again ([`again`]) when the model starts, and when an event says
//! which of its records do not count; after pauses, while another process is faster.
//!
//! Limits, per model: 9,000 records in a transaction, nine chunks of 1,000 read ahead, 16,384 rows
//! remembered. At the limit reading waits; the log keeps what is not read.

mod again;
mod batch;
mod cache;
mod commit;
mod events;
mod feed;
mod lag;
mod parking;
mod session;
mod source;

use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Partition};
use atelier_schemas::Topic;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::crm::Crm;
use crate::feed::Changes;
use crate::gaps::{Gaps, Keep, keep_counting, take_away_old_ones};
use crate::outcomes::Outcomes;
use crate::partner::Partner;
use crate::queue::Queue;
use crate::shop::Shop;
use crate::{Metrics, Model, Store};
use lag::LagWatch;
use session::Session;

pub(crate) use commit::{Applied, ReadModel};
pub(crate) use events::{EventModel, Events, New, Place};
pub use feed::{Fed, Feed};
pub(crate) use parking::park;
pub(crate) use source::Decoded;

/// The next offset a model waits for, by partition.
pub(crate) type Positions = Vec<u64>;

/// Pauses between attempts of something that is away.
struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self::between(Duration::from_millis(50), Duration::from_secs(2))
    }

    /// The first pause and the longest; each is twice the one before.
    fn between(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    fn pause(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        now
    }
}

/// Starts read models; see [`Runner::start`].
pub struct Runner;

impl Runner {
    /// Starts a task for each of `models` that follows the log from where the store says. It goes on
    /// until [`RunnerHandle::drain`], or until the handle is dropped; a log or store that goes away is
    /// waited for. Closed gaps are kept for ever. Needs a tokio runtime.
    pub fn start(store: Store, log: Arc<dyn Log>, models: &[Model], metrics: Metrics) -> RunnerHandle {
        Self::keeping(store, log, models, metrics, Arc::new(|| None))
    }

    /// The same; closed gaps go when they are older than `keep` says.
    pub fn keeping(store: Store, log: Arc<dyn Log>, models: &[Model], metrics: Metrics, keep: Keep) -> RunnerHandle {
        let (stop, _) = watch::channel(false);
        let mut running = Vec::with_capacity(models.len());
        for model in models.iter().copied() {
            let (progress, seen) = watch::channel(vec![0; log.partitions() as usize]);
            metrics.lag_is_unknown(model);
            let session = Session { store: store.clone(), log: log.clone(), metrics: metrics.clone(), stop: stop.subscribe(), progress };
            let task = match model {
                Model::Shop => tokio::spawn(session.run(Events::<Shop>::default())),
                Model::Queue => tokio::spawn(session.run(Events::<Queue>::default())),
                Model::Crm => tokio::spawn(session.run(Events::<Crm>::default())),
                Model::Partner => tokio::spawn(session.run(Events::<Partner>::default())),
                Model::Feed => tokio::spawn(session.run(Events::<Changes>::default())),
                Model::Gaps => tokio::spawn(session.run(Events::<Gaps>::default())),
                Model::Outcomes => tokio::spawn(session.run(Outcomes::default())),
            };
            running.push(Running { model, progress: seen, task });
        }
        // Only a runner of all models can promise to tell of every change.
        let all = Model::ALL.iter().all(|model| models.contains(model));
        if all {
            store.told(true);
        }
        if models.contains(&Model::Gaps) {
            tokio::spawn(keep_counting(store.clone(), log.clone(), metrics.clone(), stop.subscribe()));
            tokio::spawn(take_away_old_ones(store.clone(), keep, stop.subscribe()));
        }
        let watched = running.iter().map(|running| (running.model, running.progress.clone())).collect();
        let lag = LagWatch::start(log, watched, metrics);
        RunnerHandle { stop, running, store, told: all, _lag: lag }
    }
}

struct Running {
    model: Model,
    progress: watch::Receiver<Positions>,
    task: JoinHandle<()>,
}

/// Read models at work. Dropping it stops them without waiting.
pub struct RunnerHandle {
    stop: watch::Sender<bool>,
    running: Vec<Running>,
    store: Store,
    told: bool,
    _lag: LagWatch,
}

impl RunnerHandle {
    /// Lets every model finish the transaction it is in, and ends. What is not applied stays in the log.
    pub async fn drain(mut self) {
        self.stop.send_replace(true);
        for running in self.running.drain(..) {
            if let Err(error) = running.task.await {
                tracing::error!(model = running.model.as_str(), %error, "a read model ended by a defect");
            }
        }
    }

    /// Waits until every model made from `topic` has applied everything below `ends` (see
    /// [`Log::end`]). Waits for ever when the log or the store stays away: give it a time limit.
    pub async fn caught_up(&self, topic: Topic, ends: &[(Partition, u64)]) {
        for running in self.running.iter().filter(|running| running.model.topic() == topic) {
            let mut progress = running.progress.clone();
            let there =
                |positions: &Positions| ends.iter().all(|(partition, end)| positions.get(*partition as usize).is_some_and(|at| at >= end));
            // An error says that the model has ended; there is nothing to wait for.
            let _ = progress.wait_for(there).await;
        }
    }
}

impl Drop for RunnerHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if self.told {
            self.store.told(false);
        }
    }
}
