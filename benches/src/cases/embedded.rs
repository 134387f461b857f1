//! The embedded log against a bare SQLite transaction of the same rows.
//!
//! Commands are appended, then batch by batch their events and outcomes are committed with the offset, each
//! batch one synced transaction (WAL, `synchronous=FULL`, prepared inserts, a table per topic). Only those
//! transactions are timed: how appends fall into groups depends on who sends them.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use atelier_log::embedded::Embedded;
use atelier_log::{Log, Membership, NewRecord, Owner, Polled, Transaction};
use atelier_schemas::Topic;
use rusqlite::{Connection, params};

use crate::harness::{Block, Mark, Outcome, Report, Row, Settings, Target, alternate, ensure};
use crate::life;

/// Commands appended before their batches are committed under the watch: many, so that what SQLite puts off
/// (a checkpoint of the appended rows) falls into few of the timed transactions.
const AHEAD: usize = 20_000;
/// Commands of a batch.
const BATCHES: [usize; 2] = [50, 1000];
const LONG: std::time::Duration = std::time::Duration::from_secs(30);

/// The records of one round.
struct Rows {
    commands: Vec<NewRecord>,
    written: Vec<(Topic, u32, NewRecord)>,
}

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    for batch in BATCHES {
        let rows = rows(batch)?;
        let folder = tempfile::tempdir()?;
        let ours = RefCell::new(Ours::open(&folder.path().join("ours"))?);
        let bare = RefCell::new(Bare::open(&folder.path().join("bare.sqlite"))?);
        // The files grow to their usual size first.
        ours.borrow_mut().spell(&rows)?;
        bare.borrow_mut().spell(&rows)?;
        let compared = alternate(
            settings.pairs,
            |_| Ok(()),
            |()| {
                let block = timed(settings, || ours.borrow_mut().spell(&rows))?;
                ours.borrow().check(&rows)?;
                Ok(block)
            },
            |()| {
                let block = timed(settings, || bare.borrow_mut().spell(&rows))?;
                bare.borrow().check(&rows)?;
                Ok(block)
            },
        )?;
        let what = format!("embedded log ÷ bare SQLite transaction of the same rows, batches of {batch}");
        report.add(Row::compared(&what, "commands/s", Target::AtLeast(0.7), &compared));
    }
    Ok(())
}

/// Commands and what an engine writes for them: one event and one outcome each.
fn rows(batch: usize) -> Outcome<Rows> {
    let folder = tempfile::tempdir()?;
    let mut state = life::state(0, 1, folder.path())?;
    let commands: Vec<_> = (0..batch as u64).map(|number| life::command(life::id(number, 3), 0)).collect();
    let records: Vec<_> = commands.iter().zip(0..).map(|(command, offset)| life::as_read(command, 0, offset)).collect();
    let written = state.decide(records, 1_790_000_000_000)?.records;
    Ok(Rows { commands: commands.iter().map(atelier_log::client::record_of).collect(), written })
}

fn timed(settings: &Settings, mut spell: impl FnMut() -> Outcome<Cost>) -> Outcome<Block> {
    let started = Instant::now();
    let (mut commands, mut wall_s, mut cpu_s) = (0.0, 0.0, 0.0);
    while started.elapsed().as_secs_f64() < settings.block_s {
        let cost = spell()?;
        wall_s += cost.0;
        cpu_s += cost.1;
        commands += AHEAD as f64;
    }
    Ok(Block { value: commands / wall_s, cpu_s_per_1000: cpu_s / commands * 1000.0, p99_ms: None })
}

/// Wall and CPU seconds of the transactions of one spell.
type Cost = (f64, f64);

struct Ours {
    log: Embedded,
    owner: Box<dyn Owner>,
    runtime: tokio::runtime::Runtime,
    consumed: u64,
}

