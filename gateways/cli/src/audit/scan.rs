//! The log against itself and against what an earlier run has seen of it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use atelier_log::{Log, Partition, Record};
use atelier_schemas::{Framed, PricingJob, Topic};

use super::books::{Books, News, Of, Offsets};
use super::ends::{self, End};
use super::partition;
use super::past::{self, Which};
use super::problem::Problem;
use super::stream::{Stream, place};
use crate::Failure;

/// Partitions audited at a time. On Kafka each takes up to 200 MiB of the client's buffers.
const WORKERS: u32 = 2;
/// Orders whose pricing jobs are counted in memory before they are written.
const KEPT_ORDERS: usize = 200_000;

/// What a scan leaves beside the books.
pub(super) struct Scanned {
    pub(super) ends: Vec<End>,
    /// Where each partition's scan began.
    pub(super) from: Vec<Offsets>,
    /// Events audited before.
    pub(super) events_before: u64,
    /// Commands without an outcome so far.
    pub(super) undecided: u64,
}

/// Audits what is new in every partition, and looks whether what was audited before is still what it was.
///
/// # Errors
/// When log or books cannot be read, or the books are of another log.
pub(super) fn scan(log: &dyn Log, books: &Books, which: Which, progress: &AtomicU64) -> Result<Scanned, Failure> {
    books.begin_run()?;
    let mut ends = ends::now(log)?;
    past::belongs(log, books)?;
    let before = (0..log.partitions()).map(|partition| books.summary(partition)).collect::<Result<Vec<_>, _>>()?;
    let from = before.iter().map(|summary| summary.next).collect();
    let events_before = before.iter().map(|summary| summary.counts.events).sum();
    let cut = past::cut(books, &ends)?;
    let undecided = AtomicU64::new(0);
    each_partition(log.partitions(), |partition| {
        past::recheck(log, books, partition, which, ends[partition as usize], progress)?;
        if !cut.contains(&partition) {
            let passed = partition::audit(log, partition, ends[partition as usize], books, progress)?;
            undecided.fetch_add(passed.undecided, Ordering::Relaxed);
        }
        Ok(())
    })?;
    for (partition, end) in (0..).zip(&mut ends) {
        end.of.events = end.of.events.max(books.summary(partition)?.next.events);
        // Whatever was requested by the events passed is there by now, as in `ends`.
        end.of.pricing_jobs = log.end(Topic::PricingJobs, partition)?;
    }
    for partition in (0..log.partitions()).filter(|partition| !cut.contains(partition)) {
        jobs(log, partition, ends[partition as usize], books, progress)?;
    }
    Ok(Scanned { ends, from, events_before, undecided: undecided.into_inner() })
}

/// Runs `act` for every partition on a few threads; the first failure ends the others after their partition.
pub(super) fn each_partition(partitions: u32, act: impl Fn(Partition) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let next = AtomicU32::new(0);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(partitions) {
            scope.spawn(|| {
                loop {
                    let partition = next.fetch_add(1, Ordering::Relaxed);
                    if partition >= partitions || failed().is_some() {
                        return;
                    }
                    if let Err(error) = act(partition) {
                        failed().get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn job(record: &Record) -> Result<u128, String> {
    PricingJob::decode(&record.payload).map(|job| job.order_id.as_u128()).map_err(|error| error.to_string())
}

/// Counts the new pricing jobs of a partition with their orders, which may lie in any other.
fn jobs(log: &dyn Log, partition: Partition, end: End, books: &Books, progress: &AtomicU64) -> Result<(), Failure> {
    let mut summary = books.summary(partition)?;
    let mut jobs = Stream::open(log, (Topic::PricingJobs, partition), (summary.next.pricing_jobs, end.of.pricing_jobs), job, progress)?;
    let mut counted: HashMap<u128, u32> = HashMap::new();
    let mut news = News::default();
    loop {
        let next = jobs.next()?;
        if next.is_none() || counted.len() >= KEPT_ORDERS {
            for (order, count) in counted.drain() {
                let mut facts = books.facts(order)?.unwrap_or_default();
                facts.pricing_jobs += count;
                news.orders.insert(order, facts);
            }
            summary.next.pricing_jobs = next.as_ref().map_or_else(|| jobs.position(), |(record, _)| record.offset);
            books.write(partition, &summary, &mut news)?;
        }
        let Some((record, order)) = next else { return Ok(()) };
        summary.counts.pricing_jobs += 1;
        match order {
            Ok(order) => *counted.entry(order).or_default() += 1,
            Err(error) => news.problems.push(Problem::new("unreadable_job", record.key.clone(), format!("{}: {error}", place(&record)))),
        }
    }
}

/// What a pass over the audited part of a partition finds now, without what the books have already.
pub(super) fn afresh(log: &dyn Log, partition: Partition, end: End, books: &Books, progress: &AtomicU64) -> Result<Vec<Problem>, Failure> {
    let audited = books.summary(partition)?.next.at_most(end.of);
    let temporary = Books::temporary(log.partitions())?;
    partition::audit(log, partition, End { decided: audited.commands, of: audited }, &temporary, progress)?;
    let known: HashSet<Problem> = books.problems(Of::Log)?.collect::<Result<_, _>>()?;
    let found = temporary.problems(Of::Log)?.filter(|problem| !problem.as_ref().is_ok_and(|problem| known.contains(problem)));
    found.collect()
}
