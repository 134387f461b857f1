//! Reads and decodes a topic on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atelier_log::{Log, Partition, Reader, Record};
use atelier_schemas::{Framed, TimeMs};
use tokio::sync::mpsc;

use super::{Backoff, Positions};
use crate::{Error, Model};

/// Records taken from the log at once.
const CHUNK: usize = 1000;
/// Chunks read ahead of the database.
const AHEAD: usize = 8;
/// How long the log may be silent before the thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// A record, and what it says or why that is not to be understood.
pub(crate) struct Decoded<T> {
    pub(crate) partition: Partition,
    pub(crate) offset: u64,
    /// When the log took it.
    pub(crate) time: TimeMs,
    pub(crate) key: String,
    pub(crate) body: Result<T, String>,
}

/// What was read, and up to where.
pub(super) struct Chunk<T> {
    pub(super) records: Vec<Decoded<T>>,
    pub(super) next: Positions,
}

/// The reading thread; ends soon after this is dropped.
pub(super) struct Source<T> {
    pub(super) chunks: mpsc::Receiver<Chunk<T>>,
    stopping: Arc<AtomicBool>,
}

impl<T: Framed + Send + 'static> Source<T> {
    /// Reads the model's topic from `from`.
    pub(super) fn start(log: Arc<dyn Log>, model: Model, from: Positions) -> std::io::Result<Self> {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = Thread { log, model, stopping: stopping.clone(), sender };
        std::thread::Builder::new().name(format!("read-{model}")).spawn(move || thread.run(from))?;
        Ok(Self { chunks, stopping })
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

struct Thread<T> {
    log: Arc<dyn Log>,
    model: Model,
    stopping: Arc<AtomicBool>,
    sender: mpsc::Sender<Chunk<T>>,
}

impl<T: Framed> Thread<T> {
    fn run(self, from: Positions) {
        let mut backoff = Backoff::new();
        let mut away = false;
        let mut reader = loop {
            match self.open(&from) {
                Ok(reader) => break reader,
                Err(error) => {
                    self.complain(&mut away, &error.to_string());
                    std::thread::sleep(backoff.pause());
                }
            }
            if self.is_over() {
                return;
            }
        };
        let mut last = from;
        while !self.is_over() {
            let records = match reader.poll(CHUNK, POLL) {
                Ok(records) => records,
                Err(error) => {
                    self.complain(&mut away, &error.to_string());
                    std::thread::sleep(backoff.pause());
                    continue;
                }
            };
            if std::mem::take(&mut away) {
                tracing::info!(model = self.model.as_str(), "the log is back");
                backoff = Backoff::new();
            }
            let next: Positions = (0..self.log.partitions()).map(|partition| reader.position(partition)).collect();
            if records.is_empty() && next == last {
                continue;
            }
            last.clone_from(&next);
            let records = records.into_iter().map(decoded).collect();
            if self.sender.blocking_send(Chunk { records, next }).is_err() {
                return;
            }
        }
    }

    fn open(&self, from: &[u64]) -> Result<Box<dyn Reader>, Error> {
        let topic = self.model.topic();
        let away = |error: atelier_log::Error| Error::Unavailable(error.to_string());
        let from: Vec<(Partition, u64)> = (0..).zip(from.iter().copied()).collect();
        for (partition, stored) in from.iter().copied() {
            let end = self.log.end(topic, partition).map_err(away)?;
            if stored > end {
                return Err(Error::AheadOfLog { model: self.model, partition, stored, end });
            }
        }
        self.log.read(topic, &from).map_err(away)
    }

    fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.sender.is_closed()
    }

    /// Says so once per absence.
    fn complain(&self, away: &mut bool, error: &str) {
        if !std::mem::replace(away, true) {
            tracing::warn!(model = self.model.as_str(), error, "a read model cannot read the log and tries on");
        }
    }
}

pub(super) fn decoded<T: Framed>(record: Record) -> Decoded<T> {
    let body = T::decode(&record.payload).map_err(|error| error.to_string());
    Decoded { partition: record.partition, offset: record.offset, time: record.time, key: record.key, body }
}
