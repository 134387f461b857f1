//! Restoring a partition: its events to the high watermark, from the first or from where a checkpoint ends.
//!
//! The older owner was fenced before this starts, so nothing can be added behind our back: what lies
//! below the high watermark is all there is. That it is the leader's and not a former one's, the log sees to.

use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use atelier_log::{Log, Partition, Reader, Record};
use atelier_schemas::Topic;

use crate::checkpoint::{CheckpointStore, Found, Orders, newest};
use crate::closed;
use crate::partition::{PartitionState, Settings};
use crate::worker::GROUP;

/// Small enough to stay in the processor's cache between being read and being replayed.
const BATCH: usize = 1_000;
/// Batches read ahead of the replay.
const AHEAD: usize = 8;
/// The last thing in a partition may be the end of a transaction, which is passed only when nothing more comes.
const POLL: Duration = Duration::from_millis(5);
/// Progress is said every so many events.
const SAY_EVERY: u64 = 1_000_000;

/// Why a partition could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log did not answer.
    #[error(transparent)]
    Log(#[from] atelier_log::Error),
    /// The index of ended orders cannot be written.
    #[error(transparent)]
    Index(#[from] closed::Error),
    /// The process is ending.
    #[error("stopped while restoring")]
    Stopped,
}

/// A partition as the log has it.
pub struct Restored {
    /// Its state.
    pub state: PartitionState,
    /// How many events were read for it.
    pub events: u64,
    /// The checkpoint it began with.
    pub checkpoint: Option<String>,
}

/// Restores a partition: from the newest checkpoint that can be trusted and the events after it, or from all events.
/// `stopping` is asked between batches.
///
/// # Errors
/// [`Error`]; the caller tries again or gives up, nothing was changed.
pub fn restore(
    log: &dyn Log,
    settings: Settings,
    checkpoints: Option<&dyn CheckpointStore>,
    stopping: impl Fn() -> bool,
) -> Result<Restored, Error> {
    let partition = settings.partition;
    let next_command = log.committed(GROUP, partition)?;
    let end = log.end(Topic::Events, partition)?;
    let found = match checkpoints {
        Some(store) => newest(log, store, &settings, next_command, end, Orders::All, &stopping)?,
        None => None,
    };
    let (mut state, reader, checkpoint) = match found {
        Some(Found { state, tail, name, .. }) => (state, tail, Some(name)),
        None => (PartitionState::new(settings, next_command)?, log.read(Topic::Events, &[(partition, 0)])?, None),
    };
    state.was_read_to(end);
    let events = replay_to(reader, partition, end, &mut state, stopping, |_| {})?;
    state.arm();
    Ok(Restored { state, events, checkpoint })
}

/// Replays what `reader` gives until it has given everything below `end`; how many events that were. `seen` is shown
/// each batch.
pub(crate) fn replay_to(
    mut reader: Box<dyn Reader>,
    partition: Partition,
    end: u64,
    state: &mut PartitionState,
    stopping: impl Fn() -> bool,
    mut seen: impl FnMut(&[Record]),
) -> Result<u64, Error> {
    let mut events = 0_u64;
    let mut replay = |batch: &[Record]| {
        if stopping() {
            return Err(Error::Stopped);
        }
        for record in batch {
            state.replay(record)?;
            events += 1;
            if events.is_multiple_of(SAY_EVERY) {
                tracing::info!(partition, events, up_to_offset = end, "restoring");
            }
        }
        seen(batch);
        Ok(())
    };
    if end.saturating_sub(reader.position(partition)) <= BATCH as u64 {
        // Read in one go; a thread would cost more than it saves.
        while reader.position(partition) < end {
            replay(&reader.poll(BATCH, POLL)?)?;
        }
        return Ok(events);
    }
    // Reading and replaying cost about the same: each on a thread of its own.
    thread::scope(|scope| {
        let (ahead, batches) = mpsc::sync_channel(AHEAD);
        thread::Builder::new()
            .name(format!("restore-{partition}"))
            .spawn_scoped(scope, move || read(reader, partition, end, &ahead))
            .map_err(|error| atelier_log::Error::Unavailable(format!("no thread to read with: {error}")))?;
        batches.into_iter().try_for_each(|batch| replay(&batch?))
    })?;
    Ok(events)
}

/// The next record; `None` where there is none below `end`.
pub(crate) fn first_of(
    reader: &mut dyn Reader,
    partition: Partition,
    end: u64,
    stopping: &dyn Fn() -> bool,
) -> Result<Option<Record>, Error> {
    while reader.position(partition) < end {
        // A reader whose broker is away gives nothing for as long as it is.
        if stopping() {
            return Err(Error::Stopped);
        }
        if let Some(first) = reader.poll(1, POLL)?.pop() {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

/// Hands on everything below `end`; stops early when nobody takes it any more.
fn read(mut reader: Box<dyn Reader>, partition: Partition, end: u64, ahead: &SyncSender<Result<Vec<Record>, atelier_log::Error>>) {
    while reader.position(partition) < end {
        let batch = reader.poll(BATCH, POLL);
        let failed = batch.is_err();
        if ahead.send(batch).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Its broker is away.
    struct Silent;

    impl Reader for Silent {
        fn poll(&mut self, _: usize, _: Duration) -> Result<Vec<Record>, atelier_log::Error> {
            Ok(Vec::new())
        }

        fn position(&self, _: Partition) -> u64 {
            0
        }
    }

    #[test]
    fn a_broker_that_is_away_keeps_no_engine_from_stopping() {
        let asked = Cell::new(0);
        let stopping = || asked.replace(asked.get() + 1) == 3;
        assert!(matches!(first_of(&mut Silent, 0, 1, &stopping), Err(Error::Stopped)));
        assert_eq!(asked.get(), 4);
    }
}
