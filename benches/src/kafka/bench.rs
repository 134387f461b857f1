//! A broker and the engine on it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atelier_domain::Policy;
use atelier_log::kafka::{Config, Kafka};
use atelier_log::{Log, Partition};
use atelier_runtime::{Clock, Engine, EngineHandle, EngineSettings, Metrics};
use prometheus_client::registry::Registry;

use super::watched::{Watched, Window};
use crate::harness::Outcome;

/// Of every log of the Kafka cases, ours and bare.
pub(crate) const PARTITIONS: u32 = 4;
/// Threads that own them, ours and bare.
pub(crate) const WORKERS: u32 = 4;
const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// A broker of one's own. Its logs are told apart by their prefixes.
pub(crate) struct Bench {
    kafka: atelier_support::Kafka,
    logs: AtomicU32,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self { kafka: atelier_support::Kafka::measured(), logs: AtomicU32::new(0) }
    }

    pub(crate) fn brokers(&self) -> String {
        self.kafka.bootstrap()
    }

    /// A new, empty log and its prefix.
    pub(crate) fn log(&self, partitions: u32) -> Outcome<(String, Kafka)> {
        let prefix = format!("log{}.", self.logs.fetch_add(1, Ordering::Relaxed));
        let config = Config { brokers: self.brokers(), prefix: prefix.clone(), partitions, ..Config::default() };
        Ok((prefix, Kafka::connect(config)?))
    }
}

/// Starts an engine on the log and waits until each worker has its share of the partitions.
pub(crate) fn engine(log: Kafka, window: &Arc<Window>, folder: &std::path::Path) -> Outcome<(EngineHandle, Arc<Watched>)> {
    let owned = Arc::new(Mutex::new(vec![BTreeSet::<Partition>::new(); WORKERS as usize]));
    let log = Arc::new(Watched { log, window: window.clone(), owned: owned.clone() });
    let settings = EngineSettings { workers: WORKERS, ..EngineSettings::new(folder.to_owned(), Policy::default()) };
    let clock: Clock = Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64));
    let handle = Engine::start(log.clone(), &settings, clock, Metrics::register(&mut Registry::default()))?;
    let share = (log.partitions() / WORKERS) as usize;
    let started = std::time::Instant::now();
    while owned.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|partitions| partitions.len() != share) {
        if started.elapsed() > SETTLE_WITHIN || !handle.is_running() {
            return Err("the engine's workers did not get their partitions within a minute".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((handle, log))
}
