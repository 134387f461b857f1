//! The log in a folder: SQLite, durable, one process.
//!
//! One thread writes ([`writer`]), whoever reads has a connection of its own ([`scan`]). The ends of the
//! partitions are kept in memory ([`heads`]) and a reader at the end waits for them instead of asking the
//! disk. Another process may read the folder with [`Embedded::open_read_only`]; it asks the disk.

mod failure;
mod handle;
mod heads;
mod lock;
mod owner;
mod queue;
mod reader;
mod scan;
mod schema;
mod subscription;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use atelier_schemas::Topic;
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::local::{MAX_PAYLOAD_BYTES, check};
use crate::{Appending, Error, Log, Membership, NewRecord, Owner, Partition, Reader, Subscription};
use failure::from_sqlite;
use handle::{Core, Handle, ended};
use queue::Request;
use scan::{Limits, Scan};
use schema::Genesis;

/// The log in a folder.
///
/// ```
/// use atelier_log::{Log, embedded::Embedded};
/// let dir = std::env::temp_dir().join(format!("atelier-doc-{}", std::process::id()));
/// let log = Embedded::open(&dir, 4)?;
/// assert_eq!(log.partitions(), 4);
/// assert!(Embedded::open(&dir, 4).is_err(), "one at a time");
/// drop(log);
/// assert!(Embedded::open(&dir, 5).is_err(), "the count is for life");
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), atelier_log::Error>(())
/// ```
pub struct Embedded {
    dir: PathBuf,
    genesis: Genesis,
    /// For the small questions; readers have their own.
    reads: Mutex<Connection>,
    /// `None`: opened for reading only.
    handle: Option<Arc<Handle>>,
}

impl Embedded {
    /// Opens the log in `dir`, and creates both where they are missing. The folder belongs to this process
    /// until the log and all its owners and subscriptions are dropped.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has the folder or this user may not write there,
    /// [`Error::Mismatch`] when the log there has another partition count or is none of ours,
    /// [`Error::Full`] and [`Error::Unavailable`] when the disk refuses.
    pub fn open(dir: &Path, partitions: u32) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|error| lock::no_right(dir, &error))?;
        let lock = lock::Lock::take(dir)?;
        let (connection, genesis) = schema::open_for_writing(dir, partitions)?;
        let reads = schema::open_for_reading(&dir.join(schema::FILE))?;
        let handle = Handle::start(connection, genesis.partitions, lock)?;
        Ok(Self { dir: dir.to_owned(), genesis, reads: Mutex::new(reads), handle: Some(Arc::new(handle)) })
    }

    /// Opens the log in `dir` for reading, also while another process writes it. Every write is
    /// [`Error::InUse`]; news are found within about 50 ms.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is no log, [`Error::Mismatch`] when it is none of ours.
    pub fn open_read_only(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(schema::FILE);
        if !path.is_file() {
            return Err(Error::Unavailable(format!("there is no log in {}; name the folder of one with --data", dir.display())));
        }
        let reads = schema::open_for_reading(&path)?;
        let genesis = schema::read_genesis(&reads, dir)?
            .ok_or_else(|| Error::Unavailable(format!("the log in {} is being created; try again", dir.display())))?;
        Ok(Self { dir: dir.to_owned(), genesis, reads: Mutex::new(reads), handle: None })
    }

    /// The id the log got when it was created.
    pub fn log_id(&self) -> Uuid {
        self.genesis.log_id
    }

    fn handle(&self) -> Result<&Arc<Handle>, Error> {
        self.handle.as_ref().ok_or_else(|| {
            Error::InUse(format!("{} is open for reading only: write through the process that has the folder", self.dir.display()))
        })
    }

    fn scan(&self, topic: Topic) -> Result<Scan, Error> {
        let limits = self.handle.as_ref().map_or(Limits::foreign(), |handle| Limits::live(handle.heads()));
        Scan::open(&self.dir.join(schema::FILE), topic, self.genesis.partitions, limits)
    }

    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        question(&self.reads.lock().unwrap_or_else(PoisonError::into_inner)).map_err(from_sqlite)
    }

    fn check_partition(&self, topic: Topic, partition: Partition) -> Result<(), Error> {
        if partition < self.genesis.partitions {
            return Ok(());
        }
        Err(Error::Mismatch(format!("{topic} has partitions 0 to {}, not {partition}", self.genesis.partitions - 1)))
    }
}

impl Log for Embedded {
    fn partitions(&self) -> u32 {
        self.genesis.partitions
    }

    fn max_payload_bytes(&self) -> usize {
        MAX_PAYLOAD_BYTES
    }

    /// Enters the queue at the call when there is room, else when the future is polled.
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        let handle = match check(topic, partition, self.genesis.partitions, &record).and_then(|()| self.handle()) {
            Ok(handle) => handle.clone(),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let (reply, answer) = oneshot::channel();
        let waits = handle.core.queue.try_push(Request::Append { topic, partition, record, reply }).err();
        Box::pin(async move {
            if let Some(request) = waits {
                handle.core.queue.push(request).await;
            }
            answer.await.unwrap_or_else(|_| Err(ended()))
        })
    }

    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        let handle = self.handle()?.clone();
        let scan = self.scan(Topic::Commands)?;
        let claim = handle.ask(|reply| Request::Claim { membership: membership.clone(), reply })?;
        Ok(Box::new(owner::EmbeddedOwner::new(handle, scan, membership, claim)))
    }

    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        for (partition, _) in from {
            self.check_partition(topic, *partition)?;
        }
        Ok(Box::new(reader::EmbeddedReader::new(self.scan(topic)?, from)))
    }

    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        let handle = self.handle()?.clone();
        Ok(Box::new(subscription::EmbeddedSubscription::new(handle, self.scan(topic)?, topic, group)))
    }

    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        self.check_partition(topic, partition)?;
        match &self.handle {
            Some(handle) => Ok(handle.core.heads.end(topic, partition).unwrap_or(0)),
            None => self.ask(|connection| schema::next_offset(connection, topic, partition)),
        }
    }

    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        self.check_partition(Topic::Commands, partition)?;
        self.ask(|connection| schema::group_offset(connection, group, Topic::Commands, partition))
    }
}

#[cfg(test)]
mod tests;
