//! Making a checkpoint: the newest one, the events after it, and the orders as they stand then.

use std::collections::HashSet;

use atelier_log::{Log, Partition};
use atelier_schemas::Topic;
use uuid::Uuid;

use super::format::{self, Head, Part, record_hash};
use super::{CheckpointStore, Found, KEPT, Orders, StoreError, folder, head_name, newest, offsets, part_name};
use crate::partition::{PartitionState, Settings};
use crate::restore::{self, replay_to};
use crate::worker::GROUP;

/// Records of parked orders in a checkpoint, at most: a head is read whole to look at its name.
const PARKED_BYTES: usize = 4 << 20;
/// A part is complete with the order that brings it past this.
const PART_BYTES: usize = 16 << 20;

/// Why none was made. What was written of it is used by no one, and goes with the next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The events could not be read, or the process is ending.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// The store failed.
    #[error("the store of checkpoints failed: {0}")]
    Store(#[from] StoreError),
    /// Orders are stopped because events of them cannot be understood; a newer engine has to see those events, and they
    /// are more than a checkpoint takes.
    #[error("order {order} of partition {partition} is parked with more events than a checkpoint takes: {reason}")]
    Parked {
        /// Of the order.
        partition: Partition,
        /// Its key.
        order: String,
        /// Why.
        reason: String,
    },
}

/// A checkpoint that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Of its head.
    pub name: String,
    /// Events replayed for it.
    pub events: u64,
    /// Orders written; those that had ended before are there already.
    pub orders: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Makes a checkpoint of all events there are, and deletes all but the newest [`KEPT`]. `None`: there is nothing that
/// the newest one does not cover. It holds the open orders of the partition in memory once more while it works.
///
/// # Errors
/// [`Error`]; the older ones stay as they are.
pub fn make(log: &dyn Log, store: &dyn CheckpointStore, settings: &Settings, stopping: impl Fn() -> bool) -> Result<Option<Made>, Error> {
    fold(log, store, settings, Orders::Open, &stopping)
}

fn fold(
    log: &dyn Log,
    store: &dyn CheckpointStore,
    settings: &Settings,
    orders: Orders,
    stopping: &dyn Fn() -> bool,
) -> Result<Option<Made>, Error> {
    let partition = settings.partition;
    // In this order: whatever commands below the offset led to lies below the end.
    let next_command = log.committed(GROUP, partition).map_err(restore::Error::from)?;
    let end = log.end(Topic::Events, partition).map_err(restore::Error::from)?;
    let Some(folder) = folder(log, partition, end, stopping)? else { return Ok(None) };
    let (mut state, reader, mut parts, carried) = match newest(log, store, settings, next_command, end, orders, stopping)? {
        // Whatever is made upon it would be passed over, as it is: all it needs is read once more, or all events are.
        Some(Found { head, .. }) if orders == Orders::Open && !is_whole(store, &head)? => {
            return fold(log, store, settings, Orders::All, stopping);
        }
        Some(Found { head, state, tail, .. }) => {
            // Those that are not at hand are taken over as they were written.
            let ended = head.parts.into_iter().filter(|part| part.ended && orders == Orders::Open).collect();
            (state, tail, ended, (orders == Orders::Open).then_some(head.parked))
        }
        None => {
            let reader = log.read(Topic::Events, &[(partition, 0)]).map_err(restore::Error::from)?;
            (PartitionState::new(settings.clone(), next_command).map_err(restore::Error::from)?, reader, Vec::new(), None)
        }
    };
    let mut last = None;
    let events = replay_to(reader, partition, end, &mut state, stopping, |batch| {
        last = batch.last().map(|record| (record.offset, record_hash(record))).or(last);
    })?;
    let Some((last_offset, last_hash)) = last else { return Ok(None) };
    let parked = state.set_aside();
    // It may have gone on after its end (a record of it was skipped): with the ended orders at hand this shows.
    if carried.is_some_and(|carried| carried != parked) {
        return fold(log, store, settings, Orders::All, stopping);
    }
    let mut bytes_left = PARKED_BYTES;
    for (order, parked) in &parked {
        match parked.kept_bytes().and_then(|bytes| bytes_left.checked_sub(bytes)) {
            Some(left) => bytes_left = left,
            None => return Err(Error::Parked { partition, order: order.clone(), reason: parked.reason().to_owned() }),
        }
    }
    let mut writer = Writer { store, folder: &folder, parts: Vec::new(), orders: 0, bytes: 0 };
    writer.open(&state)?;
    writer.ended(&mut state)?;
    parts.append(&mut writer.parts);
    let head = Head { folder: folder.clone(), events: last_offset + 1, next_command, last_offset, last_hash, parts, parked };
    let name = head_name(&folder, head.events, next_command);
    let (orders, bytes) = (writer.orders, writer.bytes);
    store.put(&name, format::seal(format::add(format::begin(), &head)))?;
    prune(store, &folder)?;
    Ok(Some(Made { name, events, orders, bytes }))
}

