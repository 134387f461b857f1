//! One reader of the log per request, on a thread of its own.
//!
//! The thread ends when everything asked for is sent, the caller is gone or the gateway stops. What
//! it has read waits in a short queue; while that is full it reads no further.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_log::{Error, Log, Partition, Reader, Record};
use atelier_schemas::{Event, Framed, Topic, partition_of};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::published::UnreadableEvent;

/// Records taken at once.
const BATCH: usize = 500;
/// How long the reader waits before it looks whether it should end.
const POLL: Duration = Duration::from_millis(200);
/// Chunks waiting for a slow caller.
const QUEUED_CHUNKS: usize = 8;
/// How long the log may be away before the answer is broken off.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the caller gets. An error breaks the connection, so that nobody takes a part for the whole.
pub(crate) type Chunk = Result<Bytes, io::Error>;

/// A reader at its beginning.
pub(crate) struct Reading {
    reader: Box<dyn Reader>,
    /// Where each partition ended when the request came.
    ends: Vec<(Partition, u64)>,
    filter: Filter,
}

impl Reading {
    /// Opens the reader. Blocks.
    ///
    /// # Errors
    /// The log cannot be reached.
    pub(crate) fn open(log: &Arc<dyn Log>, filter: Filter) -> Result<Self, Error> {
        let partitions = log.partitions();
        let partitions = match filter.order {
            Some(order) => vec![partition_of(&order, partitions)],
            None => (0..partitions).collect(),
        };
        let mut ends = Vec::with_capacity(partitions.len());
        for partition in partitions {
            ends.push((partition, log.end(Topic::Events, partition)?));
        }
        let from: Vec<(Partition, u64)> = ends.iter().map(|(partition, _)| (*partition, 0)).collect();
        Ok(Self { reader: log.read(Topic::Events, &from)?, ends, filter })
    }

    /// Reads on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(self, place: OwnedSemaphorePermit, stop: CancellationToken) -> io::Result<mpsc::Receiver<Chunk>> {
        let (sender, receiver) = mpsc::channel(QUEUED_CHUNKS);
        std::thread::Builder::new().name("events-reader".into()).spawn(move || {
            self.run(&sender, &stop);
            drop(place);
        })?;
        Ok(receiver)
    }

    fn run(mut self, sender: &mpsc::Sender<Chunk>, stop: &CancellationToken) {
        let mut away_since: Option<Instant> = None;
        while !sender.is_closed() {
            if stop.is_cancelled() {
                if !self.filter.follow {
                    let _ = sender.blocking_send(Err(io::Error::other("the gateway is stopping")));
                }
                return;
            }
            match self.reader.poll(BATCH, POLL) {
                Ok(records) => {
                    away_since = None;
                    let lines = self.lines(&records);
                    if !lines.is_empty() && sender.blocking_send(Ok(Bytes::from(lines))).is_err() {
                        return;
                    }
                    if !self.filter.follow && self.ends.iter().all(|(partition, end)| self.reader.position(*partition) >= *end) {
                        return;
                    }
                }
                Err(error) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE || !matches!(error, Error::Unavailable(_)) {
                        tracing::warn!(%error, "a reader of the event log was broken off");
                        let _ = sender.blocking_send(Err(io::Error::other("the event log does not answer")));
                        return;
                    }
                    std::thread::sleep(POLL);
                }
            }
        }
    }

    fn lines(&self, records: &[Record]) -> Vec<u8> {
        let mut lines = Vec::new();
        for record in records {
            // What came after the request began is for those who follow.
            let late =
                !self.filter.follow && self.ends.iter().any(|(partition, end)| *partition == record.partition && record.offset >= *end);
            if late {
                continue;
            }
            let written = match Event::decode(&record.payload) {
                Ok(event) if self.filter.takes(&event) => serde_json::to_writer(&mut lines, &self.filter.envelope.around(event)),
                Ok(_) => continue,
                Err(error) if self.filter.takes_unreadable(&record.key) => {
                    serde_json::to_writer(&mut lines, &UnreadableEvent::new(record, &error))
                }
                Err(_) => continue,
            };
            if written.is_ok() {
                lines.push(b'\n');
            }
        }
        lines
    }
}
