//! Reading one topic: how far it goes, waiting for more, taking what is there.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rusqlite::{Connection, params};

use super::failure::from_sqlite;
use super::heads::Heads;
use super::schema;
use crate::local::{MAX_BATCH_BYTES, past_the_end};
use crate::{Error, Partition, Record};

/// How often a reader in another process looks for news.
const FOREIGN_POLL: Duration = Duration::from_millis(50);

/// How a reader learns how far the log goes.
pub(super) enum Limits {
    /// From the writer in this process.
    Live { heads: Arc<Heads>, rings: u64 },
    /// From the file; `version` is SQLite's `data_version` at the last look.
    Foreign { version: Option<i64> },
}

impl Limits {
    pub(super) fn live(heads: Arc<Heads>) -> Self {
        Self::Live { heads, rings: 0 }
    }

    pub(super) fn foreign() -> Self {
        Self::Foreign { version: None }
    }
}

/// A reader's connection and what it knows.
pub(super) struct Scan {
    connection: Connection,
    topic: Topic,
    limits: Limits,
    /// The ends as of the last look.
    ends: Vec<u64>,
    queries: Vec<String>,
    /// Which of the positions comes first in the next batch, so that none starves.
    turn: usize,
}

impl Scan {
    pub(super) fn open(path: &Path, topic: Topic, partitions: u32, limits: Limits) -> Result<Self, Error> {
        let connection = schema::open_for_reading(path)?;
        connection.set_prepared_statement_cache_capacity(2 * partitions as usize + 8);
        let query = |partition| {
            format!(
                "SELECT offset, time, key, kind, traceparent, payload FROM {} WHERE offset >= ? AND offset < ? ORDER BY offset LIMIT ?",
                schema::table(topic, partition)
            )
        };
        Ok(Self { connection, topic, limits, ends: vec![0; partitions as usize], queries: (0..partitions).map(query).collect(), turn: 0 })
    }

    /// Looks how far the topic goes now.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        match &mut self.limits {
            Limits::Live { heads, rings } => *rings = heads.look(self.topic, &mut self.ends),
            Limits::Foreign { version } => {
                let look = || -> rusqlite::Result<Option<(i64, Vec<u64>)>> {
                    // One transaction: the ends of all partitions are of one moment.
                    let moment = self.connection.unchecked_transaction()?;
                    let now: i64 = moment.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
                    if *version == Some(now) {
                        return Ok(None);
                    }
                    let ends = (0..).take(self.ends.len()).map(|partition| schema::next_offset(&moment, self.topic, partition));
                    Ok(Some((now, ends.collect::<rusqlite::Result<_>>()?)))
                };
                if let Some((now, ends)) = look().map_err(from_sqlite)? {
                    *version = Some(now);
                    self.ends = ends;
                }
            }
        }
        Ok(())
    }

    /// Waits for a change since the last look. `false`: the time is over.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        match &self.limits {
            Limits::Live { heads, rings } => heads.wait(self.topic, *rings, deadline),
            Limits::Foreign { .. } => {
                let left = deadline.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(FOREIGN_POLL));
                !left.is_zero()
            }
        }
    }

    /// The offset that `group` has committed for a partition of this topic.
    pub(super) fn group_offset(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        schema::group_offset(&self.connection, group, self.topic, partition).map_err(from_sqlite)
    }

    /// Takes what lay there at the last look, from the positions on, and moves them.
    pub(super) fn take(&mut self, positions: &mut [(Partition, u64)], max: usize) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut moved = Vec::new();
        self.turn = self.turn.wrapping_add(1);
        for step in 0..positions.len() {
            let index = (self.turn + step) % positions.len();
            let (partition, position) = positions[index];
            let end = self.ends[partition as usize];
            if position > end {
                return Err(past_the_end(self.topic, partition, position, end));
            }
            if position == end || records.len() >= max || bytes >= MAX_BATCH_BYTES {
                continue;
            }
            let before = records.len();
            self.take_from(partition, position..end, max, &mut bytes, &mut records).map_err(from_sqlite)?;
            if records.len() > before
                && let Some(last) = records.last()
            {
                moved.push((index, last.offset + 1));
            }
        }
        for (index, position) in moved {
            positions[index].1 = position;
        }
        Ok(records)
    }

    fn take_from(
        &self,
        partition: Partition,
        range: std::ops::Range<u64>,
        max: usize,
        bytes: &mut usize,
        records: &mut Vec<Record>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(&self.queries[partition as usize])?;
        let limit = i64::try_from(max - records.len()).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![range.start, range.end, limit])?;
        while let Some(row) = rows.next()? {
            let record = Record {
                topic: self.topic,
                partition,
                offset: row.get(0)?,
                time: row.get(1)?,
                key: row.get(2)?,
                kind: row.get(3)?,
                traceparent: row.get(4)?,
                payload: row.get(5)?,
            };
            *bytes += record.payload.len();
            records.push(record);
            if *bytes >= MAX_BATCH_BYTES {
                break;
            }
        }
        Ok(())
    }
}
