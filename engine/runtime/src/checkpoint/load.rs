//! The newest checkpoint that can be trusted.

use atelier_log::{Log, Reader, Record};
use atelier_schemas::Topic;

use super::format::{self, Doubt, Head, Part, record_hash};
use super::{CheckpointStore, folder, head_name, offsets, part_name};
use crate::partition::{PartitionState, Settings};
use crate::restore::{Error, first_of};

/// A checkpoint that fits the log.
pub(crate) struct Found {
    pub(super) head: Head,
    /// The partition as it stood there.
    pub(crate) state: PartitionState,
    /// Reads on behind the last event that is covered.
    pub(crate) tail: Box<dyn Reader>,
    /// For people.
    pub(crate) name: String,
}

/// Which orders are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    /// All, to go on as the owner.
    All,
    /// The open ones, to make the next checkpoint: nothing happens any more to those that have ended.
    Open,
}

/// Looks through the checkpoints of a partition, newest first, for one that fits the log as it stands: commands consumed
/// to `next_command`, events to `end`. `None`: read the events from the first.
///
/// # Errors
/// When the log does not answer or the index of ended orders fails. Whatever is wrong with a checkpoint or with the
/// store is a warning.
pub(crate) fn newest(
    log: &dyn Log,
    store: &dyn CheckpointStore,
    settings: &Settings,
    next_command: u64,
    end: u64,
    orders: Orders,
    stopping: &dyn Fn() -> bool,
) -> Result<Option<Found>, Error> {
    let partition = settings.partition;
    let Some(folder) = folder(log, partition, end, stopping)? else { return Ok(None) };
    let mut names = match store.list(&folder) {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(partition, %error, "checkpoints cannot be listed; the events are read from the first");
            return Ok(None);
        }
    };
    names.retain(|name| offsets(name).is_some());
    names.sort_unstable();
    for name in names.into_iter().rev() {
        let trusted = head(store, &folder, &name, next_command, end);
        let found = match trusted {
            Ok(head) => try_one(log, store, settings, head, (next_command, end), orders, stopping)?,
            Err(reason) => Err(reason),
        };
        match found {
            Ok(found) => return Ok(Some(found)),
            Err(reason) => {
                tracing::warn!(partition, checkpoint = name, reason, "checkpoint passed over for an older one, or for all events");
            }
        }
    }
    Ok(None)
}

fn head(store: &dyn CheckpointStore, folder: &str, name: &str, next_command: u64, end: u64) -> Result<Head, String> {
    let bytes = store.get(name).map_err(|error| error.to_string())?;
    let head = format::head(&bytes)?;
    let own = head_name(&head.folder, head.events, head.next_command);
    if head.folder != folder || own != name {
        return Err(format!("it is another one: {own}"));
    }
    if head.events > end || head.last_offset >= head.events {
        return Err(format!("it covers events to {}, and the log ends at {end}", head.events));
    }
    if head.next_command > next_command {
        return Err(format!("it covers commands to {}, and the engines have consumed those to {next_command}", head.next_command));
    }
    Ok(head)
}

/// The inner error says why this checkpoint will not do.
fn try_one(
    log: &dyn Log,
    store: &dyn CheckpointStore,
    settings: &Settings,
    head: Head,
    (next_command, end): (u64, u64),
    orders: Orders,
    stopping: &dyn Fn() -> bool,
) -> Result<Result<Found, String>, Error> {
    let mut tail = log.read(Topic::Events, &[(settings.partition, head.last_offset)])?;
    if !first_of(tail.as_mut(), settings.partition, end, stopping)?.is_some_and(|last| covered(&head, &last)) {
        return Ok(Err("its last event is not the one that lies there: it was made of another log".into()));
    }
    let mut state = PartitionState::new(settings.clone(), next_command)?;
    // The open ones first: an ended one is then known to be open too without a look at the disk.
    let (ended, open): (Vec<&Part>, Vec<&Part>) = head.parts.iter().partition(|part| part.ended);
    let mut adopted = 0;
    for part in open.into_iter().chain(ended.into_iter().filter(|_| orders == Orders::All)) {
        let name = part_name(&head.folder, &part.sha256);
        let bytes = match store.get(&name) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(format!("its part {name}: {error}"))),
        };
        match format::entries(&bytes, part, |(id, order)| {
            adopted += 1;
            state.adopt(id, order)
        }) {
            Ok(()) => {}
            Err(Doubt::Checkpoint(reason)) => return Ok(Err(format!("its part {name}: {reason}"))),
            Err(Doubt::Index(error)) => return Err(error.into()),
        }
    }
    // The next checkpoint is made with orders that have ended not at hand, so one of them may look new there; whoever
    // reads all events stops it by name.
    if state.orders()? != adopted {
        return Ok(Err("an order is in it twice: it ended, and a stray copy of its first event began it afresh".into()));
    }
    match orders {
        Orders::All => state.adopt_set_aside(&head.parked)?,
        Orders::Open => state.carry_set_aside(&head.parked),
    }
    let name = head_name(&head.folder, head.events, head.next_command);
    Ok(Ok(Found { head, state, tail, name }))
}

fn covered(head: &Head, last: &Record) -> bool {
    last.offset == head.last_offset && record_hash(last) == head.last_hash
}
