//! What deadlines cost an engine: their share of the CPU of its thread.
//!
//! The engine's thread is driven at a steady rate with commands that each move a deadline. What of that goes to deadlines
//! is then measured by itself, with the same orders: working out the deadline before and after, moving it in the sorted
//! set, and asking for the soonest as often as a turn does, as if every command had a turn of its own.

use std::time::{Duration, Instant};

use atelier_domain::{Order, Policy, deadline};
use atelier_log::client::record_of;
use atelier_log::{Log, Partition};
use atelier_runtime::{Engine, EngineSettings, GROUP, Timers};
use atelier_schemas::Topic;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use super::standing;
use crate::harness::{Outcome, Report, Row, Settings, Target, cpu_of_this_thread, cpu_of_threads, ensure};
use crate::life;

/// Commands per second.
const RATE: f64 = 2000.0;
const PARTITION: Partition = 0;
const PATIENCE: Duration = Duration::from_secs(120);
/// Questions for the soonest deadline in a turn: how long to wait, and whether it has passed.
const ASKED: usize = 2;
/// The engine's threads are called so.
const THREADS: &str = "engine-";

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let commands = ((RATE * settings.block_s * settings.pairs as f64) as usize).min(standing::OPEN);
    let engine = engine_cpu_s(commands, folder.path())?;
    let timers = timers_cpu_s(commands, folder.path())?;
    let each = |seconds: f64| seconds / commands as f64 * 1e6;
    let what = format!(
        "deadlines' share of the CPU of the engine's thread at {RATE}/s, {}k open orders ({:.2} of {:.1} µs a command)",
        standing::OPEN / 1000,
        each(timers),
        each(engine)
    );
    report.add(Row::figure(&what, timers / engine * 100.0, "%", Target::AtMost(5.0)));
    Ok(())
}

/// CPU-seconds of the engine's thread for so many commands.
fn engine_cpu_s(commands: usize, folder: &std::path::Path) -> Outcome<f64> {
    let log = standing::log(folder)?;
    let settings = EngineSettings::new(folder.join("scratch"), Policy::default());
    let metrics = atelier_runtime::Metrics::register(&mut Registry::default());
    let engine = Engine::start(log.clone(), &settings, standing::clock(), metrics)?;
    let runtime = tokio::runtime::Runtime::new()?;
    // Several are on their way at a time, as gateways send them.
    let append =
        |number: usize| runtime.spawn(log.append(Topic::Commands, PARTITION, record_of(&life::command(standing::order(number), 1))));
    let decided = |count: u64| -> Outcome<()> {
        let started = Instant::now();
        while log.committed(GROUP, PARTITION)? < count {
            ensure(started.elapsed() < PATIENCE, || format!("the engine has not decided {count} commands"))?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    // The first one is decided once everything is restored.
    runtime.block_on(append(commands - 1))??;
    decided(1)?;
    let before = cpu_of_threads(THREADS);
    let start = Instant::now();
    let mut appended = Vec::with_capacity(commands);
    for number in 0..commands - 1 {
        let due = start + Duration::from_secs_f64(number as f64 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        appended.push(append(number));
    }
    for appended in appended {
        runtime.block_on(appended)??;
    }
    decided(commands as u64)?;
    let took = start.elapsed().as_secs_f64();
    ensure(took < commands as f64 / RATE * 1.2, || format!("the rate was not kept: {commands} commands took {took:.1} s"))?;
    let spent = cpu_of_threads(THREADS) - before;
    engine.stop();
    engine.join()?;
    ensure(spent > 0.0, || "the system does not tell the CPU time of threads".into())?;
    Ok(spent)
}

/// CPU-seconds for what their deadlines take.
fn timers_cpu_s(commands: usize, folder: &std::path::Path) -> Outcome<f64> {
    let policy = Policy::default();
    let now = standing::clock()();
    let mut state = life::state(PARTITION, 1, folder)?;
    let ids: Vec<Uuid> = (0..standing::OPEN).map(standing::order).collect();
    let mut orders = |step: usize, count: usize, at: i64| -> Outcome<Vec<Order>> {
        let first = state.next_command();
        let records: Vec<_> = life::wave(&ids[..count], step..step + 1)
            .zip(first..)
            .map(|(command, offset)| life::as_read(&command, PARTITION, offset))
            .collect();
        state.decide(records, at)?;
        let found: Result<Option<Vec<Order>>, _> = ids[..count].iter().map(|id| state.order(id)).collect();
        Ok(found?.ok_or("an order is missing")?)
    };
    let begun = orders(0, ids.len(), now)?;
    let moved = orders(1, commands, now + 1000)?;
    let mut timers = Timers::all(ids.iter().zip(&begun).filter_map(|(id, order)| Some((deadline(order, &policy)?.at, *id))));
    let before = cpu_of_this_thread();
    for ((id, begun), moved) in ids.iter().zip(&begun).zip(&moved) {
        let at = |order: &Order| deadline(order, &policy).map(|deadline| deadline.at);
        timers.moved(*id, at(begun), at(moved));
        for _ in 0..ASKED {
            std::hint::black_box(timers.next());
        }
    }
    Ok(cpu_of_this_thread() - before)
}
