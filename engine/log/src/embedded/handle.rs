//! What keeps the folder ours: the lock, the writer's thread, and what they share with owners and subscriptions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use atelier_schemas::Topic;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::from_sqlite;
use super::heads::{Heads, Next};
use super::lock::Lock;
use super::queue::{Queue, Request};
use super::schema;
use super::writer::Writer;
use crate::Error;
use crate::local::{Owners, Sharing, block_on};

/// What the writer's thread shares with everybody else.
pub(super) struct Core {
    pub(super) queue: Queue,
    pub(super) heads: Arc<Heads>,
    owners: Mutex<Owners>,
    sharing: Mutex<Sharing>,
}

impl Core {
    pub(super) fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sharing(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write. Its last holder's drop writes what waits, closes the file and frees the folder.
pub(super) struct Handle {
    pub(super) core: Arc<Core>,
    pub(super) partitions: u32,
    thread: Option<JoinHandle<()>>,
    _lock: Lock,
}

impl Handle {
    pub(super) fn start(connection: Connection, partitions: u32, lock: Lock) -> Result<Self, Error> {
        let mut next = Next::default();
        for topic in Topic::ALL {
            for partition in 0..partitions {
                next[topic as usize].push(schema::next_offset(&connection, topic, partition).map_err(from_sqlite)?);
            }
        }
        let core = Arc::new(Core {
            queue: Queue::new(),
            heads: Arc::new(Heads::new(next.clone())),
            owners: Mutex::default(),
            sharing: Mutex::default(),
        });
        let writer = Writer::new(connection, core.clone(), partitions, next);
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unavailable(format!("no thread to write the log: {error}")))?;
        Ok(Self { core, partitions, thread: Some(thread), _lock: lock })
    }

    pub(super) fn heads(&self) -> Arc<Heads> {
        self.core.heads.clone()
    }

    /// Asks the writer and blocks this thread until it answers.
    pub(super) fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let waits = self.core.queue.try_push(request(reply)).err();
        block_on(async {
            if let Some(request) = waits {
                self.core.queue.push(request).await;
            }
            answer.await.map_err(|_| ended())
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer ended with a panic");
        }
    }
}

/// The writer's thread is gone, which only a defect of ours brings about.
pub(super) fn ended() -> Error {
    Error::Unavailable("the log's writer has ended; restart the process".to_owned())
}
