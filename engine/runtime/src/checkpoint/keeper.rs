//! The thread on which an engine's checkpoints are made.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use atelier_log::{Log, Partition};

use super::{CheckpointStore, Made, make};
use crate::metrics::Metrics;
use crate::partition::Settings;

/// Makes a checkpoint of each partition that the workers wish one of, until none of them is left.
pub(crate) fn keep(
    log: &dyn Log,
    store: &dyn CheckpointStore,
    wishes: &Receiver<Partition>,
    settings: impl Fn(Partition) -> Settings,
    stopping: impl Fn() -> bool,
    metrics: &Metrics,
) {
    for partition in wishes {
        if stopping() {
            continue;
        }
        let started = Instant::now();
        match make(log, store, &settings(partition), &stopping) {
            Ok(Some(Made { name, events, orders, bytes })) => {
                metrics.checkpoints.inc();
                let took_ms = started.elapsed().as_millis() as u64;
                tracing::info!(partition, checkpoint = name, events, orders, bytes, took_ms, "checkpoint made");
            }
            Ok(None) => {}
            Err(_) if stopping() => {}
            Err(error) => tracing::warn!(partition, %error, "no checkpoint was made; the next restart reads more events"),
        }
    }
}
