//! Whether what was audited before is still what it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use atelier_log::{Log, Partition};
use atelier_schemas::Topic;

use super::books::{Books, Of};
use super::chain::{Block, Hash, link};
use super::ends::{self, End};
use super::problem::Problem;
use super::report::{Problems, Verified};
use super::scan::{self, each_partition};
use super::stream::Stream;
use crate::Failure;

/// Blocks of a partition looked at again by each of the later runs of `--every`: a million records or so.
const SHARE: u64 = 256;

/// Which of the past is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All of it.
    All,
    /// The share of this turn; turn by turn all of it.
    Share(u64),
}

impl Which {
    fn blocks(self, full: u64) -> (u64, u64) {
        match self {
            Which::All => (0, full),
            Which::Share(turn) => {
                let from = (turn % full.div_ceil(SHARE).max(1)) * SHARE;
                (from, (from + SHARE).min(full))
            }
        }
    }
}

/// Refuses books of another log: no partition begins as they say.
pub(super) fn belongs(log: &dyn Log, books: &Books) -> Result<(), Failure> {
    let (mut known, mut same) = (0, 0);
    for partition in 0..log.partitions() {
        let Some(first) = books.summary(partition)?.chain.first else { continue };
        known += 1;
        let progress = AtomicU64::new(0);
        let end = log.end(Topic::Events, partition)?;
        let mut stream = Stream::open(log, (Topic::Events, partition), (0, end), |_| (), &progress)?;
        same += u32::from(stream.next()?.is_some_and(|(record, ())| link(&Hash::default(), &record) == first));
    }
    if known > 0 && same == 0 {
        return Err("the audit's state belongs to another log: no partition begins with the event it has seen first; \
                    give the right --log and --data, or another folder for the state"
            .into());
    }
    Ok(())
}

/// Partitions that end before what was audited; each is named.
pub(super) fn cut(books: &Books, ends: &[End]) -> Result<HashSet<Partition>, Failure> {
    let mut cut = HashSet::new();
    for (partition, end) in (0..).zip(ends) {
        let had = books.summary(partition)?.next;
        for topic in Topic::ALL.into_iter().filter(|topic| had.of(*topic) > end.of.of(*topic)) {
            cut.insert(partition);
            let id = format!("{topic} partition {partition}");
            let detail = format!("it was audited up to offset {} and ends at {}: its end was removed", had.of(topic), end.of.of(topic));
            books.report(Of::Run, [Problem::new("cut", id, detail)])?;
        }
    }
    Ok(cut)
}

/// Reads the past of a partition again and names what is not what it was.
pub(super) fn recheck(
    log: &dyn Log,
    books: &Books,
    partition: Partition,
    which: Which,
    end: End,
    progress: &AtomicU64,
) -> Result<(), Failure> {
    let broken = broken(log, books, partition, which, end, progress)?;
    if broken.is_empty() {
        return Ok(());
    }
    books.report(Of::Run, broken)?;
    books.report(Of::Run, scan::afresh(log, partition, end, books, progress)?)
}

fn broken(
    log: &dyn Log,
    books: &Books,
    partition: Partition,
    which: Which,
    end: End,
    progress: &AtomicU64,
) -> Result<Vec<Problem>, Failure> {
    let summary = books.summary(partition)?;
    let (from, to) = which.blocks(summary.chain.blocks);
    let mut head = if from == 0 { Hash::default() } else { books.block(partition, from - 1)?.head };
    let start = if from == 0 { 0 } else { books.block(partition, from - 1)?.end };
    let audited = summary.next.events.min(end.of.events);
    let mut stream = Stream::open(log, (Topic::Events, partition), (start, audited), |_| (), progress)?;
    let mut problems = Vec::new();
    let full = (from..to).map(|number| books.block(partition, number));
    let open = if to == summary.chain.blocks { summary.chain.open_block(summary.next.events) } else { None };
    for block in full.chain(open.map(Ok)) {
        let block = block?;
        let (mut records, mut now) = (0_u32, head);
        while stream.peek()?.is_some_and(|(record, ())| record.offset < block.end) {
            let Some((record, ())) = stream.next()? else { break };
            now = link(&now, &record);
            records += 1;
        }
        if now != block.head || records != block.records {
            problems.push(altered(partition, &block, records));
        }
        // The next block is judged by itself.
        head = block.head;
    }
    Ok(problems)
}

fn altered(partition: Partition, block: &Block, records: u32) -> Problem {
    let id = format!("orders.events partition {partition} offsets {} to {}", block.start, block.end - 1);
    let detail = match records.cmp(&block.records) {
        std::cmp::Ordering::Equal => format!("at least one of its {records} events was altered after it was audited (their hash differs)"),
        std::cmp::Ordering::Less => {
            format!("{} of its {} events were removed after they were audited", block.records - records, block.records)
        }
        std::cmp::Ordering::Greater => format!("{} events were slipped in between the {} audited", records - block.records, block.records),
    };
    Problem::new("altered", id, detail)
}

/// `atelier audit --verify`: only the past.
pub(super) fn verify(log: &dyn Log, books: &Arc<Books>, progress: &AtomicU64) -> Result<Verified, Failure> {
    books.begin_run()?;
    belongs(log, books)?;
    let ends = ends::now(log)?;
    cut(books, &ends)?;
    each_partition(log.partitions(), |partition| recheck(log, books, partition, Which::All, ends[partition as usize], progress))?;
    let mut events = 0;
    for partition in 0..log.partitions() {
        events += books.summary(partition)?.counts.events;
    }
    Ok(Verified { intact: books.problem_count(Of::Run)? == 0, events, problems: Problems::of(books, &[Of::Run]) })
}
