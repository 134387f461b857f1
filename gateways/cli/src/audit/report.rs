//! What the audit says.

use std::fmt;

use serde::Serialize;

use super::scan::{Problem, Scanned};

/// Problems printed for people; `--json` has all.
const SHOWN: usize = 50;

/// `accepted = done + failed + open`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Equation {
    pub(crate) accepted: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) open: u64,
}

impl Equation {
    fn holds(&self) -> bool {
        self.accepted == self.done + self.failed + self.open
    }
}

impl fmt::Display for Equation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.holds() { "=" } else { "≠" };
        write!(f, "accepted {} {sign} done {} + failed {} + open {}", self.accepted, self.done, self.failed, self.open)
    }
}

/// The result of an audit.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) balanced: bool,
    /// Done: applied. Failed: refused. Open: not decided yet.
    pub(crate) commands: Equation,
    /// Done: closed. Failed: cancelled. Open: all others.
    pub(crate) orders: Equation,
    pub(crate) repeated_commands: u64,
    pub(crate) events: u64,
    pub(crate) pricing_jobs: u64,
    pub(crate) problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(scanned: Scanned) -> Self {
        use atelier_domain::Status;
        let with = |status: Status| scanned.orders.values().filter(|facts| facts.status == Some(status)).count() as u64;
        let unknown = scanned.orders.values().filter(|facts| facts.status.is_none()).count() as u64;
        let (done, failed, accepted) = (with(Status::Closed), with(Status::Cancelled), scanned.orders.len() as u64);
        let open = Status::ALL.into_iter().filter(|status| !status.is_final()).map(with).sum();
        let commands = Equation { accepted: scanned.commands, done: scanned.applied, failed: scanned.refused, open: scanned.undecided };
        let orders = Equation { accepted, done, failed, open };
        let balanced = scanned.problems.is_empty() && unknown == 0 && commands.holds() && orders.holds();
        Self {
            balanced,
            commands,
            orders,
            repeated_commands: scanned.repeated,
            events: scanned.events,
            pricing_jobs: scanned.pricing_jobs,
            problems: scanned.problems,
        }
    }

    pub(crate) fn balances(&self) -> bool {
        self.balanced
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "commands  {}", self.commands)?;
        writeln!(
            f,
            "          ({} of the done were repetitions, answered as before; failed = refused with a reason)",
            self.repeated_commands
        )?;
        writeln!(f, "orders    {}", self.orders)?;
        writeln!(f, "log       {} events, {} pricing jobs", self.events, self.pricing_jobs)?;
        if self.balanced {
            return writeln!(f, "balanced: nothing is missing, nothing happened twice");
        }
        writeln!(f, "NOT BALANCED: {} problems", self.problems.len())?;
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "  {:<18} {}  {}", problem.kind, problem.id, problem.detail)?;
        }
        if self.problems.len() > SHOWN {
            writeln!(f, "  … and {} more; --json has them all", self.problems.len() - SHOWN)?;
        }
        Ok(())
    }
}
