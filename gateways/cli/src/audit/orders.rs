//! The orders as a whole: where they stand, and whether each pricing request has its job.

use std::collections::BTreeMap;

use atelier_domain::Status;
use atelier_log::Log;
use atelier_projections::{Model, Queries};
use atelier_schemas::Topic;
use uuid::Uuid;

use super::books::{Books, Facts, Found, Of};
use super::problem::Problem;
use super::report::Equation;
use crate::Failure;

const PAGE: usize = 4096;

/// How many orders stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) by_status: BTreeMap<Status, u64>,
    /// Of those, the ones of partners' sandboxes, which nobody sells.
    pub(super) of_sandboxes: BTreeMap<Status, u64>,
    /// Also those whose status nobody knows.
    pub(super) orders: u64,
}

impl Totals {
    pub(super) fn equation(&self) -> Equation {
        let with = |status: Status| self.by_status.get(&status).copied().unwrap_or(0);
        let open = Status::ALL.into_iter().filter(|status| !status.is_final()).map(with).sum();
        Equation { accepted: self.orders, done: with(Status::Closed), failed: with(Status::Cancelled), open }
    }
}

/// Counts the orders and names those whose pricing jobs do not match their requests.
pub(super) fn count(log: &dyn Log, books: &Books) -> Result<Totals, Failure> {
    // Jobs were read last: of a log that has moved on there may be newer ones, but never fewer than requested.
    let growing = !is_still(log, books)?;
    let mut totals = Totals::default();
    let mut found = Found::new(books);
    let mut last = None;
    loop {
        let page = books.orders_after(last, PAGE)?;
        let Some((newest, _)) = page.last() else { break };
        last = Some(*newest);
        for (id, facts) in page {
            if facts.version > 0 {
                totals.orders += 1;
                if let Some(status) = facts.status {
                    *totals.by_status.entry(status).or_default() += 1;
                    *totals.of_sandboxes.entry(status).or_default() += u64::from(facts.sandbox);
                }
            }
            let Facts { pricing_requested, pricing_jobs, .. } = facts;
            if pricing_jobs < pricing_requested || (pricing_jobs > pricing_requested && !growing) {
                let detail = format!("pricing was requested {pricing_requested} times, {pricing_jobs} jobs were written");
                found.add(Problem::new("pricing_jobs", Uuid::from_u128(id).to_string(), detail))?;
            }
        }
    }
    found.write()?;
    Ok(totals)
}

/// Holds the sellers' counts by status against the orders, unless the log moves on or their rows are wrong already.
pub(super) async fn compare_counts(log: &dyn Log, queries: &Queries, books: &Books, totals: &Totals) -> Result<(), Failure> {
    let counts: BTreeMap<String, i64> = queries.counts().await?.into_iter().collect();
    if books.problem_count(Of::Run)? + books.problem_count(Of::Log)? > 0 || !is_still(log, books)? {
        return Ok(());
    }
    for status in Status::ALL {
        let of = |totals: &BTreeMap<Status, u64>| totals.get(&status).copied().unwrap_or(0);
        let (shown, is) = (counts.get(status.as_str()).copied().unwrap_or(0), of(&totals.by_status) - of(&totals.of_sandboxes));
        if shown != is.cast_signed() {
            let detail = format!("read model {} counts {shown} orders in it, the log has {is}", Model::Crm);
            books.report(Of::Run, [Problem::new("wrong_count", status.as_str(), detail)])?;
        }
    }
    Ok(())
}

/// Whether no event came after those audited.
fn is_still(log: &dyn Log, books: &Books) -> Result<bool, Failure> {
    for partition in 0..log.partitions() {
        if log.end(Topic::Events, partition)? > books.summary(partition)?.next.events {
            return Ok(false);
        }
    }
    Ok(true)
}
