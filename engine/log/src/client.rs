//! Asking through the log: append a command, wait for its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use atelier_schemas::{Command, Framed, Outcome, Topic, partition_of};
use tokio::sync::mpsc;
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
    /// Several may wait under one command id: a retry while the first call is still open, or another request under the
    /// same key. Each is told of all outcomes under that id and knows its own by the offset.
    by_command: HashMap<Uuid, Vec<mpsc::UnboundedSender<Outcome>>>,
    stopping: bool,
}

/// One call's place among those who wait.
struct Waiter<'w> {
    waiting: &'w Waiting,
    command_id: Uuid,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, command_id: Uuid) -> Waiter<'_> {
        let (sender, outcomes) = mpsc::unbounded_channel();
        self.lock().by_command.entry(command_id).or_default().push(sender);
        Waiter { waiting: self, command_id, outcomes }
    }

    /// Drops the waiters of a command whose callers are gone.
    fn forget(&self, command_id: Uuid) {
        let mut state = self.lock();
        if let Some(waiters) = state.by_command.get_mut(&command_id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                state.by_command.remove(&command_id);
            }
        }
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
    /// Nothing was accepted: the log is unreachable, full, or the command is too large. [`Error::Unconfirmed`]: nobody can
    /// say; the same command sent again gets the answer.
    pub async fn send(&self, command: &Command, limit: Duration) -> Result<Answer, Error> {
        let log = &self.shared.log;
        let partition = partition_of(&command.order_id, log.partitions());
        let record = record_of(command);
        if record.payload.len() > log.max_payload_bytes() {
            return Err(Error::TooLarge { key: record.key, bytes: record.payload.len(), limit: log.max_payload_bytes() });
        }
        let mut waiter = self.shared.waiting.register(command.command_id);
        let offset = log.append(Topic::Commands, partition, record).await?;
        match tokio::time::timeout(limit, waiter.outcome_of(command.order_id, offset)).await {
            Ok(Some(outcome)) => Ok(Answer::Decided(outcome)),
            Ok(None) | Err(_) => Ok(Answer::Undecided),
        }
    }

    /// The log below, for readers.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }
}

impl Waiter<'_> {
    /// The outcome of the command at `offset`: another request under the same id has one of its own.
    async fn outcome_of(&mut self, order_id: Uuid, offset: u64) -> Option<Outcome> {
        loop {
            let outcome = self.outcomes.recv().await?;
            if outcome.order_id == order_id && outcome.command_offset.cast_unsigned() == offset {
                return Some(outcome);
            }
        }
    }
}

impl Drop for Waiter<'_> {
    /// However the call ended, also where its caller hung up in the middle of it.
    fn drop(&mut self) {
        self.outcomes.close();
        self.waiting.forget(self.command_id);
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
    let state = waiting.lock();
    if state.by_command.is_empty() {
        return;
    }
    for record in records {
        match Outcome::decode(&record.payload) {
            Ok(outcome) => {
                for waiter in state.by_command.get(&outcome.command_id).into_iter().flatten() {
                    // Its caller may be about to go.
                    let _ = waiter.send(outcome.clone());
                }
            }
            Err(error) => {
                tracing::warn!(%error, partition = record.partition, offset = record.offset, "an outcome cannot be read; its caller gets 202");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use atelier_schemas::{Actor, CommandData, OutcomeResult};

    use super::*;
    use crate::memory::Memory;
    use crate::{Appending, Membership, Owner, Partition, Reader, Subscription};

    /// Two requests under one key, on their way at the same time: neither is told the answer to the other.
    #[tokio::test]
    async fn each_caller_gets_the_answer_to_its_own_record() {
        let log = Memory::new(1);
        let client = Client::start(Arc::new(log.clone())).expect("in memory");
        let actor = Actor { role: "customer".into(), name: "shop".into() };
        let (id, order_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let one = Command::new(id, order_id, 0, actor.clone(), CommandData::SubmitOrder {});
        let other = Command::new(id, order_id, 0, actor, CommandData::CancelOrder { reason: "no".into() });
        let limit = Duration::from_secs(60);
        let mut first = Box::pin(client.send(&one, limit));
        let mut second = Box::pin(client.send(&other, limit));
        // Both are on the log, one behind the other, before any is decided.
        assert!(tokio::time::timeout(Duration::ZERO, &mut first).await.is_err());
        assert!(tokio::time::timeout(Duration::ZERO, &mut second).await.is_err());
        assert_eq!(log.end(Topic::Commands, 0).expect("in memory"), 2);
        for (command_offset, events) in [(0, vec!["OrderSubmitted".to_owned()]), (1, vec!["OrderCancelled".to_owned()])] {
            let result = OutcomeResult::Accepted { status: "SUBMITTED".into(), version: 3, events, repeated: false, dry_run: false };
            let outcome = Outcome {
                command_id: id,
                order_id,
                type_name: String::new(),
                command_offset,
                time: 0,
                correlation_id: id,
                traceparent: None,
                result,
            };
            let record = NewRecord { key: order_id.to_string(), kind: "Accepted", traceparent: None, payload: outcome.encode() };
            log.append(Topic::Outcomes, 0, record).await.expect("in memory");
        }
        let offset_of = |answer: Result<Answer, Error>| match answer.expect("it was taken") {
            Answer::Decided(outcome) => outcome.command_offset,
            Answer::Undecided => panic!("both are decided"),
        };
        assert_eq!((offset_of(second.await), offset_of(first.await)), (1, 0));
    }

    /// A log that never says whether it took a record.
    struct Silent(Memory);

    impl Log for Silent {
        fn partitions(&self) -> u32 {
            self.0.partitions()
        }
        fn max_payload_bytes(&self) -> usize {
            self.0.max_payload_bytes()
        }
        fn append(&self, _: Topic, _: Partition, _: NewRecord) -> Appending {
            Box::pin(std::future::pending())
        }
        fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
            self.0.own(membership)
        }
        fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
            self.0.read(topic, from)
        }
        fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
            self.0.subscribe(topic, group)
        }
        fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
            self.0.end(topic, partition)
        }
        fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
            self.0.committed(group, partition)
        }
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_is_waited_for_no_more() {
        let client = Client::start(Arc::new(Silent(Memory::new(1)))).expect("in memory");
        let actor = Actor { role: "customer".into(), name: "shop".into() };
        let command = Command::new(Uuid::from_u128(1), Uuid::from_u128(2), 0, actor, CommandData::SubmitOrder {});
        let mut sending = Box::pin(client.send(&command, Duration::from_secs(60)));
        assert!(tokio::time::timeout(Duration::ZERO, &mut sending).await.is_err());
        assert_eq!(client.shared.waiting.lock().by_command.len(), 1);
        drop(sending);
        assert!(client.shared.waiting.lock().by_command.is_empty());
    }
}
