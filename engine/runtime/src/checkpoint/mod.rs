//! Checkpoints: a partition as it stood at some offset of its events, so that a restore reads the tail only.
//!
//! A checkpoint is a fold of the log, made by reading the log ([`make`]), never by asking a worker what it has in
//! memory: whoever makes one, also an engine that has lost the partition without knowing, makes a true one. So it
//! happens on a thread of its own (`keeper`) while the worker goes on.
//!
//! It lies in an object store as parts and a head, all of which never change:
//!
//! * `<genesis>/<partition>/<events>-<commands>`, the head: which part of the log it covers (events below the first
//!   offset, and all that commands below the second led to), the last event it covers, and its parts.
//! * `<genesis>/<partition>/part-<sha256>`, a part: some orders. Orders that have ended do not change any more: their
//!   parts are written once and named by every later head.
//!
//! `genesis` is a hash of the partition's first event: another log, another place. Objects carry their layout and a
//! SHA-256. Whatever is in doubt (bytes, layout, another log's history, an offset past the end) is a reason to take an
//! older checkpoint, or none (`load`): it can always be deleted, the log is the truth.
//!
//! A parked order has to be looked at again by each new engine, so a head has those orders with the records nobody has
//! read; where that is too much, no checkpoint is made. Events whose key is no order of the partition park nobody.

mod format;
mod keeper;
mod load;
mod make;
mod memory;

use std::sync::Arc;

use atelier_log::{Log, Partition};
use atelier_schemas::Topic;

pub(crate) use keeper::keep;
pub(crate) use load::{Found, Orders, newest};
pub use make::{Error, Made, make};
pub use memory::InMemory;

use crate::restore::{self, first_of};

/// Checkpoints kept of each partition; older ones are deleted.
pub const KEPT: usize = 3;

/// Where checkpoints are kept: objects by name, each there as a whole or not at all.
///
/// Names have folders, divided by `/`, of hexadecimal digits, digits, letters and `-`.
pub trait CheckpointStore: Send + Sync + 'static {
    /// Names of all objects below a folder, which are as many as there are parts of [`KEPT`] checkpoints and a few.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// The bytes of an object.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or the store does not answer.
    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError>;

    /// Writes an object; it is durable when this returns. One that is there is replaced.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be stored.
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}

/// What the store said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Where an engine keeps checkpoints and how often it makes one.
#[derive(Clone)]
pub struct Checkpoints {
    /// Where.
    pub store: Arc<dyn CheckpointStore>,
    /// Events of a partition from one to the next.
    pub every_events: u64,
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints").field("every_events", &self.every_events).finish_non_exhaustive()
    }
}

/// The folder of a partition's checkpoints; `None` while it has no event.
fn folder(log: &dyn Log, partition: Partition, end: u64, stopping: &dyn Fn() -> bool) -> Result<Option<String>, restore::Error> {
    let mut reader = log.read(Topic::Events, &[(partition, 0)])?;
    let first = first_of(reader.as_mut(), partition, end, stopping)?;
    Ok(first.map(|first| format!("{}/{partition}", format::hex(&format::record_hash(&first)[..16]))))
}

/// `<events>-<commands>`, of the same width for all, so that the order of the names is that of the offsets.
fn head_name(folder: &str, events: u64, commands: u64) -> String {
    format!("{folder}/{events:020}-{commands:020}")
}

/// The offsets in the name of a head; `None` for anything else.
fn offsets(name: &str) -> Option<(u64, u64)> {
    let (events, commands) = name.rsplit('/').next()?.split_once('-')?;
    Some((events.parse().ok()?, commands.parse().ok()?))
}

fn part_name(folder: &str, sha256: &[u8; 32]) -> String {
    format!("{folder}/part-{}", format::hex(sha256))
}
