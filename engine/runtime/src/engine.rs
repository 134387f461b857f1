//! The engine: some workers, started and drained together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use atelier_domain::Policy;
use atelier_log::Log;

use crate::worker::{Fatal, Worker};
use crate::{Clock, Metrics, PolicyInForce};

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
}

impl Settings {
    /// As many workers as a new log has partitions, batches of at most 1,000.
    pub fn new(index_folder: PathBuf, policy: Policy) -> Self {
        Self { instance: None, workers: 4, batch_max: 1000, policy: PolicyInForce::new(policy), index_folder }
    }
}

/// Starts engines.
pub struct Engine;

/// A running engine.
pub struct EngineHandle {
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Result<(), Fatal>>>,
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
        let mut threads = Vec::new();
        for worker in 0..workers {
            let worker_state =
                Worker::new(log.clone(), settings.clone(), worker, workers, clock.clone(), metrics.clone()).until(stopping.clone());
            let ended = EndsAll(stopping.clone());
            let thread = std::thread::Builder::new().name(format!("engine-{worker}")).spawn(move || {
                // One worker that ends, by an error or a panic, ends the engine: half an engine would
                // leave partitions without an owner while it keeps its place in the group.
                let _ended = ended;
                worker_state.run()
            })?;
            threads.push(thread);
        }
        Ok(EngineHandle { stopping, workers: threads })
    }
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
        failed.map_or(Ok(()), Err)
    }
}
