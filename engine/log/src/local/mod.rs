//! What the two logs of one process share: who owns which partition, who shares which topic.
//!
//! Kafka's broker decides these things for many processes; here they are tables under a lock.

mod owners;
mod sharing;
mod waiting;

use atelier_schemas::Topic;

pub(crate) use owners::{Claim, Owners};
pub(crate) use sharing::{Member, Sharing, follow_share};
pub(crate) use waiting::{block_on, deadline_of};

use crate::{Error, NewRecord, Partition};

/// The largest payload. Kafka's brokers take about as much by default, and a log may move there.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1_000_000;
/// A batch ends with the record that brings it past this, so that a reader's memory has a bound.
pub(crate) const MAX_BATCH_BYTES: usize = 16 << 20;

/// Refuses what no log can hold: a payload too large, a partition that does not exist.
pub(crate) fn check(topic: Topic, partition: Partition, partitions: u32, record: &NewRecord) -> Result<(), Error> {
    if partition >= partitions {
        return Err(Error::Mismatch(format!(
            "the record of {} goes to partition {partition} of {topic}, which has {partitions}; compute it with the log's own count",
            record.key
        )));
    }
    if record.payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Error::TooLarge { key: record.key.clone(), bytes: record.payload.len(), limit: MAX_PAYLOAD_BYTES });
    }
    Ok(())
}

/// 0 for a partition that is not among them.
pub(crate) fn position_in(positions: &[(Partition, u64)], partition: Partition) -> u64 {
    positions.iter().find(|(read, _)| *read == partition).map_or(0, |(_, position)| *position)
}

/// A position past the end: the log was replaced by an older or another one.
pub(crate) fn past_the_end(topic: Topic, partition: Partition, position: u64, end: u64) -> Error {
    Error::Mismatch(format!(
        "{topic}/{partition} was to be read from offset {position} and ends at {end}: this is not the log the position was taken from; \
         rebuild what holds the position, or restore the log it belongs to"
    ))
}

#[cfg(test)]
mod tests;
