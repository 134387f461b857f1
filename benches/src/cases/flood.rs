//! A backlog of commands: the engine against a bare consume → produce → commit loop.
//!
//! Both read the same commands and write records of the same sizes; the engine decides them. The
//! backlog is whole lives of orders, so orders also end and go to the index on disk. The watch runs
//! from the moment both workers have their partitions and some commands prefetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atelier_log::Log;
use atelier_runtime::EngineHandle;
use atelier_schemas::{Event, Framed, Outcome as Answer, OutcomeResult, Topic};
use rdkafka::Message;
use tempfile::TempDir;
use uuid::Uuid;

use crate::harness::{Block, Outcome, Report, Row, Settings, Target, alternate, ensure};
use crate::kafka::{Bare, Bench, PARTITIONS, Script, Watched, Window, engine, flood, raw_reader};
use crate::life;

/// About what either side does; sets the length of a block.
const COMMANDS_PER_S: f64 = 50_000.0;
const PREFETCH: Duration = Duration::from_millis(700);
const POLL: Duration = Duration::from_millis(500);
/// What is in the log is read within this many empty polls.
const EMPTY_POLLS: u32 = 60;

/// One backlog and who works it off.
struct Backlog {
    prefix: String,
    commands: u64,
    engine: Option<EngineHandle>,
    log: Arc<Watched>,
    _index: TempDir,
}

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let bench = Bench::start();
    let brokers = bench.brokers();
    let script = Arc::new(Script::new(life::STEPS)?);
    let per_wave = PARTITIONS as usize * life::WAVE * life::STEPS;
    let waves = ((COMMANDS_PER_S * settings.block_s) as usize).div_ceil(per_wave);
    let mut ours = |backlog: &mut Backlog| -> Outcome<Block> {
        std::thread::sleep(PREFETCH);
        let window = &backlog.log.window;
        window.start();
        let (wall_s, cpu_s, transactions) = window.wait()?;
        eprintln!("  {} commands a transaction", backlog.commands / transactions.max(1));
        if let Some(engine) = backlog.engine.take() {
            engine.stop();
            engine.join()?;
        }
        check_ours(backlog.log.as_ref(), backlog.commands)?;
        Ok(block(backlog.commands, wall_s, cpu_s))
    };
    let mut bare = |backlog: &mut Backlog| -> Outcome<Block> {
        let (prefix, _log) = bench.log(PARTITIONS)?;
        let window = Window::new(backlog.commands);
        let bare = Bare::start(&brokers, &backlog.prefix, &prefix, &script, Some(&window));
        std::thread::sleep(PREFETCH);
        window.start();
        let result = window.wait();
        bare.stop()?;
        let (wall_s, cpu_s, _) = result?;
        let lives = backlog.commands / life::STEPS as u64;
        check_bare(&brokers, &prefix, Topic::Events, lives * life::EVENTS as u64)?;
        check_bare(&brokers, &prefix, Topic::Outcomes, backlog.commands)?;
        Ok(block(backlog.commands, wall_s, cpu_s))
    };
    // The broker's first seconds are those of its compiler.
    alternate(1, |_| backlog(&bench, u64::MAX, waves), &mut ours, &mut bare)?;
    let compared = alternate(settings.pairs, |pair| backlog(&bench, pair as u64, waves), &mut ours, &mut bare)?;
    let what = format!("engine on Kafka, backlog ÷ bare rdkafka loop; {} B written per command", script.bytes() / life::STEPS);
    report.add(Row::compared(&what, "commands/s", Target::AtLeast(0.7), &compared));
    Ok(())
}

fn block(commands: u64, wall_s: f64, cpu_s: f64) -> Block {
    Block { value: commands as f64 / wall_s, cpu_s_per_1000: cpu_s / commands as f64 * 1000.0, p99_ms: None }
}

fn backlog(bench: &Bench, pair: u64, waves: usize) -> Outcome<Backlog> {
    let (prefix, log) = bench.log(PARTITIONS)?;
    let index = tempfile::tempdir()?;
    let expected = (waves * PARTITIONS as usize * life::WAVE * life::STEPS) as u64;
    let (engine, log) = engine(log, &Window::new(expected), index.path())?;
    let mut commands = 0;
    for partition in 0..PARTITIONS {
        let mut orders = life::orders_of(partition, PARTITIONS, pair);
        for _ in 0..waves {
            let orders: Vec<Uuid> = orders.by_ref().take(life::WAVE).collect();
            commands += flood(&bench.brokers(), &prefix, PARTITIONS, life::wave(&orders, 0..life::STEPS))?;
        }
    }
    ensure(commands == expected, || format!("{commands} of {expected} commands were appended"))?;
    Ok(Backlog { prefix, commands, engine: Some(engine), log, _index: index })
}

/// One outcome per command, in the commands' order, all accepted; each order's events without a gap.
fn check_ours(log: &dyn Log, commands: u64) -> Outcome<()> {
    let mut next = vec![0; PARTITIONS as usize];
    let outcomes = read(log, Topic::Outcomes, commands, |partition, payload| {
        let outcome = Answer::decode(payload)?;
        let expected = &mut next[partition as usize];
        ensure(outcome.command_offset == *expected, || {
            format!("the outcome after command {expected} of partition {partition} is of command {}", outcome.command_offset)
        })?;
        *expected += 1;
        ensure(matches!(outcome.result, OutcomeResult::Accepted { repeated: false, .. }), || format!("refused: {:?}", outcome.result))
    })?;
    let mut versions: HashMap<Uuid, i64> = HashMap::new();
    let events = commands / life::STEPS as u64 * life::EVENTS as u64;
    let found = read(log, Topic::Events, events, |_, payload| {
        let event = Event::decode(payload)?;
        let version = versions.entry(event.order_id).or_default();
        *version += 1;
        ensure(event.version == *version, || format!("event {} of {} follows event {}", event.version, event.order_id, *version - 1))
    })?;
    ensure(outcomes == commands && found == events, || {
        format!("{commands} commands have {outcomes} outcomes and {found} events instead of {events}")
    })
}

fn read(log: &dyn Log, topic: Topic, expected: u64, mut each: impl FnMut(u32, &[u8]) -> Outcome<()>) -> Outcome<u64> {
    let from: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let mut reader = log.read(topic, &from)?;
    let (mut found, mut empty) = (0, 0);
    while found < expected && empty < EMPTY_POLLS {
        let records = reader.poll(10_000, POLL)?;
        empty = if records.is_empty() { empty + 1 } else { 0 };
        for record in &records {
            each(record.partition, &record.payload)?;
            found += 1;
        }
    }
    Ok(found + reader.poll(10_000, POLL)?.len() as u64)
}

fn check_bare(brokers: &str, prefix: &str, topic: Topic, expected: u64) -> Outcome<()> {
    let reader = raw_reader(brokers, prefix, topic, PARTITIONS)?;
    let (mut found, mut empty) = (0, 0);
    while empty < if found < expected { EMPTY_POLLS } else { 1 } {
        match reader.poll(POLL) {
            Some(message) => {
                ensure(message?.payload().is_some(), || "the bare loop wrote an empty record".into())?;
                (found, empty) = (found + 1, 0);
            }
            None => empty += 1,
        }
    }
    ensure(found == expected, || format!("the bare loop wrote {found} {topic} instead of {expected}"))
}
