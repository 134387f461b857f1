//! The file: its tables, its genesis, how it is opened.
//!
//! Every partition of every topic has a table of its own with the offset as its rowid: each append goes
//! to the right edge of one B-tree. One table for all, keyed by (topic, partition, offset), takes twice
//! as long to write, because its appends land in the middle of the tree and split pages.

use std::path::Path;
use std::time::Duration;

use atelier_schemas::Topic;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use uuid::Uuid;

use super::failure::from_sqlite;
use crate::{Error, Partition};

/// Name of the file in the folder.
pub(super) const FILE: &str = "log.sqlite";
/// Each costs four tables; whoever needs more of them needs Kafka.
pub(super) const MAX_PARTITIONS: u32 = 256;
const FORMAT: i64 = 1;
const PARTITIONER: &str = "murmur2";
/// Another process may read while this one writes; both wait for the other's short locks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `FULL`: every commit is synced. 8 MiB of write-ahead log between checkpoints: with less, the same right
/// edges are copied more often; with more, each sync waits for the file system to lengthen the file, where a
/// short one is soon written over in place. The cache keeps a group from being spilled before its commit.
const TUNING: &str =
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32768";

/// What is fixed for the life of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Genesis {
    pub(super) log_id: Uuid,
    pub(super) partitions: u32,
}

/// The table of a partition.
pub(super) fn table(topic: Topic, partition: Partition) -> String {
    let name = match topic {
        Topic::Commands => "commands",
        Topic::Events => "events",
        Topic::Outcomes => "outcomes",
        Topic::PricingJobs => "pricing_jobs",
    };
    format!("{name}_{partition}")
}

/// Opens the file for the one writer and creates what is missing.
pub(super) fn open_for_writing(dir: &Path, partitions: u32) -> Result<(Connection, Genesis), Error> {
    let mut connection = Connection::open(dir.join(FILE)).map_err(from_sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(from_sqlite)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(from_sqlite)?;
    if mode != "wal" {
        return Err(Error::Unavailable(format!(
            "the file system of {} has no shared memory for a write-ahead log (mode {mode}); use a local disk",
            dir.display()
        )));
    }
    // Two statements per partition and a handful of others.
    connection.set_prepared_statement_cache_capacity(2 * 4 * partitions as usize + 16);
    connection.execute_batch(TUNING).map_err(from_sqlite)?;
    let genesis = match read_genesis(&connection, dir)? {
        Some(genesis) => genesis,
        None => create(&mut connection, dir, partitions)?,
    };
    if genesis.partitions != partitions {
        return Err(Error::Mismatch(format!(
            "the log in {} has {} partitions for its whole life and {partitions} are configured: set the count back to {}, \
             or start a new log in another folder with --data",
            dir.display(),
            genesis.partitions,
            genesis.partitions
        )));
    }
    Ok((connection, genesis))
}

/// A connection that only reads. Also for other processes.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(from_sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(from_sqlite)?;
    connection.execute_batch("PRAGMA cache_size = -1024").map_err(from_sqlite)?;
    Ok(connection)
}

/// The genesis, when the file has one.
pub(super) fn read_genesis(connection: &Connection, dir: &Path) -> Result<Option<Genesis>, Error> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(from_sqlite)?;
    if tables == 0 {
        return Ok(None);
    }
    let found: Option<(i64, String, String, u32)> = connection
        .query_row("SELECT format, partitioner, log_id, partitions FROM genesis", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .ok()
        .flatten();
    let Some((format, partitioner, log_id, partitions)) = found else {
        return Err(Error::Mismatch(format!(
            "{} holds a {FILE} that is not a log of Atelier; choose another folder with --data",
            dir.display()
        )));
    };
    if format != FORMAT || partitioner != PARTITIONER {
        return Err(Error::Mismatch(format!(
            "the log in {} has format {format} with partitioner {partitioner}; this version reads format {FORMAT} with {PARTITIONER}: \
             use the version that wrote it",
            dir.display()
        )));
    }
    let log_id = log_id.parse().map_err(|_| Error::Mismatch(format!("the log in {} has no readable id", dir.display())))?;
    Ok(Some(Genesis { log_id, partitions }))
}

fn create(connection: &mut Connection, dir: &Path, partitions: u32) -> Result<Genesis, Error> {
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        return Err(Error::Mismatch(format!(
            "an embedded log has 1 to {MAX_PARTITIONS} partitions, not {partitions}; set a count in that range, or use Kafka with --log kafka://…"
        )));
    }
    let genesis = Genesis { log_id: Uuid::new_v4(), partitions };
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE genesis (format INTEGER NOT NULL, partitioner TEXT NOT NULL, log_id TEXT NOT NULL, partitions INTEGER NOT NULL) STRICT;
             CREATE TABLE seal (count INTEGER NOT NULL) STRICT;
             INSERT INTO seal VALUES (0);
             CREATE TABLE group_offset (group_name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
                                        PRIMARY KEY (group_name, topic, partition)) STRICT, WITHOUT ROWID;",
        )?;
        transaction
            .execute("INSERT INTO genesis VALUES (?, ?, ?, ?)", params![FORMAT, PARTITIONER, genesis.log_id.to_string(), partitions])?;
        for topic in Topic::ALL {
            for partition in 0..partitions {
                transaction.execute_batch(&format!(
                    "CREATE TABLE {} (offset INTEGER PRIMARY KEY, time INTEGER NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, \
                     traceparent TEXT, payload BLOB NOT NULL) STRICT",
                    table(topic, partition)
                ))?;
            }
        }
        transaction.commit()
    };
    write(connection).map_err(from_sqlite)?;
    // SQLite syncs the files; their names are in the folder.
    std::fs::File::open(dir).and_then(|folder| folder.sync_all()).map_err(|error| super::lock::no_right(dir, &error))?;
    Ok(genesis)
}

/// The offset the next record of the partition gets.
pub(super) fn next_offset(connection: &Connection, topic: Topic, partition: Partition) -> rusqlite::Result<u64> {
    let sql = format!("SELECT coalesce(max(offset) + 1, 0) FROM {}", table(topic, partition));
    connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))
}

/// The group's offset; 0 before its first commit.
pub(super) fn group_offset(connection: &Connection, group: &str, topic: Topic, partition: Partition) -> rusqlite::Result<u64> {
    let sql = "SELECT next FROM group_offset WHERE group_name = ? AND topic = ? AND partition = ?";
    let found = connection.prepare_cached(sql)?.query_row(params![group, topic.name(), partition], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}
