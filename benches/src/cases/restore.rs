//! Events back into state, against reading the same events and doing nothing with them; memory of open orders.

use std::path::Path;

use atelier_log::embedded::Embedded;
use atelier_log::{Log, Membership, Polled};
use atelier_runtime::checkpoint::{self, CheckpointStore, InMemory};
use atelier_runtime::{PartitionState, Restored, restore};
use atelier_schemas::Topic;
use rdkafka::Message;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::harness::{Block, Mark, Outcome, Report, Row, Settings, Target, alternate, ensure, resident_bytes};
use crate::kafka::{Bench, raw_reader};
use crate::life;

const LONG: std::time::Duration = std::time::Duration::from_secs(30);
/// Commands of a transaction.
const BATCH: usize = 1000;
/// States of the same log held at once to weigh them.
const WEIGHED: usize = 4;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filled {
    events: u64,
    open: u64,
    closed: u64,
}

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("log");
    let embedded = Embedded::open(&folder, 1)?;
    let filled = fill(&embedded, settings.restored_events, scratch.path())?;
    let file = folder.join("log.sqlite");
    let compared = alternate(
        settings.pairs,
        |_| Ok(()),
        |()| timed(filled.events, || restored(&embedded, filled, None, scratch.path()).map(drop)),
        |()| timed(filled.events, || raw_rows(&file, filled.events)),
    )?;
    let what = format!("restore of {}k events, embedded ÷ raw rows", filled.events / 1000);
    report.add(Row::compared(&what, "events/s", Target::None, &compared));
    let checkpoints = InMemory::default();
    checkpoint::make(&embedded, &checkpoints, &life::settings(0, 1, scratch.path()), || false)?.ok_or("no checkpoint was made")?;
    let compared = alternate(
        settings.pairs,
        |_| Ok(()),
        |()| timed(filled.events, || restored(&embedded, filled, Some(&checkpoints), scratch.path()).map(drop)),
        |()| timed(filled.events, || restored(&embedded, filled, None, scratch.path()).map(drop)),
    )?;
    let what = format!("the same with a checkpoint of all of them, in memory ÷ without; {} orders", filled.open + filled.closed);
    report.add(Row::compared(&what, "events/s", Target::None, &compared));
    weigh(&embedded, filled, scratch.path(), report)?;
    drop(embedded);

    let bench = Bench::start();
    let (prefix, kafka) = bench.log(1)?;
    let filled = fill(&kafka, settings.restored_events, scratch.path())?;
    let compared = alternate(
        settings.pairs,
        |_| Ok(()),
        |()| timed(filled.events, || restored(&kafka, filled, None, scratch.path()).map(drop)),
        |()| timed(filled.events, || raw_messages(&bench.brokers(), &prefix, filled.events)),
    )?;
    let what = format!("restore of {}k events, Kafka ÷ raw consumer", filled.events / 1000);
    report.add(Row::compared(&what, "events/s", Target::AtLeast(0.6), &compared));
    Ok(())
}

/// Writes what an engine would for whole lives, every second order without its delivery: half are open.
fn fill(log: &dyn Log, events: u64, scratch: &Path) -> Outcome<Filled> {
    let mut owner = log.own(Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 })?;
    while !matches!(owner.poll(1, LONG)?, Polled::Assigned(_)) {}
    let mut state = life::state(0, 1, scratch)?;
    let mut filled = Filled { events: 0, open: 0, closed: 0 };
    let mut orders = (0..).map(|number| life::id(number, 11));
    let mut next = 0;
    while filled.events < events {
        let wave: Vec<Uuid> = orders.by_ref().take(life::WAVE).collect();
        let ended: Vec<Uuid> = wave.iter().copied().step_by(2).collect();
        let commands: Vec<_> = life::wave(&wave, 0..life::STEPS - 1).chain(life::wave(&ended, life::STEPS - 1..life::STEPS)).collect();
        for batch in commands.chunks(BATCH) {
            let records: Vec<_> = batch.iter().zip(next..).map(|(command, offset)| life::as_read(command, 0, offset)).collect();
            next += batch.len() as u64;
            let mut transaction = state.decide(records, 1_790_000_000_000)?;
            filled.events += transaction.records.iter().filter(|(topic, ..)| *topic == Topic::Events).count() as u64;
            // Nothing was appended, so nothing is consumed.
            transaction.next_command = 0;
            owner.commit(&transaction)?;
        }
        filled.closed += ended.len() as u64;
        filled.open += (wave.len() - ended.len()) as u64;
    }
    Ok(filled)
}

fn timed(events: u64, act: impl FnOnce() -> Outcome<()>) -> Outcome<Block> {
    let mark = Mark::now();
    act()?;
    let (wall_s, cpu_s) = Mark::now().since(&mark);
    Ok(Block { value: events as f64 / wall_s, cpu_s_per_1000: cpu_s / events as f64 * 1000.0, p99_ms: None })
}

fn restored(log: &dyn Log, filled: Filled, checkpoints: Option<&InMemory>, scratch: &Path) -> Outcome<PartitionState> {
    let store = checkpoints.map(|store| store as &dyn CheckpointStore);
    let Restored { state, events, checkpoint } = restore(log, life::settings(0, 1, scratch), store, || false)?;
    ensure(checkpoint.is_some() == checkpoints.is_some(), || format!("restored with {checkpoint:?}"))?;
    let events = if checkpoint.is_some() { filled.events } else { events };
    let found = Filled { events, open: state.open_orders() as u64, closed: state.closed_orders() };
    ensure(found == filled && state.parked().next().is_none(), || format!("{filled:?} was written and {found:?} restored"))?;
    Ok(state)
}

/// Steps through the rows without copying them.
fn raw_rows(file: &Path, events: u64) -> Outcome<()> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT offset, time, key, kind, traceparent, payload FROM events_0 ORDER BY offset")?;
    let mut rows = statement.query([])?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(2)?.as_bytes()?.len() + row.get_ref(5)?.as_bytes()?.len();
        count += 1;
    }
    ensure(count == events && bytes > 0, || format!("{count} rows instead of {events}"))
}

/// Takes the messages from the client and looks at nothing but their length.
fn raw_messages(brokers: &str, prefix: &str, events: u64) -> Outcome<()> {
    let reader = raw_reader(brokers, prefix, Topic::Events, 1)?;
    let (mut count, mut bytes) = (0, 0);
    while count < events {
        let message = reader.poll(LONG).ok_or("the raw consumer waits in vain")??;
        bytes += message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len);
        count += 1;
    }
    ensure(bytes > 0, || "empty messages".into())
}

/// Several states at once: what the process grows by is theirs and not that of buffers used once.
fn weigh(log: &dyn Log, filled: Filled, scratch: &Path, report: &mut Report) -> Outcome<()> {
    let first = restored(log, filled, None, scratch)?;
    let before = resident_bytes();
    let states: Vec<_> = (0..WEIGHED).map(|_| restored(log, filled, None, scratch)).collect::<Outcome<_>>()?;
    let grown = resident_bytes().saturating_sub(before) as f64 / (states.len() as u64 * filled.open) as f64;
    let counted = first.memory_bytes() as f64 / first.open_orders() as f64;
    let what = format!("memory per open order, counted ({} of 13 commands each)", life::STEPS - 1);
    report.add(Row::figure(&what, counted, "B", Target::AtMost(1024.0)));
    let what =
        format!("the same as resident memory, with as many closed orders beside it ({} open, {} closed)", filled.open, filled.closed);
    report.add(Row::figure(&what, grown, "B", Target::AtMost(1024.0)));
    Ok(())
}