impl Ours {
    fn open(folder: &Path) -> Outcome<Self> {
        let log = Embedded::open(folder, 1)?;
        let mut owner = log.own(Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 })?;
        ensure(matches!(owner.poll(1, LONG)?, Polled::Assigned(_)), || "the partition was not assigned".into())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { log, owner, runtime, consumed: 0 })
    }

    fn spell(&mut self, rows: &Rows) -> Outcome<Cost> {
        let batches = AHEAD / rows.commands.len();
        let commands = std::iter::repeat_n(&rows.commands, batches).flatten();
        let appending: Vec<_> = commands.map(|record| self.log.append(Topic::Commands, 0, record.clone())).collect();
        self.runtime.block_on(async {
            for appended in appending {
                appended.await?;
            }
            Ok::<_, atelier_log::Error>(())
        })?;
        let transactions: Vec<_> = (0..batches)
            .map(|_| {
                self.consumed += rows.commands.len() as u64;
                Transaction { partition: 0, records: rows.written.clone(), next_command: self.consumed }
            })
            .collect();
        let mark = Mark::now();
        for transaction in &transactions {
            self.owner.commit(transaction)?;
        }
        Ok(Mark::now().since(&mark))
    }

    fn check(&self, rows: &Rows) -> Outcome<()> {
        let count = |topic| self.log.end(topic, 0);
        let found =
            (count(Topic::Commands)?, count(Topic::Events)?, count(Topic::Outcomes)?, self.log.committed(atelier_runtime::GROUP, 0)?);
        let each = self.consumed;
        ensure(found == (each, each, each, each), || format!("{each} commands, events, outcomes were written, {found:?} are there"))?;
        let mut reader = self.log.read(Topic::Events, &[(0, each - rows.commands.len() as u64)])?;
        let last = reader.poll(rows.commands.len(), LONG)?;
        let same = last.iter().map(|record| &record.payload).eq(events(rows).map(|record| &record.payload));
        ensure(same, || "the last events are not the ones written".into())
    }
}

fn events(rows: &Rows) -> impl Iterator<Item = &NewRecord> {
    rows.written.iter().filter(|(topic, ..)| *topic == Topic::Events).map(|(.., record)| record)
}

/// Nothing but SQLite, with the same tuning.
struct Bare {
    connection: Connection,
    next: [i64; 3],
}

const TABLES: [&str; 3] = ["commands", "events", "outcomes"];

impl Bare {
    fn open(file: &Path) -> Outcome<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA cache_size = -32768;
             CREATE TABLE consumed (next INTEGER NOT NULL) STRICT; INSERT INTO consumed VALUES (0);",
        )?;
        for table in TABLES {
            connection.execute_batch(&format!(
                "CREATE TABLE {table} (offset INTEGER PRIMARY KEY, time INTEGER NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, \
                 traceparent TEXT, payload BLOB NOT NULL) STRICT"
            ))?;
        }
        Ok(Self { connection, next: [0; 3] })
    }

    fn spell(&mut self, rows: &Rows) -> Outcome<Cost> {
        let batches = AHEAD / rows.commands.len();
        let first = self.next[0];
        self.write(std::iter::repeat_n(&rows.commands, batches).flatten().map(|record| (0, record)), None)?;
        let mark = Mark::now();
        for batch in 1..=batches {
            let written = rows.written.iter().map(|(topic, _, record)| (if *topic == Topic::Events { 1 } else { 2 }, record));
            self.write(written, Some(first + (batch * rows.commands.len()) as i64))?;
        }
        Ok(Mark::now().since(&mark))
    }

    fn write<'a>(&mut self, records: impl Iterator<Item = (usize, &'a NewRecord)>, consumed: Option<i64>) -> Outcome<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        {
            let insert = |table| format!("INSERT INTO {table} (offset, time, key, kind, traceparent, payload) VALUES (?, ?, ?, ?, ?, ?)");
            let mut inserts = Vec::with_capacity(TABLES.len());
            for table in TABLES {
                inserts.push(self.connection.prepare_cached(&insert(table))?);
            }
            for (table, record) in records {
                let row = params![self.next[table], 1_790_000_000_000_i64, record.key, record.kind, record.traceparent, record.payload];
                inserts[table].execute(row)?;
                self.next[table] += 1;
            }
        }
        if let Some(consumed) = consumed {
            self.connection.prepare_cached("UPDATE consumed SET next = ?")?.execute([consumed])?;
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn check(&self, rows: &Rows) -> Outcome<()> {
        for (table, next) in TABLES.iter().zip(self.next) {
            let count: i64 = self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
            ensure(count == next && next % rows.commands.len() as i64 == 0, || format!("{table} has {count} rows instead of {next}"))?;
        }
        Ok(())
    }
}
