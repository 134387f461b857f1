//! The read models against what the log says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_projections::{Model, OrderEntry, Page, ParkedFilter, Queries, Store};
use uuid::Uuid;

use super::books::{Books, Facts, Found, Of};
use super::ends::End;
use super::newer::Newer;
use super::problem::Problem;
use super::rows_of_outcomes;
use crate::Failure;

/// Rows, and orders, taken at a time.
pub(super) const PAGE: u32 = 1000;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Holds every row of every read model against the log, both ways, and names those that differ, those that
/// are behind, and those that have set orders aside. Gives the rows seen by model.
pub(super) async fn compare(
    log: &dyn Log,
    store: &Store,
    books: &Books,
    ends: &[End],
    settle: Duration,
) -> Result<BTreeMap<&'static str, u64>, Failure> {
    let behind = caught_up(store, ends, settle).await?;
    for (model, records) in &behind {
        let detail = format!("read model {model} is {records} records behind the log; are the projections running?");
        books.report(Of::Run, [Problem::new("read_model_behind", model.as_str(), detail)])?;
    }
    let queries = store.queries();
    let mut page = ParkedFilter { limit: Some(200), ..ParkedFilter::default() };
    loop {
        let Page { items, next } = queries.parked(&page).await?;
        let parked = items.into_iter().map(|parked| {
            let detail = format!("read model {} has set the order aside: {}", parked.model, parked.reason);
            Problem::new("parked", parked.order_id, detail)
        });
        books.report(Of::Run, parked)?;
        page.cursor = next;
        if page.cursor.is_none() {
            break;
        }
    }
    let mut rows = BTreeMap::new();
    for model in Model::ALL.iter().copied().filter(|model| !behind.contains_key(model)) {
        let seen = match model {
            Model::Outcomes => rows_of_outcomes::compare(log, &queries, books).await?,
            Model::Shop | Model::Queue | Model::Crm | Model::Partner | Model::Feed | Model::Gaps => {
                orders(log, &queries, books, model).await?
            }
        };
        rows.insert(model.as_str(), seen);
    }
    Ok(rows)
}

/// Waits for the read models; gives those that are still behind, with how many records.
async fn caught_up(store: &Store, ends: &[End], settle: Duration) -> Result<HashMap<Model, u64>, Failure> {
    let started = Instant::now();
    loop {
        let mut behind = HashMap::new();
        for model in Model::ALL.iter().copied() {
            let positions: HashMap<u32, u64> = store.queries().positions(model.as_str()).await?.into_iter().collect();
            let missing = (0..).zip(ends).map(|(partition, end)| {
                let end = end.of.of(model.topic());
                end.saturating_sub(positions.get(&partition).copied().unwrap_or(0))
            });
            let records: u64 = missing.sum();
            if records > 0 {
                behind.insert(model, records);
            }
        }
        if behind.is_empty() || started.elapsed() >= settle {
            return Ok(behind);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The orders of the log and the rows of a model, both by id, merged.
async fn orders(log: &dyn Log, queries: &Queries, books: &Books, model: Model) -> Result<u64, Failure> {
    let mut newer = Newer::new(log, books, model);
    let mut found = Found::new(books);
    let (mut facts, mut rows) = (VecDeque::new(), VecDeque::new());
    let (mut last_facts, mut last_row) = (None, None);
    let mut seen = 0;
    loop {
        if facts.is_empty() {
            facts.extend(books.orders_after(last_facts, PAGE as usize)?);
            last_facts = facts.back().map(|(id, _)| *id).or(last_facts);
        }
        if rows.is_empty() {
            rows.extend(queries.orders_after(model, last_row, PAGE).await?);
            last_row = rows.back().map(|row: &OrderEntry| row.order_id).or(last_row);
        }
        let of_log = facts.front().map(|(id, _)| *id);
        let of_model = rows.front().map(|row| row.order_id.as_u128());
        let both = match (of_log, of_model) {
            (None, None) => break,
            (Some(order), Some(row)) if order == row => (facts.pop_front(), rows.pop_front()),
            (Some(order), Some(row)) if order > row => (None, rows.pop_front()),
            (None, Some(_)) => (None, rows.pop_front()),
            (Some(_), _) => (facts.pop_front(), None),
        };
        seen += u64::from(both.1.is_some());
        match both {
            (Some((id, facts)), row) => judge(&mut found, model, Uuid::from_u128(id), &facts, row, &mut newer)?,
            (None, Some(row)) => newer.add(row.order_id, row.version)?,
            (None, None) => {}
        }
    }
    found.write()?;
    newer.settle()?;
    Ok(seen)
}

/// What is wrong with an order's row, if anything; a row ahead of the audit is left to `newer`.
fn judge(
    found: &mut Found<'_>,
    model: Model,
    id: Uuid,
    facts: &Facts,
    row: Option<OrderEntry>,
    newer: &mut Newer<'_>,
) -> Result<(), Failure> {
    let mine = facts.version > 0 && (!matches!(model, Model::Partner | Model::Feed) || facts.partner);
    let (kind, detail) = match row {
        None if !mine => return Ok(()),
        None => ("missing_row", format!("read model {model} lacks it; the log has it at version {}", facts.version)),
        Some(row) if !mine || row.version > facts.version => return newer.add(id, row.version),
        Some(row) if row.version < facts.version => {
            ("stale_row", format!("read model {model} has version {}, the log {}", row.version, facts.version))
        }
        Some(row) => {
            let (status, stage) = (facts.status.map_or("", |status| status.as_str()), facts.stage.map_or("", |stage| stage.as_str()));
            if (row.status.as_str(), row.stage.as_str(), row.held) == (status, stage, facts.held) {
                return Ok(());
            }
            let shown = |status: &str, stage: &str, held| format!("{status} ({stage}{})", if held { ", held" } else { "" });
            let (row, log) = (shown(&row.status, &row.stage, row.held), shown(status, stage, facts.held));
            ("wrong_row", format!("read model {model} says {row}, the log {log}"))
        }
    };
    found.add(Problem::new(kind, id.to_string(), detail))
}
