//! What the audit knows, in a file: a summary per partition, the blocks of its chain, one small row per
//! order, a check per answered command, and the problems found. With `--state` the file stays and the next
//! run goes on from it; without, it goes with the run. Memory stays the same however long the log is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use atelier_domain::{Stage, Status};
use atelier_log::Partition;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::chain::{Block, Chain};
use super::problem::Problem;
use super::shown;
use crate::Failure;

const FILE: &str = "audit.redb";
const FORMAT: u64 = 2;
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Problems of the run kept in memory before they are written.
const FOUND: usize = 1000;

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const SUMMARIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("summaries");
const BLOCKS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("blocks");
const ORDERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("orders");
const ANSWERS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("answers");
/// Of the log; they stay.
const LASTING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("problems");
/// Of the read models and of a check of the past; each run finds them anew.
const PASSING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("problems_of_the_run");

/// Where the audit of a partition stands, by topic: the next offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offsets {
    pub(crate) commands: u64,
    pub(crate) outcomes: u64,
    pub(crate) events: u64,
    pub(crate) pricing_jobs: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) commands: u64,
    pub(super) applied: u64,
    pub(super) repeated: u64,
    pub(super) refused: u64,
    pub(super) events: u64,
    pub(super) pricing_jobs: u64,
}

/// What is known of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) next: Offsets,
    pub(super) counts: Counts,
    pub(super) chain: Chain,
    /// The latest time an outcome was given.
    pub(super) newest_ms: i64,
}

/// What the log says of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Of its last event; 0 when only a pricing job speaks of it.
    pub(super) version: i64,
    pub(super) status: Option<Status>,
    pub(super) stage: Option<Stage>,
    pub(super) held: bool,
    /// A partner's.
    pub(super) partner: bool,
    pub(super) pricing_requested: u32,
    pub(super) pricing_jobs: u32,
    /// Of a partner's sandbox.
    pub(super) sandbox: bool,
}

/// What a pass over a partition has learnt since it was last written.
#[derive(Default)]
pub(super) struct News {
    pub(super) orders: HashMap<u128, Facts>,
    pub(super) blocks: Vec<(u64, Block)>,
    pub(super) answers: HashMap<u64, Answers>,
    pub(super) problems: Vec<Problem>,
    /// Places of unreadable events that do not count, as an event of their order says.
    pub(super) skipped: Vec<String>,
}

/// Kind of the problem that ends when somebody says that the record does not count.
pub(super) const UNREADABLE_EVENT: &str = "unreadable_event";

/// Which problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The log: they stay in the state.
    Log,
    /// This run.
    Run,
}

impl Of {
    fn table(self) -> TableDefinition<'static, u64, &'static [u8]> {
        match self {
            Of::Log => LASTING,
            Of::Run => PASSING,
        }
    }
}

/// The file.
pub(super) struct Books {
    pub(super) database: Database,
    /// Removes the folder of a run without `--state`; after the database that lies in it.
    _temporary: Option<tempfile::TempDir>,
}

