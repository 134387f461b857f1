//! Asking through the log: append a command, wait for its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use atelier_schemas::{Command, Framed, Outcome, Topic, partition_of};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{Error, Log, NewRecord};

/// How long the follower waits before it looks whether it should end.
const FOLLOW_POLL: Duration = Duration::from_millis(200);
/// How many outcomes the follower takes at once.
const FOLLOW_BATCH: usize = 1000;

/// What came of a command that is durable.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one per request, and nearly always the large one")]
pub enum Answer {
    /// The engine decided.
    Decided(Outcome),
    /// Not within the time. It will be decided; the same command sent again gets the same answer.
    Undecided,
}

/// Sends commands and hands out their outcomes. One per process; clones share it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn Log>,
    waiting: Arc<Waiting>,
    follower: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Several may wait for one command: a retry while the first call is still open.
    by_command: HashMap<Uuid, Vec<oneshot::Sender<Outcome>>>,
    stopping: bool,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Starts following the outcomes from now on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    pub fn start(log: Arc<dyn Log>) -> Result<Self, Error> {
        let mut from = Vec::new();
        for partition in 0..log.partitions() {
            from.push((partition, log.end(Topic::Outcomes, partition)?));
        }
        let mut reader = log.read(Topic::Outcomes, &from)?;
        let waiting = Arc::new(Waiting::default());
        let follower = std::thread::Builder::new()
            .name("outcomes".into())
            .spawn({
                let waiting = waiting.clone();
                move || {
                    while !waiting.lock().stopping {
                        match reader.poll(FOLLOW_BATCH, FOLLOW_POLL) {
                            Ok(records) => deliver(&waiting, &records),
                            Err(error) => {
                                tracing::warn!(%error, "cannot follow the outcomes; answers are late until the log is back");
                                std::thread::sleep(FOLLOW_POLL);
                            }
                        }
                    }
                }
            })
            .map_err(|error| Error::Unavailable(format!("no thread to follow the outcomes: {error}")))?;
        Ok(Self { shared: Arc::new(Shared { log, waiting, follower: Mutex::new(Some(follower)) }) })
    }

    /// Appends the command durably and waits at most `limit` for its outcome.
    ///
    /// # Errors
    /// Nothing was accepted: the log is unreachable, full, or the command is too large.
    pub async fn send(&self, command: &Command, limit: Duration) -> Result<Answer, Error> {
        let log = &self.shared.log;
        let partition = partition_of(&command.order_id, log.partitions());
        let record = record_of(command);
        if record.payload.len() > log.max_payload_bytes() {
            return Err(Error::TooLarge { key: record.key, bytes: record.payload.len(), limit: log.max_payload_bytes() });
        }
        let outcome = self.register(command.command_id);
        let appended = log.append(Topic::Commands, partition, record).await;
        if let Err(error) = appended {
            drop(outcome);
            self.forget(command.command_id);
            return Err(error);
        }
        match tokio::time::timeout(limit, outcome).await {
            Ok(Ok(outcome)) => Ok(Answer::Decided(outcome)),
            Ok(Err(_)) | Err(_) => {
                self.forget(command.command_id);
                Ok(Answer::Undecided)
            }
        }
    }

    /// The log below, for readers.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    fn register(&self, command_id: Uuid) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().by_command.entry(command_id).or_default().push(sender);
        receiver
    }

    /// Drops the waiters of a command whose callers are gone.
    fn forget(&self, command_id: Uuid) {
        let mut state = self.shared.waiting.lock();
        if let Some(waiters) = state.by_command.get_mut(&command_id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                state.by_command.remove(&command_id);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.waiting.lock().stopping = true;
        let follower = self.follower.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower
            && follower.thread().id() != std::thread::current().id()
        {
            let _ = follower.join();
        }
    }
}

/// The record of a command, for whoever appends one without waiting.
pub fn record_of(command: &Command) -> NewRecord {
    NewRecord {
        key: command.order_id.to_string(),
        kind: command.data.type_name(),
        traceparent: command.traceparent.clone(),
        payload: command.encode(),
    }
}

fn deliver(waiting: &Waiting, records: &[crate::Record]) {
    if records.is_empty() {
        return;
    }
    let mut state = waiting.lock();
    if state.by_command.is_empty() {
        return;
    }
    for record in records {
        match Outcome::decode(&record.payload) {
            Ok(outcome) => {
                for waiter in state.by_command.remove(&outcome.command_id).unwrap_or_default() {
                    let _ = waiter.send(outcome.clone());
                }
            }
            Err(error) => {
                tracing::warn!(%error, partition = record.partition, offset = record.offset, "an outcome cannot be read; its caller gets 202");
            }
        }
    }
}
