//! Engines: the product's workers, their turns taken one at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atelier_log::Log;
use atelier_log::memory::Memory;
use atelier_runtime::checkpoint::{self, Checkpoints, InMemory};
use atelier_runtime::{Clock, EngineSettings, Fatal, Metrics, PartitionState, PolicyInForce, Turn, Worker};
use atelier_schemas::TimeMs;
use fastrand::Rng;
use prometheus_client::registry::Registry;

use crate::failure::Failure;
use crate::plan::Plan;
use crate::trace::Trace;

/// Names of the engines there can be.
const NAMES: [&str; 2] = ["a", "b"];

/// A process: its workers, and those of its former life under the same name that have not noticed yet.
#[derive(Default)]
struct Process {
    workers: Vec<Worker>,
    former: Vec<Worker>,
}

/// All engines of a run.
pub(crate) struct Engines {
    processes: [Process; NAMES.len()],
    log: Memory,
    settings: EngineSettings,
    clock: Clock,
    store: InMemory,
    metrics: Metrics,
}

impl Engines {
    pub(crate) fn new(plan: &Plan, log: Memory, clock: Arc<AtomicI64>, policy: PolicyInForce, folder: &Path) -> Self {
        let store = InMemory::default();
        let settings = EngineSettings {
            instance: None,
            workers: plan.engine_workers,
            batch_max: plan.batch_max,
            policy,
            index_folder: folder.to_owned(),
            checkpoints: Some(Checkpoints { store: Arc::new(store.clone()), every_events: u64::MAX }),
        };
        let clock: Clock = Arc::new(move || clock.load(Ordering::SeqCst));
        Self { processes: Default::default(), log, settings, clock, store, metrics: Metrics::register(&mut Registry::default()) }
    }

    /// A checkpoint of a partition is made, whoever owns it.
    pub(crate) fn checkpoint(&self, partition: u32, now: TimeMs, trace: &mut Trace) -> Result<(), Failure> {
        let settings = self.settings.partition(&self.log, partition);
        let made = checkpoint::make(&self.log, &self.store, &settings, || false)
            .map_err(|error| Failure::new("checkpoints can be made", error.to_string()))?;
        if let Some(made) = made {
            let (_, offsets) = made.name.rsplit_once('/').unwrap_or_default();
            let (events, orders) = (made.events, made.orders);
            trace.line(
                now,
                "keeper",
                format_args!("checkpoint {offsets} of partition {partition}, {events} events later, {orders} orders"),
            );
        }
        Ok(())
    }

    /// Something happens to an object of a checkpoint, one of the newest with the better chances.
    pub(crate) fn break_checkpoint(&self, pick: u64, now: TimeMs, trace: &mut Trace) {
        let mut rng = Rng::with_seed(pick);
        let mut objects = self.store.objects();
        let names: Vec<String> = objects.keys().cloned().collect();
        let Some(name) = names.get(rng.usize(0..names.len().max(1))) else { return };
        let Some(bytes) = objects.get_mut(name) else { return };
        let what = match rng.u8(0..4) {
            0 => {
                bytes.truncate(rng.usize(0..bytes.len().max(1)));
                "cut off"
            }
            1 if !bytes.is_empty() => {
                let at = rng.usize(0..bytes.len());
                bytes[at] ^= 1 << rng.u8(0..8);
                "one bit turned"
            }
            2 => {
                let other = objects.values().nth(rng.usize(0..names.len())).cloned();
                objects.insert(name.clone(), other.unwrap_or_default());
                "another's bytes"
            }
            _ => {
                objects.remove(name);
                "gone"
            }
        };
        let (_, name) = name.rsplit_once('/').unwrap_or_default();
        trace.line(now, "fault", format_args!("checkpoint object {name}: {what}"));
    }

    /// Starts a process; one that runs becomes a former life of it.
    pub(crate) fn start(&mut self, engine: usize, now: TimeMs, trace: &mut Trace) {
        let engine = engine % NAMES.len();
        let settings = EngineSettings { instance: Some(NAMES[engine].to_owned()), ..self.settings.clone() };
        let count = settings.workers;
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let worker = |worker| Worker::new(log.clone(), settings.clone(), worker, count, self.clock.clone(), self.metrics.clone());
        let workers = (0..count).map(worker).collect();
        let process = &mut self.processes[engine];
        process.former.append(&mut process.workers);
        process.workers = workers;
        trace.line(now, &format!("engine {}", NAMES[engine]), format_args!("starts, {} former workers", process.former.len()));
    }

    /// A process is gone, with its former lives.
    pub(crate) fn crash(&mut self, engine: usize, now: TimeMs, trace: &mut Trace) {
        let process = &mut self.processes[engine % NAMES.len()];
        if !process.workers.is_empty() {
            trace.line(now, &format!("engine {}", NAMES[engine % NAMES.len()]), format_args!("is gone"));
        }
        *process = Process::default();
    }

    /// Each worker of the process takes a turn, former ones first. `true`: one of them was refused by the log.
    pub(crate) fn turn(&mut self, engine: usize, now: TimeMs, trace: &mut Trace) -> bool {
        let engine = engine % NAMES.len();
        let Process { workers, former } = &mut self.processes[engine];
        let mut refused = false;
        let mut keep = |who: &str, worker: &mut Worker| match worker.turn(Duration::ZERO) {
            Ok(Turn::Done) => true,
            Ok(Turn::Refused) => {
                trace.line(now, &format!("engine {}", NAMES[engine]), format_args!("{who} is refused by the log and waits"));
                refused = true;
                true
            }
            Err(fatal) => {
                let why = match fatal {
                    Fatal::Log(error) => error.to_string(),
                    Fatal::Restore(error) => error.to_string(),
                };
                trace.line(now, &format!("engine {}", NAMES[engine]), format_args!("{who} ends: {why}"));
                false
            }
        };
        former.retain_mut(|worker| keep("a former worker", worker));
        workers.retain_mut(|worker| keep("a worker", worker));
        refused
    }

    /// Whether any engine has all its workers.
    pub(crate) fn running(&self) -> bool {
        self.processes.iter().any(|process| process.workers.len() == self.settings.workers as usize)
    }

    /// How many engines there can be.
    pub(crate) const fn count() -> usize {
        NAMES.len()
    }

    /// The states that engines believe to own of a partition. Where nothing is stale, one.
    pub(crate) fn partition(&self, partition: u32) -> Vec<&PartitionState> {
        self.processes.iter().flat_map(|process| &process.workers).filter_map(|worker| worker.partition(partition)).collect()
    }

    /// What decisions go by.
    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}
