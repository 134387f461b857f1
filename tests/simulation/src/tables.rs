//! The read models' tables against the fold of the events: other code on both sides.

use std::collections::{BTreeMap, BTreeSet};

use atelier_log::Log;
use atelier_log::memory::Memory;
use atelier_projections::Model;
use atelier_schemas::OutcomeResult;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::failure::{Failure, hold};
use crate::ledger::{Entry, SANDBOX};
use crate::watch::{Answer, Watch};

const EQUAL: &str = "read models say what the events say";
/// The model of outcomes forgets older ones.
const KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// Compares all tables with what the watch has seen.
pub(crate) fn check(database: &Connection, watch: &Watch, log: &Memory) -> Result<(), Failure> {
    positions(database, log)?;
    let parked: i64 = one(database, "SELECT COUNT(*) FROM parked")?;
    hold(EQUAL, parked == 0, || format!("{parked} orders are parked"))?;
    let all = |_: &Entry| true;
    let partners = |entry: &Entry| matches!(entry.channel.as_str(), "partner" | SANDBOX);
    orders(database, watch, "shop_orders", "price_minor, due_at, attention, material, quantity, finish", all)?;
    orders(database, watch, "crm_orders", "price_minor, due_at, attention", all)?;
    orders(database, watch, "queue_items", "material, quantity, finish", all)?;
    orders(database, watch, "partner_orders", "price_minor, attention, material, quantity, finish", partners)?;
    queue(database, watch)?;
    counts(database, watch)?;
    timeline(database, watch)?;
    outcomes(database, watch)
}

fn positions(database: &Connection, log: &Memory) -> Result<(), Failure> {
    for model in Model::ALL {
        for partition in 0..log.partitions() {
            let sql = format!("SELECT next FROM offsets WHERE model = '{model}' AND log_partition = {partition}");
            let next: i64 = one(database, &sql)?;
            let end = log.end(model.topic(), partition).expect("the log in memory answers");
            hold(EQUAL, next == end.cast_signed(), || format!("{model} stands at {next} of {end} in partition {partition}"))?;
        }
    }
    Ok(())
}

/// Every order of the ledger has its row, and no other has one; what is compared of it are the columns that all models
/// have, and `more`.
fn orders(database: &Connection, watch: &Watch, table: &str, more: &str, belongs: impl Fn(&Entry) -> bool) -> Result<(), Failure> {
    let columns = format!("version, status, stage, held, {more}");
    let rows = rows(database, &format!("SELECT order_id, {columns} FROM {table}"), |row| {
        let mut shown = Vec::new();
        for column in 1..row.as_ref().column_count() {
            shown.push(shown_cell(row, column)?);
        }
        Ok((row.get::<_, String>(0)?, shown))
    })?;
    let mut found: BTreeMap<String, Vec<String>> = rows.into_iter().collect();
    for (id, entry) in watch.ledger.orders.iter().filter(|(_, entry)| belongs(entry)) {
        let wanted: Vec<String> = columns.split(", ").map(|column| cell(entry, column)).collect();
        let row = found.remove(&id.to_string());
        hold(EQUAL, row.as_ref() == Some(&wanted), || format!("{table}: order {id} has {row:?} instead of {wanted:?} ({columns})"))?;
    }
    hold(EQUAL, found.is_empty(), || format!("{table}: rows of no order: {:?}", found.keys()))
}

/// What a column is to say of an order.
fn cell(entry: &Entry, column: &str) -> String {
    let Entry { after, item, .. } = entry;
    let null = |number: Option<i64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
    match column {
        "version" => entry.version.to_string(),
        "status" => after.status.clone(),
        "stage" => after.stage.clone(),
        "held" => i64::from(after.held).to_string(),
        "price_minor" => null(entry.price_minor),
        "due_at" => null(after.due),
        "attention" => serde_json::to_string(&after.attention).expect("strings become JSON"),
        "material" => item.material.clone(),
        "quantity" => item.quantity.to_string(),
        "finish" => item.finish.clone(),
        other => unreachable!("nothing is known of a column {other}"),
    }
}

