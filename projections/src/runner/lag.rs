//! Measures how far each model is behind the log, once a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use atelier_log::{Error, Log};
use atelier_schemas::Topic;
use tokio::sync::watch;

use super::Positions;
use crate::{Metrics, Model};

const EVERY: Duration = Duration::from_secs(1);

/// The measuring thread; ends when this is dropped.
pub(super) struct LagWatch {
    _alive: Sender<()>,
}

impl LagWatch {
    /// The models' positions against the log's ends. Without a thread the lag stays unknown.
    pub(super) fn start(log: Arc<dyn Log>, models: Vec<(Model, watch::Receiver<Positions>)>, metrics: Metrics) -> Self {
        let (alive, over) = channel();
        let thread = std::thread::Builder::new().name("read-lag".into()).spawn(move || run(&*log, &models, &metrics, &over));
        if let Err(error) = thread {
            tracing::warn!(%error, "no thread to measure how far the read models are behind");
        }
        Self { _alive: alive }
    }
}

fn run(log: &dyn Log, models: &[(Model, watch::Receiver<Positions>)], metrics: &Metrics, over: &Receiver<()>) {
    loop {
        // Positions first, ends second: in one log no position is beyond an end that was read later.
        let positions: Vec<(Model, Option<Positions>)> = models.iter().map(|(model, progress)| (*model, published(progress))).collect();
        let mut ends: HashMap<Topic, Result<Positions, Error>> = HashMap::new();
        for (model, at) in positions {
            let topic = model.topic();
            let ends = ends.entry(topic).or_insert_with(|| (0..log.partitions()).map(|partition| log.end(topic, partition)).collect());
            match (at, ends) {
                (Some(at), Ok(ends)) => match behind(&at, ends) {
                    Some(records) => metrics.lag(model, records),
                    None => metrics.lag_is_unknown(model),
                },
                _ => metrics.lag_is_unknown(model),
            }
        }
        if over.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// `None` until the store has said where the model is, and once the model has ended.
fn published(progress: &watch::Receiver<Positions>) -> Option<Positions> {
    progress.has_changed().unwrap_or(false).then(|| progress.borrow().clone())
}

/// `None` when the positions are of another, longer log.
fn behind(at: &[u64], ends: &[u64]) -> Option<u64> {
    at.iter().zip(ends).map(|(at, end)| end.checked_sub(*at)).sum()
}
