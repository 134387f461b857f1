//! The audit of an embedded log, against reading the same records and doing nothing with them.
//!
//! The real binary: `atelier audit --log-only` as a process, from its start to its answer, with a new
//! temporary state each time.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use atelier_log::embedded::Embedded;
use atelier_log::{Log, Membership, NewRecord, Polled};
use atelier_schemas::Topic;
use uuid::Uuid;

use super::accept::binary;
use crate::harness::{Block, Mark, Outcome, Report, Row, Settings, Target, alternate, cpu_of, ensure};
use crate::life;

const LONG: std::time::Duration = std::time::Duration::from_secs(30);
/// Commands of a transaction.
const BATCH: usize = 1000;
/// As a new embedded log has them.
const PARTITIONS: u32 = 4;
/// Records taken from the log at a time.
const TAKEN: usize = 2000;

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let events = fill(&folder.path().join("log"), settings.restored_events, folder.path())?;
    let mut peak_bytes = 0;
    let compared = alternate(
        settings.pairs,
        |_| Ok(()),
        |()| {
            let (block, peak) = audited(folder.path(), events)?;
            peak_bytes = peak_bytes.max(peak);
            Ok(block)
        },
        |()| raw(&folder.path().join("log"), events),
    )?;
    let what = format!("audit of {}k events (log only), embedded ÷ raw consumer of the same records", events / 1000);
    report.add(Row::compared(&what, "events/s", Target::AtLeast(0.5), &compared));
    let mib = peak_bytes as f64 / f64::from(1 << 20);
    report.add(Row::figure("the same, most memory of the process", mib, "MiB", Target::AtMost(512.0)));
    Ok(())
}

/// Whole lives with their commands, every second one without its delivery. Gives how many events there are.
fn fill(folder: &Path, events: u64, scratch: &Path) -> Outcome<u64> {
    let log = Embedded::open(folder, PARTITIONS)?;
    let mut owner = log.own(Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 })?;
    let mut assigned = 0;
    while assigned < PARTITIONS as usize {
        if let Polled::Assigned(partitions) = owner.poll(1, LONG)? {
            assigned += partitions.len();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut written = 0;
    for partition in 0..PARTITIONS {
        let mut state = life::state(partition, PARTITIONS, scratch)?;
        let mut orders = life::orders_of(partition, PARTITIONS, 13);
        let mut next = 0;
        while written < events / u64::from(PARTITIONS) * (u64::from(partition) + 1) {
            let wave: Vec<Uuid> = orders.by_ref().take(life::WAVE).collect();
            let ended: Vec<Uuid> = wave.iter().copied().step_by(2).collect();
            let commands: Vec<_> = life::wave(&wave, 0..life::STEPS - 1).chain(life::wave(&ended, life::STEPS - 1..life::STEPS)).collect();
            for batch in commands.chunks(BATCH) {
                let records: Vec<NewRecord> = batch.iter().map(atelier_log::client::record_of).collect();
                let appending: Vec<_> = records.into_iter().map(|record| log.append(Topic::Commands, partition, record)).collect();
                runtime.block_on(async {
                    for appended in appending {
                        appended.await?;
                    }
                    Ok::<_, atelier_log::Error>(())
                })?;
                let read: Vec<_> = batch.iter().zip(next..).map(|(command, offset)| life::as_read(command, partition, offset)).collect();
                next += batch.len() as u64;
                let transaction = state.decide(read, 1_790_000_000_000)?;
                written += transaction.records.iter().filter(|(topic, ..)| *topic == Topic::Events).count() as u64;
                owner.commit(&transaction)?;
            }
        }
    }
    Ok(written)
}

/// One run of the program; it has to balance. Also the most memory it had.
fn audited(data: &Path, events: u64) -> Outcome<(Block, u64)> {
    let started = Instant::now();
    let mut child = Command::new(binary()?)
        .args(["audit", "--log-only", "--json", "--log", "embedded", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = String::new();
    child.stdout.take().ok_or("the audit has no output")?.read_to_string(&mut answer)?;
    let (wall_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_of(child.id()));
    let status = child.wait()?;
    // The report's own fields come before those of its partitions.
    let number = |name: &str| -> Outcome<u64> {
        let value = answer.split(&format!("\"{name}\": ")).nth(1).ok_or_else(|| format!("the audit says nothing of {name}: {answer}"))?;
        Ok(value.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default().parse()?)
    };
    ensure(status.success() && number("events")? == events, || format!("the audit of {events} events ended with {status}: {answer}"))?;
    let block = Block { value: events as f64 / wall_s, cpu_s_per_1000: cpu_s / events as f64 * 1000.0, p99_ms: None };
    Ok((block, number("peak_memory_bytes")?))
}

/// Takes every record of every topic from the log and looks at nothing but its length.
fn raw(folder: &Path, events: u64) -> Outcome<Block> {
    let mark = Mark::now();
    let log = Embedded::open_read_only(folder)?;
    let (mut found, mut bytes) = (0, 0);
    for topic in Topic::ALL {
        let ends = (0..PARTITIONS).map(|partition| Ok((partition, log.end(topic, partition)?))).collect::<Outcome<Vec<_>>>()?;
        let mut reader = log.read(topic, &ends.iter().map(|(partition, _)| (*partition, 0)).collect::<Vec<_>>())?;
        while ends.iter().any(|(partition, end)| reader.position(*partition) < *end) {
            for record in reader.poll(TAKEN, LONG)? {
                found += u64::from(topic == Topic::Events);
                bytes += record.key.len() + record.payload.len();
            }
        }
    }
    ensure(found == events && bytes > 0, || format!("{found} events instead of {events}"))?;
    let (wall_s, cpu_s) = Mark::now().since(&mark);
    Ok(Block { value: events as f64 / wall_s, cpu_s_per_1000: cpu_s / events as f64 * 1000.0, p99_ms: None })
}
