//! How long an owner's death is felt: from the SIGKILL until a reader of committed records has, from every partition,
//! the outcome of a command that was appended after it.
//!
//! The real binary: two `atelier engine` processes on Kafka, of which one owns everything. Once that is killed and comes
//! back at once under its name, once it stays away and the other takes over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atelier_log::{Log, Partition, Reader, client::record_of};
use atelier_schemas::{Framed, Outcome as Answer, Topic, partition_of};

use super::accept::Role;
use crate::harness::{Outcome, Report, Row, Settings, Target, ensure};
use crate::kafka::{Bench, PARTITIONS};
use crate::life;

/// Between two rounds of commands, one to each partition.
const EVERY: Duration = Duration::from_millis(10);
const POLL: Duration = Duration::from_millis(5);
/// Both engines have their share again within it.
const SETTLE: Duration = Duration::from_secs(10);
const GIVE_UP: Duration = Duration::from_secs(90);
/// A killed owner's session; see `Config::session_timeout_ms`.
const SESSION_MS: f64 = 6_000.0;
const GRACE_MS: f64 = 2_000.0;

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let bench = Bench::start();
    let folder = tempfile::tempdir()?;
    let (prefix, log) = bench.log(PARTITIONS)?;
    let log: Arc<dyn Log> = Arc::new(log);
    let engine = |name: &str| Role::start(&["engine", "--instance", name], &bench.brokers(), &prefix, folder.path() as &Path);
    let flow = Flow::start(log.clone());
    let mut follower = Follower::start(log)?;
    // Whoever comes first owns every partition, and the group moves none to one that comes later.
    let (mut owner, mut name, mut other) = (engine("first")?, "first", "second");
    follower.until_all_move(Instant::now())?;
    let mut standby = engine(other)?;
    let (mut back, mut taken_over) = (Vec::new(), Vec::new());
    for _ in 0..settings.pairs {
        std::thread::sleep(SETTLE);
        let killed = Instant::now();
        drop(owner);
        owner = engine(name)?;
        back.push(follower.until_all_move(killed)?);
        std::thread::sleep(SETTLE);
        let killed = Instant::now();
        drop(owner);
        taken_over.push(follower.until_all_move(killed)?);
        (owner, standby) = (standby, engine(name)?);
        (name, other) = (other, name);
    }
    flow.stop()?;
    drop((owner, standby));
    let mut row = |what: &str, times: &[Duration], at_most_ms: f64| {
        let longest = times.iter().max().copied().unwrap_or_default().as_secs_f64() * 1000.0;
        let all: Vec<String> = times.iter().map(|time| format!("{:.1}", time.as_secs_f64())).collect();
        let what = format!("{what}, longest of {} s", all.join(", "));
        report.add(Row::figure(&what, longest, "ms", Target::AtMost(at_most_ms)));
    };
    row("SIGKILL of an engine, back at once under its name → committed outcomes of every partition", &back, GRACE_MS);
    row("SIGKILL of an engine, another takes over → committed outcomes of every partition", &taken_over, SESSION_MS + GRACE_MS);
    Ok(())
}

/// Commands without end, to every partition alike.
struct Flow {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Flow {
    fn start(log: Arc<dyn Log>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let thread = std::thread::spawn(move || {
            let mut orders = (0..).map(|number| life::id(number, 23));
            while !stop.load(Ordering::Relaxed) {
                for partition in 0..PARTITIONS {
                    let Some(order) = orders.by_ref().find(|order| partition_of(order, PARTITIONS) == partition) else { return };
                    // Appended all the same when nobody waits for it.
                    drop(log.append(Topic::Commands, partition, record_of(&life::command(order, 0))));
                }
                std::thread::sleep(EVERY);
            }
        });
        Self { stopping, thread }
    }

    fn stop(self) -> Outcome<()> {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the flow of commands panicked".into())
    }
}

/// Reads committed outcomes from now on.
struct Follower {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
}

impl Follower {
    fn start(log: Arc<dyn Log>) -> Outcome<Self> {
        let from: Vec<(Partition, u64)> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let reader = log.read(Topic::Outcomes, &from)?;
        Ok(Self { log, reader })
    }

    /// How long after `since` every partition had the outcome of a command that was not there then.
    fn until_all_move(&mut self, since: Instant) -> Outcome<Duration> {
        let ends: Vec<u64> =
            (0..PARTITIONS).map(|partition| self.log.end(Topic::Commands, partition)).collect::<Result<_, atelier_log::Error>>()?;
        let mut moved = vec![false; ends.len()];
        while moved.contains(&false) {
            ensure(since.elapsed() < GIVE_UP, || "a partition stands still".into())?;
            for record in self.reader.poll(1000, POLL)? {
                let partition = record.partition as usize;
                moved[partition] |= Answer::decode(&record.payload)?.command_offset.unsigned_abs() >= ends[partition];
            }
        }
        Ok(since.elapsed())
    }
}
