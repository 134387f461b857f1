//! The one thread that writes: group commit.
//!
//! It takes all that waits, writes it in one SQLite transaction, syncs once, makes it visible, answers
//! everybody. The next group is what arrived meanwhile; there is no timer.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use atelier_schemas::{TimeMs, Topic};
use rusqlite::{CachedStatement, Connection, params};

use super::failure::Failure;
use super::heads::Next;
use super::queue::{Entry, Request};
use super::{Core, schema};
use crate::{CommitError, Error, NewRecord, Partition};

const SET_OFFSET: &str = "INSERT INTO group_offset (group_name, topic, partition, next) VALUES (?, ?, ?, ?) \
                          ON CONFLICT DO UPDATE SET next = excluded.next";

/// The writer's own things.
pub(super) struct Writer {
    connection: Connection,
    core: Arc<Core>,
    /// By topic, then partition.
    inserts: Vec<Vec<String>>,
    partitions: u32,
    next: Next,
}

/// What came of one request, should its group be committed.
enum Verdict {
    Written(u64),
    Fenced,
}

/// Why the group's transaction was not confirmed.
enum Fate {
    /// Nothing was written, now or later.
    Nothing(Failure),
    /// The disk did not confirm: a crash now might bring it back.
    Unknown(Failure),
}

impl Writer {
    pub(super) fn new(connection: Connection, core: Arc<Core>, partitions: u32, next: Next) -> Self {
        let insert = |topic, partition| {
            format!(
                "INSERT INTO {} (offset, time, key, kind, traceparent, payload) VALUES (?, ?, ?, ?, ?, ?)",
                schema::table(topic, partition)
            )
        };
        let inserts = Topic::ALL.map(|topic| (0..partitions).map(|partition| insert(topic, partition)).collect()).into();
        Self { connection, core, inserts, partitions, next }
    }

    /// Runs until the queue is closed and drained.
    pub(super) fn run(mut self) {
        let core = self.core.clone();
        let _end = Abandon(&core);
        let mut group = Vec::new();
        while core.queue.take(&mut group) {
            self.write(&mut group);
        }
    }

    fn write(&mut self, group: &mut Vec<Entry>) {
        self.admit(group);
        if group.is_empty() {
            return;
        }
        let before = self.next.clone();
        let mut verdicts = Vec::with_capacity(group.len());
        match self.commit(group, &mut verdicts) {
            Ok(()) => {
                self.core.heads.publish(&self.next);
                for (entry, verdict) in group.drain(..).zip(verdicts) {
                    confirm(entry.request, &verdict);
                }
            }
            Err(fate) => {
                self.next = before;
                for entry in group.drain(..) {
                    self.refuse(entry.request, &fate);
                }
            }
        }
    }

