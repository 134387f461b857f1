//! The engine: some workers, started and drained together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use atelier_domain::Policy;
use atelier_log::{Log, Partition};

use crate::checkpoint::{self, Checkpoints};
use crate::worker::{Fatal, Worker};
use crate::{Clock, Metrics, PolicyInForce, partition};

/// What an engine goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A stable name. A process that comes back under its name resumes at once; two processes must not share one.
    pub instance: Option<String>,
    /// Threads; each owns a share of the partitions.
    pub workers: u32,
    /// Most commands in one transaction.
    pub batch_max: usize,
    /// What decisions go by.
    pub policy: PolicyInForce,
    /// Scratch space for the index of ended orders.
    pub index_folder: PathBuf,
    /// Where checkpoints are kept, if they are.
    pub checkpoints: Option<Checkpoints>,
}

impl Settings {
    /// As many workers as a new log has partitions, batches of at most 1,000, no checkpoints.
    pub fn new(index_folder: PathBuf, policy: Policy) -> Self {
        Self { instance: None, workers: 4, batch_max: 1000, policy: PolicyInForce::new(policy), index_folder, checkpoints: None }
    }

    /// What a partition of `log` goes by now.
    pub fn partition(&self, log: &dyn Log, partition: Partition) -> partition::Settings {
        partition::Settings {
            partition,
            partitions: log.partitions(),
            policy: self.policy.current(),
            max_payload_bytes: log.max_payload_bytes(),
            index_folder: self.index_folder.clone(),
        }
    }
}

/// Starts engines.
pub struct Engine;

/// A running engine.
pub struct EngineHandle {
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Result<(), Fatal>>>,
    /// Makes checkpoints until the workers are gone.
    keeper: Option<JoinHandle<()>>,
}

/// Why an engine ended without being asked to.
#[derive(Debug, thiserror::Error)]
#[error("the engine ended: {0}")]
pub struct Failed(String);

impl Engine {
    /// Starts the workers. They wait for the log by themselves.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(log: Arc<dyn Log>, settings: &Settings, clock: Clock, metrics: Metrics) -> std::io::Result<EngineHandle> {
        let stopping = Arc::new(AtomicBool::new(false));
        let workers = settings.workers.clamp(1, log.partitions().max(1));
        let (wishes, keeper) = start_keeper(&log, settings, &stopping, &metrics)?.unzip();
        let mut threads = Vec::new();
        for worker in 0..workers {
            let worker_state = Worker::new(log.clone(), settings.clone(), worker, workers, clock.clone(), metrics.clone())
                .until(stopping.clone())
                .wishing(wishes.clone());
            let ended = EndsAll(stopping.clone());
            let thread = std::thread::Builder::new().name(format!("engine-{worker}")).spawn(move || {
                // One worker that ends, by an error or a panic, ends the engine: half an engine would
                // leave partitions without an owner while it keeps its place in the group.
                let _ended = ended;
                worker_state.run()
            })?;
            threads.push(thread);
        }
        Ok(EngineHandle { stopping, workers: threads, keeper })
    }
}

/// The thread that makes checkpoints, and the way to wish one: a place for each partition, never more.
fn start_keeper(
    log: &Arc<dyn Log>,
    settings: &Settings,
    stopping: &Arc<AtomicBool>,
    metrics: &Metrics,
) -> std::io::Result<Option<(SyncSender<Partition>, JoinHandle<()>)>> {
    let Some(Checkpoints { store, .. }) = settings.checkpoints.clone() else { return Ok(None) };
    let (wishes, wished) = mpsc::sync_channel(log.partitions() as usize);
    let (log, settings, stopping, metrics) = (log.clone(), settings.clone(), stopping.clone(), metrics.clone());
    let keeper = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(move || {
        let of = |partition| settings.partition(log.as_ref(), partition);
        checkpoint::keep(log.as_ref(), store.as_ref(), &wished, of, || stopping.load(Ordering::Relaxed), &metrics);
    })?;
    Ok(Some((wishes, keeper)))
}

struct EndsAll(Arc<AtomicBool>);

impl Drop for EndsAll {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl EngineHandle {
    /// Whether the workers are at work.
    pub fn is_running(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    /// Asks the workers to finish what they are at and leave.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Waits until all workers have left.
    ///
    /// # Errors
    /// [`Failed`] says why a worker ended by itself.
    pub fn join(self) -> Result<(), Failed> {
        let mut failed = None;
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(fatal)) => failed = failed.or(Some(Failed(fatal.to_string()))),
                Err(_) => failed = failed.or(Some(Failed("a worker panicked; see the log above".into()))),
            }
        }
        if let Some(keeper) = self.keeper
            && keeper.join().is_err()
        {
            tracing::error!("the thread that makes checkpoints panicked; the log has everything");
        }
        failed.map_or(Ok(()), Err)
    }
}