impl Books {
    /// New, in a folder that goes with the value.
    pub(super) fn temporary(partitions: u32) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("atelier-audit-")
            .tempdir()
            .map_err(|error| format!("the audit needs a temporary folder: {error}; set TMPDIR to one with space, or give --state"))?;
        let path = folder.path().join(FILE);
        Self::open(&path, partitions, Some(folder))
    }

    /// The state in `folder`, made when it is not there yet.
    pub(super) fn at(folder: &Path, partitions: u32) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --state", folder.display()))?;
        Self::open(&folder.join(FILE), partitions, None)
    }

    /// The state that must be in `folder`.
    pub(super) fn existing(folder: &Path, partitions: u32) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(format!("there is no state of an audit in {}; `atelier audit --state` makes one", folder.display()).into());
        }
        Self::open(&path, partitions, None)
    }

    fn open(path: &PathBuf, partitions: u32, temporary: Option<tempfile::TempDir>) -> Result<Self, Failure> {
        let unusable = |error: redb::DatabaseError| {
            format!(
                "the audit's state {} cannot be used: {error}; is another audit running on it? Else give another folder",
                path.display()
            )
        };
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(unusable)?;
        let writing = database.begin_write()?;
        {
            let mut about = writing.open_table(ABOUT)?;
            let known = |about: &redb::Table<'_, &str, u64>, key| -> Result<Option<u64>, Failure> {
                Ok(about.get(key)?.map(|value| value.value()))
            };
            let (format, had) = (known(&about, "format")?, known(&about, "partitions")?);
            if format.is_some_and(|format| format != FORMAT) {
                return Err(format!("the audit's state {} is of another version; give another folder", path.display()).into());
            }
            if let Some(had) = had.filter(|had| *had != u64::from(partitions)) {
                return Err(format!(
                    "the audit's state {} is of a log with {had} partitions and this one has {partitions}: it belongs to another log; \
                     give the right --log and --data, or another folder",
                    path.display()
                )
                .into());
            }
            about.insert("format", FORMAT)?;
            about.insert("partitions", u64::from(partitions))?;
            writing.open_table(SUMMARIES)?;
            writing.open_table(BLOCKS)?;
            writing.open_table(ORDERS)?;
            writing.open_table(ANSWERS)?;
            writing.open_table(LASTING)?;
            writing.delete_table(PASSING)?;
            writing.open_table(PASSING)?;
        }
        writing.commit()?;
        Ok(Self { database, _temporary: temporary })
    }

    /// Forgets what only the run before has found.
    pub(super) fn begin_run(&self) -> Result<(), Failure> {
        let writing = self.database.begin_write()?;
        writing.delete_table(PASSING)?;
        writing.open_table(PASSING)?;
        shown::begin_run(&writing)?;
        Ok(writing.commit()?)
    }

    /// What is known of a partition; nothing yet is all zeros.
    pub(super) fn summary(&self, partition: Partition) -> Result<Summary, Failure> {
        let table = self.database.begin_read()?.open_table(SUMMARIES)?;
        let found = table.get(partition)?;
        found.map_or_else(|| Ok(Summary::default()), |bytes| read(bytes.value()))
    }

    /// A full block.
    pub(super) fn block(&self, partition: Partition, number: u64) -> Result<Block, Failure> {
        let table = self.database.begin_read()?.open_table(BLOCKS)?;
        let found = table.get((partition, number))?;
        read(found.ok_or("the audit's state lacks a block of its chain; remove the folder to begin anew")?.value())
    }

    /// What is known of an order.
    pub(super) fn facts(&self, order: u128) -> Result<Option<Facts>, Failure> {
        let table = self.database.begin_read()?.open_table(ORDERS)?;
        let found = table.get(order)?;
        found.map(|bytes| read(bytes.value())).transpose()
    }

    /// At most `limit` orders whose ids come after `after`, by id.
    pub(super) fn orders_after(&self, after: Option<u128>, limit: usize) -> Result<Vec<(u128, Facts)>, Failure> {
        let table = self.database.begin_read()?.open_table(ORDERS)?;
        let first = match after {
            Some(u128::MAX) => return Ok(Vec::new()),
            Some(after) => after + 1,
            None => 0,
        };
        let rows = table.range(first..)?.take(limit).map(|row| {
            let (id, facts) = row?;
            Ok((id.value(), read(facts.value())?))
        });
        rows.collect()
    }

    /// The checks of a stretch of a partition's commands.
    pub(super) fn answers(&self, partition: Partition, stretch: u64) -> Result<Option<Answers>, Failure> {
        let table = self.database.begin_read()?.open_table(ANSWERS)?;
        let found = table.get((partition, stretch))?;
        Ok(found.map(|bytes| Answers::read(bytes.value())))
    }

    /// Every stretch of a partition, with its number.
    pub(super) fn all_answers(
        &self,
        partition: Partition,
    ) -> Result<impl Iterator<Item = Result<(u64, Answers), Failure>> + use<>, Failure> {
        let table = self.database.begin_read()?.open_table(ANSWERS)?;
        let rows = table.range((partition, 0)..=(partition, u64::MAX))?;
        Ok(rows.map(|row| {
            let (key, bytes) = row?;
            Ok((key.value().1, Answers::read(bytes.value())))
        }))
    }

    /// Writes what a pass has learnt and where it stands: both or nothing.
    pub(super) fn write(&self, partition: Partition, summary: &Summary, news: &mut News) -> Result<(), Failure> {
        let writing = self.database.begin_write()?;
        {
            writing.open_table(SUMMARIES)?.insert(partition, bytes(summary)?.as_slice())?;
            let mut blocks = writing.open_table(BLOCKS)?;
            for (number, block) in news.blocks.drain(..) {
                blocks.insert((partition, number), bytes(&block)?.as_slice())?;
            }
            let mut orders = writing.open_table(ORDERS)?;
            // In the order of the keys: neighbours share pages.
            let mut changed: Vec<_> = news.orders.drain().collect();
            changed.sort_unstable_by_key(|(id, _)| *id);
            for (id, facts) in changed {
                orders.insert(id, bytes(&facts)?.as_slice())?;
            }
            let mut answers = writing.open_table(ANSWERS)?;
            for (stretch, checks) in news.answers.drain() {
                answers.insert((partition, stretch), checks.write().as_slice())?;
            }
        }
        append(&writing, Of::Log, news.problems.drain(..))?;
        if !news.skipped.is_empty() {
            forgive(&writing, &std::mem::take(&mut news.skipped))?;
        }
        Ok(writing.commit()?)
    }

    /// Adds to problems.
    pub(super) fn report(&self, of: Of, problems: impl IntoIterator<Item = Problem>) -> Result<(), Failure> {
        let mut problems = problems.into_iter().peekable();
        if problems.peek().is_none() {
            return Ok(());
        }
        let writing = self.database.begin_write()?;
        append(&writing, of, problems)?;
        Ok(writing.commit()?)
    }

    /// How many problems there are.
    pub(super) fn problem_count(&self, of: Of) -> Result<u64, Failure> {
        use redb::ReadableTableMetadata;
        Ok(self.database.begin_read()?.open_table(of.table())?.len()?)
    }

    /// The problems, as found.
    pub(super) fn problems(&self, of: Of) -> Result<impl Iterator<Item = Result<Problem, Failure>> + use<>, Failure> {
        let table = self.database.begin_read()?.open_table(of.table())?;
        Ok(table.range(0..)?.map(|row| read(row?.1.value())))
    }
}