    fn commit(&mut self, group: &[Entry], verdicts: &mut Vec<Verdict>) -> Result<(), Fate> {
        let written = self.connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| self.write_rows(group, verdicts));
        if let Err(error) = written {
            self.roll_back();
            return Err(Fate::Nothing(error.into()));
        }
        let Err(error) = self.connection.execute_batch("COMMIT") else { return Ok(()) };
        self.roll_back();
        let failure = Failure::from(error);
        // The frames of the failed commit may lie in the log file, complete but not confirmed, and the
        // recovery after a crash would take them. A confirmed write over them rules that out.
        match self.connection.execute_batch("UPDATE seal SET count = count + 1") {
            Ok(()) => Err(Fate::Nothing(failure)),
            Err(_) if matches!(failure, Failure::Full(_)) => Err(Fate::Nothing(failure)), // the last frame, which commits, had no room
            Err(_) => Err(Fate::Unknown(failure)),
        }
    }

    fn roll_back(&self) {
        // SQLite rolls back some errors by itself.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a refused group of the log cannot be rolled back");
        }
    }

    fn write_rows(&mut self, group: &[Entry], verdicts: &mut Vec<Verdict>) -> rusqlite::Result<()> {
        let mut rows = Rows {
            connection: &self.connection,
            inserts: &self.inserts,
            prepared: Default::default(),
            next: &mut self.next,
            now: now_ms(),
        };
        for entry in group {
            verdicts.push(match &entry.request {
                Request::Append { topic, partition, record, .. } => Verdict::Written(rows.insert(*topic, *partition, record)?),
                Request::Offset { group, topic, partition, next, .. } => {
                    rows.set_offset(group, *topic, *partition, *next)?;
                    Verdict::Written(0)
                }
                Request::Commit { group, claim, transaction, .. } => {
                    if self.core.owners().holds(group, *claim, transaction.partition) {
                        for (topic, partition, record) in &transaction.records {
                            rows.insert(*topic, *partition, record)?;
                        }
                        rows.set_offset(group, Topic::Commands, transaction.partition, transaction.next_command)?;
                        Verdict::Written(0)
                    } else {
                        Verdict::Fenced
                    }
                }
                // Done before the group began.
                _ => Verdict::Fenced,
            });
        }
        Ok(())
    }

    fn refuse(&self, request: Request, fate: &Fate) {
        let (Fate::Nothing(failure) | Fate::Unknown(failure)) = fate;
        let failure = failure.clone();
        match request {
            Request::Append { reply, .. } => drop(reply.send(Err(failure.into()))),
            Request::Offset { reply, .. } => drop(reply.send(Err(failure.into()))),
            Request::Commit { group, claim, transaction, reply } => {
                let answer = if !self.core.owners().holds(&group, claim, transaction.partition) {
                    fenced(transaction.partition)
                } else if matches!(fate, Fate::Unknown(_)) {
                    self.core.owners().assign_anew(&group, claim, transaction.partition);
                    self.core.heads.ring(Topic::Commands);
                    CommitError::Lost(format!("the disk did not confirm: {}", Error::from(failure)))
                } else {
                    CommitError::Refused(failure.into())
                };
                drop(reply.send(Err(answer)));
            }
            _ => {}
        }
    }

    /// Claims come before the group: no transaction is under way here, and those in the group that a claim
    /// fences are refused. They need nothing from the disk, so a full one does not keep anybody from joining.
    fn admit(&self, group: &mut Vec<Entry>) {
        for entry in group.extract_if(.., |entry| !entry.request.writes()) {
            match entry.request {
                Request::Claim { membership, reply } => {
                    let claim = self.core.owners().join(membership, self.partitions);
                    self.core.heads.ring(Topic::Commands);
                    let _ = reply.send(claim);
                }
                #[cfg(test)]
                Request::Meddle(act) => act(&self.connection),
                _ => {}
            }
        }
    }
}

/// Writes the rows of one group. A statement is looked up once per group and table, not once per row.
struct Rows<'a> {
    connection: &'a Connection,
    inserts: &'a [Vec<String>],
    prepared: [Vec<Option<CachedStatement<'a>>>; Topic::ALL.len()],
    next: &'a mut Next,
    now: TimeMs,
}

impl Rows<'_> {
    fn insert(&mut self, topic: Topic, partition: Partition, record: &NewRecord) -> rusqlite::Result<u64> {
        let (topic, partition) = (topic as usize, partition as usize);
        let prepared = &mut self.prepared[topic];
        if prepared.len() <= partition {
            prepared.resize_with(partition + 1, || None);
        }
        let statement = match &mut prepared[partition] {
            Some(statement) => statement,
            missing => missing.insert(self.connection.prepare_cached(&self.inserts[topic][partition])?),
        };
        let offset = self.next[topic][partition];
        statement.execute(params![offset, self.now, record.key, record.kind, record.traceparent, record.payload])?;
        self.next[topic][partition] += 1;
        Ok(offset)
    }

    fn set_offset(&self, group: &str, topic: Topic, partition: Partition, next: u64) -> rusqlite::Result<()> {
        self.connection.prepare_cached(SET_OFFSET)?.execute(params![group, topic.name(), partition, next]).map(drop)
    }
}

fn confirm(request: Request, verdict: &Verdict) {
    match (request, verdict) {
        (Request::Append { reply, .. }, Verdict::Written(offset)) => drop(reply.send(Ok(*offset))),
        (Request::Offset { reply, .. }, _) => drop(reply.send(Ok(()))),
        (Request::Commit { reply, transaction, .. }, Verdict::Fenced) => drop(reply.send(Err(fenced(transaction.partition)))),
        (Request::Commit { reply, .. }, _) => drop(reply.send(Ok(()))),
        _ => {}
    }
}

fn fenced(partition: Partition) -> CommitError {
    CommitError::Lost(format!("a newer owner has claimed partition {partition}"))
}

fn now_ms() -> TimeMs {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| TimeMs::try_from(since.as_millis()).unwrap_or(TimeMs::MAX))
}

/// However the thread ends, nobody waits for it for ever.
struct Abandon<'a>(&'a Core);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}