/// Whether all its parts are there.
fn is_whole(store: &dyn CheckpointStore, head: &Head) -> Result<bool, StoreError> {
    let there: HashSet<String> = store.list(&head.folder)?.into_iter().collect();
    Ok(head.parts.iter().all(|part| there.contains(&part_name(&head.folder, &part.sha256))))
}

/// Writes parts.
struct Writer<'a> {
    store: &'a dyn CheckpointStore,
    folder: &'a str,
    parts: Vec<Part>,
    orders: u64,
    bytes: u64,
}

impl Writer<'_> {
    fn open(&mut self, state: &PartitionState) -> Result<(), Error> {
        let (mut bytes, mut orders) = (format::begin(), 0);
        // By id: the same orders are the same bytes.
        let mut open: Vec<_> = state.open().collect();
        open.sort_unstable_by_key(|(id, _)| **id);
        for entry in open {
            (bytes, orders) = (format::add(bytes, &entry), orders + 1);
            if bytes.len() >= PART_BYTES {
                self.part(std::mem::replace(&mut bytes, format::begin()), std::mem::take(&mut orders), false)?;
            }
        }
        self.part(bytes, orders, false)
    }

    fn ended(&mut self, state: &mut PartitionState) -> Result<(), Error> {
        let mut from = Some(Uuid::nil());
        while let Some(first) = from {
            let (mut bytes, mut orders) = (format::begin(), 0);
            from = state
                .ended_from(first, |id, order| {
                    bytes = format::add(std::mem::take(&mut bytes), &(id, order));
                    orders += 1;
                    bytes.len() < PART_BYTES
                })
                .map_err(restore::Error::from)?;
            self.part(bytes, orders, true)?;
        }
        Ok(())
    }

    fn part(&mut self, bytes: Vec<u8>, orders: u64, ended: bool) -> Result<(), Error> {
        if orders == 0 {
            return Ok(());
        }
        let bytes = format::seal(bytes);
        let part = Part { sha256: format::hash(&bytes), orders, ended };
        self.orders += orders;
        self.bytes += bytes.len() as u64;
        self.store.put(&part_name(self.folder, &part.sha256), bytes)?;
        self.parts.push(part);
        Ok(())
    }
}

/// Deletes all but the newest heads, and the parts that none of those names. A part that another engine has written for
/// a head to come may be among them; that checkpoint is passed over then.
fn prune(store: &dyn CheckpointStore, folder: &str) -> Result<(), StoreError> {
    let (mut heads, parts): (Vec<String>, Vec<String>) = store.list(folder)?.into_iter().partition(|name| offsets(name).is_some());
    heads.sort_unstable();
    let kept = heads.split_off(heads.len().saturating_sub(KEPT));
    for name in &heads {
        store.delete(name)?;
    }
    let mut named = HashSet::new();
    for name in kept {
        // Where one cannot be read nobody knows what it needs; it is one of the older ones soon.
        let Ok(head) = store.get(&name).map_err(|error| error.to_string()).and_then(|bytes| format::head(&bytes)) else { return Ok(()) };
        named.extend(head.parts.iter().map(|part| part_name(folder, &part.sha256)));
    }
    for name in parts.iter().filter(|name| !named.contains(*name)) {
        store.delete(name)?;
    }
    Ok(())
}
