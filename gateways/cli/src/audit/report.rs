//! What the audit says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::books::{Books, Of, Offsets};
use super::problem::Problem;
use super::webhooks::Webhooks;
use crate::Failure;

/// Problems printed for people; `--json` has all.
const SHOWN: usize = 50;
/// Partitions whose offsets are printed for people.
const SHOWN_PARTITIONS: usize = 16;

/// `accepted = done + failed + open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Equation {
    pub(crate) accepted: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) open: u64,
}

impl Equation {
    pub(super) fn holds(&self) -> bool {
        self.accepted == self.done + self.failed + self.open
    }
}

impl fmt::Display for Equation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.holds() { "=" } else { "≠" };
        write!(f, "accepted {} {sign} done {} + failed {} + open {}", self.accepted, self.done, self.failed, self.open)
    }
}

/// How far a partition was audited.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PartitionReport {
    pub(crate) partition: u32,
    /// Where this run began.
    pub(crate) from: Offsets,
    /// The next offsets.
    pub(crate) to: Offsets,
    /// SHA-256 over its events, each with the hash before it.
    pub(crate) events_sha256: String,
}

/// The result of an audit.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) balanced: bool,
    /// Done: applied. Failed: refused. Open: not decided yet.
    pub(crate) commands: Equation,
    /// Done: closed. Failed: cancelled. Open: all others.
    pub(crate) orders: Equation,
    pub(crate) repeated_commands: u64,
    pub(crate) events: u64,
    /// Those of them that earlier runs with this state have audited.
    pub(crate) events_before: u64,
    pub(crate) pricing_jobs: u64,
    /// Rows held against the log, by read model; one that was behind or left out is missing.
    pub(crate) read_models: BTreeMap<&'static str, u64>,
    pub(crate) webhooks: Webhooks,
    pub(crate) partitions: Vec<PartitionReport>,
    pub(crate) seconds: f64,
    /// The most memory this process had at any time, where the system tells.
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) problems: Problems,
}

impl Report {
    pub(crate) fn balances(&self) -> bool {
        self.balanced
    }
}

/// The problems, read from the books one by one: there may be as many as orders.
pub(crate) struct Problems {
    books: Arc<Books>,
    of: Vec<Of>,
}

impl Problems {
    pub(super) fn of(books: &Arc<Books>, of: &[Of]) -> Self {
        Self { books: books.clone(), of: of.to_vec() }
    }

    /// How many.
    pub(super) fn count(&self) -> Result<u64, Failure> {
        self.of.iter().map(|of| self.books.problem_count(*of)).sum()
    }

    /// Each.
    pub(super) fn iter(&self) -> Result<impl Iterator<Item = Result<Problem, Failure>> + use<>, Failure> {
        Ok(self.of.iter().map(|of| self.books.problems(*of)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten())
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, problems) = (self.count().map_err(|_| fmt::Error)?, self.iter().map_err(|_| fmt::Error)?);
        writeln!(f, "{count} problems")?;
        for problem in problems.take(SHOWN) {
            let problem = problem.map_err(|_| fmt::Error)?;
            writeln!(f, "  {:<18} {}  {}", problem.kind, problem.id, problem.detail)?;
        }
        if let Some(more) = count.checked_sub(SHOWN as u64).filter(|more| *more > 0) {
            writeln!(f, "  … and {more} more; --json has them all")?;
        }
        Ok(())
    }
}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeSeq};
        let mut all = serializer.serialize_seq(None)?;
        for problem in self.iter().map_err(S::Error::custom)? {
            all.serialize_element(&problem.map_err(S::Error::custom)?)?;
        }
        all.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events_before > 0 {
            let from: Vec<String> = self.partitions.iter().map(|partition| partition.from.events.to_string()).collect();
            let from = if from.len() > SHOWN_PARTITIONS { "where they ended".into() } else { format!("event offsets {}", from.join(", ")) };
            writeln!(f, "went on   from {from}, after {} events of earlier runs", self.events_before)?;
        }
        writeln!(f, "commands  {}", self.commands)?;
        writeln!(
            f,
            "          ({} of the done were repetitions, answered as before; failed = refused with a reason)",
            self.repeated_commands
        )?;
        writeln!(f, "orders    {}", self.orders)?;
        writeln!(f, "log       {} events, {} pricing jobs", self.events, self.pricing_jobs)?;
        let rows: Vec<String> = self.read_models.iter().map(|(model, rows)| format!("{model} {rows}")).collect();
        writeln!(f, "rows      {}", if rows.is_empty() { "read models were left out".into() } else { rows.join(", ") })?;
        writeln!(f, "webhooks  {}", self.webhooks)?;
        if self.balanced {
            return writeln!(f, "balanced: nothing is missing, nothing happened twice");
        }
        write!(f, "NOT BALANCED: ")?;
        self.problems.show(f)
    }
}

/// What `--verify` says.
#[derive(Serialize)]
pub(crate) struct Verified {
    pub(crate) intact: bool,
    /// That the state has seen.
    pub(crate) events: u64,
    pub(crate) problems: Problems,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.intact {
            return writeln!(f, "intact: {} events are what they were when they were audited", self.events);
        }
        write!(f, "ALTERED: ")?;
        self.problems.show(f)
    }
}