/// Problems of the run on their way into the books: written some at a time, so that even a read model without
/// any row is named in no time.
pub(super) struct Found<'a> {
    books: &'a Books,
    problems: Vec<Problem>,
}

impl<'a> Found<'a> {
    pub(super) fn new(books: &'a Books) -> Self {
        Self { books, problems: Vec::new() }
    }

    pub(super) fn add(&mut self, problem: Problem) -> Result<(), Failure> {
        self.problems.push(problem);
        if self.problems.len() >= FOUND { self.write() } else { Ok(()) }
    }

    /// Writes what waits. To be called at the end.
    pub(super) fn write(&mut self) -> Result<(), Failure> {
        self.books.report(Of::Run, self.problems.drain(..))
    }
}

fn append(writing: &WriteTransaction, of: Of, problems: impl Iterator<Item = Problem>) -> Result<(), Failure> {
    let mut table = writing.open_table(of.table())?;
    let next = table.last()?.map_or(0, |(key, _)| key.value() + 1);
    for (number, problem) in (next..).zip(problems) {
        table.insert(number, bytes(&problem)?.as_slice())?;
    }
    Ok(())
}

/// Takes away the problems of events at these places that nobody could read.
fn forgive(writing: &WriteTransaction, places: &[String]) -> Result<(), Failure> {
    let mut table = writing.open_table(LASTING)?;
    let mut forgiven = Vec::new();
    for row in table.range(0..)? {
        let (number, problem) = row?;
        let problem: Problem = read(problem.value())?;
        let here = |place: &String| problem.detail.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with(':'));
        if problem.kind == UNREADABLE_EVENT && places.iter().any(here) {
            forgiven.push(number.value());
        }
    }
    for number in forgiven {
        table.remove(number)?;
    }
    Ok(())
}

pub(super) fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    Ok(postcard::to_stdvec(value)?)
}

pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    postcard::from_bytes(bytes)
        .map_err(|error| format!("the audit's state cannot be read ({error}); remove the folder to begin anew").into())
}
