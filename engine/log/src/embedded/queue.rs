//! What waits for the writer.
//!
//! The queue is limited by bytes. At its limit whoever comes next waits until the writer has made room:
//! the append's future stays pending, a commit blocks its thread. They wait in the order they came.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use atelier_schemas::Topic;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::local::Claim;
use crate::{CommitError, Error, Membership, NewRecord, Partition, Transaction};

/// What may wait at once.
const ROOM_BYTES: u32 = 32 << 20;
/// Of a request beside its payloads.
const OVERHEAD_BYTES: usize = 256;

/// Asked of the writer.
pub(super) enum Request {
    Append {
        topic: Topic,
        partition: Partition,
        record: NewRecord,
        reply: oneshot::Sender<Result<u64, Error>>,
    },
    Commit {
        group: Arc<str>,
        claim: Claim,
        transaction: Transaction,
        reply: oneshot::Sender<Result<(), CommitError>>,
    },
    /// A subscription's offset.
    Offset {
        group: Arc<str>,
        topic: Topic,
        partition: Partition,
        next: u64,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    /// Goes through the queue so that no transaction of an owner before is under way when it is answered.
    Claim {
        membership: Membership,
        reply: oneshot::Sender<Claim>,
    },
    /// Something a test does to the writer's connection.
    #[cfg(test)]
    Meddle(Box<dyn FnOnce(&rusqlite::Connection) + Send>),
}

impl Request {
    /// Whether it takes part in a transaction.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Append { .. } | Self::Commit { .. } | Self::Offset { .. })
    }

    fn cost(&self) -> u32 {
        let bytes = match self {
            Self::Append { record, .. } => record.payload.len() + OVERHEAD_BYTES,
            Self::Commit { transaction, .. } => {
                transaction.records.iter().map(|(_, _, record)| record.payload.len() + OVERHEAD_BYTES).sum::<usize>() + OVERHEAD_BYTES
            }
            _ => OVERHEAD_BYTES,
        };
        // A larger one waits until it is alone.
        u32::try_from(bytes).unwrap_or(ROOM_BYTES).min(ROOM_BYTES)
    }
}

/// A request and the room it takes.
pub(super) struct Entry {
    pub(super) request: Request,
    _room: OwnedSemaphorePermit,
}

/// The queue.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    room: Arc<Semaphore>,
}

struct State {
    waiting: Vec<Entry>,
    open: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State { waiting: Vec::new(), open: true }),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(ROOM_BYTES as usize)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the request when there is room now, and gives it back when there is not.
    pub(super) fn try_push(&self, request: Request) -> Result<(), Request> {
        match self.room.clone().try_acquire_many_owned(request.cost()) {
            Ok(room) => {
                self.enter(Entry { request, _room: room });
                Ok(())
            }
            Err(_) => Err(request),
        }
    }

    /// Waits for room. A request that comes after the end is dropped, and its reply channel with it.
    pub(super) async fn push(&self, request: Request) {
        if let Ok(room) = self.room.clone().acquire_many_owned(request.cost()).await {
            self.enter(Entry { request, _room: room });
        }
    }

    fn enter(&self, entry: Entry) {
        let mut state = self.lock();
        if state.open {
            state.waiting.push(entry);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits for requests and takes all there are into `group`, which is empty. `false`: the queue is closed and drained.
    pub(super) fn take(&self, group: &mut Vec<Entry>) -> bool {
        let mut state = self.lock();
        loop {
            if !state.waiting.is_empty() {
                std::mem::swap(&mut state.waiting, group);
                return true;
            }
            if !state.open {
                return false;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Nothing is taken from now on; what waits is still written.
    pub(super) fn close(&self) {
        self.lock().open = false;
        self.arrived.notify_one();
    }

    /// Nobody will write what waits: its callers are told by their dropped channels.
    pub(super) fn abandon(&self) {
        self.room.close();
        let mut state = self.lock();
        state.open = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}