/// What is offered to operators is nobody's sandbox, as the events have it: the table's own mark is what keeps it apart.
fn queue(database: &Connection, watch: &Watch) -> Result<(), Failure> {
    let offered: BTreeSet<String> =
        rows(database, "SELECT order_id FROM queue_items WHERE work IS NOT NULL", |row| row.get(0))?.into_iter().collect();
    let sandboxes = watch.ledger.orders.iter().filter(|(_, entry)| entry.channel == SANDBOX).map(|(id, _)| id.to_string());
    let odd: Vec<String> = sandboxes.filter(|id| offered.contains(id)).collect();
    hold("sandboxes stay apart", odd.is_empty(), || format!("orders of sandboxes are in the operators' queue: {odd:?}"))
}

fn counts(database: &Connection, watch: &Watch) -> Result<(), Failure> {
    let found = rows(database, "SELECT status, orders FROM crm_counts WHERE orders <> 0", |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: BTreeMap<String, i64> = found.into_iter().collect();
    let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
    // Nobody sells what is of a sandbox.
    for entry in watch.ledger.orders.values().filter(|entry| entry.channel != SANDBOX) {
        *wanted.entry(entry.after.status.clone()).or_default() += 1;
    }
    hold(EQUAL, found == wanted, || format!("crm_counts has {found:?} instead of {wanted:?}"))
}

fn timeline(database: &Connection, watch: &Watch) -> Result<(), Failure> {
    let found = rows(database, "SELECT order_id, version, type FROM shop_timeline", |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    })?;
    let found: BTreeSet<(String, i64, String)> = found.into_iter().collect();
    let mut wanted = BTreeSet::new();
    for (id, entry) in &watch.ledger.orders {
        // Heartbeats are of interest to nobody afterwards.
        let told = (1..).zip(&entry.types).filter(|(_, kind)| **kind != "PricingProgressed");
        wanted.extend(told.map(|(version, kind)| (id.to_string(), version, (*kind).to_owned())));
    }
    let odd: Vec<_> = found.symmetric_difference(&wanted).take(3).collect();
    hold(EQUAL, odd.is_empty(), || format!("shop_timeline differs in {odd:?}"))
}

fn outcomes(database: &Connection, watch: &Watch) -> Result<(), Failure> {
    let found = rows(database, "SELECT command_id, outcome FROM outcomes", |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found: BTreeMap<String, String> = found.into_iter().collect();
    let newest = watch.answers.values().flatten().map(|answer| answer.outcome.time).max().unwrap_or(0);
    for (id, answers) in &watch.answers {
        // What was carried out under an id takes the place of what was refused under it before.
        let carried_out =
            |answer: &&Answer| matches!(answer.outcome.result, OutcomeResult::Accepted { repeated: false, dry_run: false, .. });
        let Some(kept) = answers.iter().rev().find(carried_out).or(answers.first()) else { continue };
        let wanted = serde_json::to_string(&kept.outcome).expect("plain fields become JSON");
        match found.remove(&id.to_string()) {
            // One that was forgotten and given again is there as it was given last.
            Some(row) if kept.outcome.time < newest - KEPT_MS => drop(row),
            None if kept.outcome.time < newest - KEPT_MS => {}
            row => hold(EQUAL, row.as_ref() == Some(&wanted), || format!("outcomes: command {id} has {row:?} instead of {wanted}"))?,
        }
    }
    // Answers to what nobody can read stand under ids of their own.
    let unread = watch.commands.iter().flatten().filter(|heard| heard.command.is_none()).count();
    let strangers: Vec<&String> = found.keys().filter(|id| id.parse::<Uuid>().is_err()).collect();
    hold(EQUAL, found.len() <= unread && strangers.is_empty(), || format!("outcomes: rows of no command: {:?}", found.keys()))
}

fn shown_cell(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => "null".to_owned(),
    })
}

fn rows<T>(database: &Connection, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, Failure> {
    let read = || -> rusqlite::Result<Vec<T>> { database.prepare_cached(sql)?.query_map([], read)?.collect() };
    read().map_err(|error| Failure::new(EQUAL, format!("{sql}: {error}")))
}

fn one(database: &Connection, sql: &str) -> Result<i64, Failure> {
    rows(database, sql, |row| row.get(0))?.first().copied().ok_or_else(|| Failure::new(EQUAL, format!("{sql}: no row")))
}
