//! Orders whose deadline has passed and nobody has written that down: a dead engine cannot report itself.
//!
//! Every event and every outcome of a partition is written by its engine. One that wrote anything after an order's
//! deadline had passed for long enough was there, and had its reasons: a policy put in force since gives the order
//! longer. So an order counts while its partition has been silent since. While the read models lack records of the
//! partition nobody can tell from here, and they are the gap.
//!
//! What is known of a deadline is what the order's last event says. Where nobody has asked anything of the partition
//! since, a dead engine and one that goes by a longer limit look the same; then asking it anything, and be it what it
//! would do, tells them apart, and the gap says so.

use std::time::Duration;

use atelier_schemas::TimeMs;
use atelier_store::{Columns, Select, Value};
use uuid::Uuid;

use super::Cause;
use super::derived::{Found, derived};
use super::row::{ORDERS, OrderRow};
use super::view::{Gap, GapFilter, LastEvent};
use crate::page::Cursor;
use crate::queue::work;
use crate::show::rfc3339;
use crate::{Error, Model, Store};

/// Orders that are looked at in one go: those due first.
const ORDERS_AT_ONCE: i64 = 1000;
/// Beside the limit for records, because what an engine wrote at the deadline may be missing here for that long.
const TIMES: u32 = 2;

const SILENT: &str = " AND due_at > (SELECT p.last_at FROM gap_partitions p WHERE p.log_partition = gap_orders.log_partition) - ? \
    AND NOT EXISTS (SELECT 1 FROM outcome_partitions p WHERE p.log_partition = gap_orders.log_partition AND p.last_at >= due_at + ?) \
    AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.record_key = gap_orders.order_id)";

/// Each order as a gap, which opened when the engine had been silent for too long: those the filter lets through and that
/// come behind `after` in the order of the list, more than `wanted` of them where there are.
pub(super) async fn unsaid(
    store: &Store,
    look: &Found,
    filter: &GapFilter,
    after: Option<Cursor>,
    wanted: usize,
) -> Result<Vec<(Cursor, Gap)>, Error> {
    let grace = grace(look.limit);
    let mut found: Vec<(Cursor, Gap)> = Vec::new();
    let mut read: Option<(TimeMs, Uuid)> = None;
    loop {
        let mut select = narrowed(Select::from(&ORDERS, "1 = 1"), look, grace)
            .when(" AND order_id = ?", filter.order.map(Value::from))
            .when(" AND status = ?", filter.status.map(|status| status.as_str().into()))
            .when(" AND channel = ?", filter.channel.map(|channel| channel.as_str().into()))
            .when(" AND holder = ?", filter.holder.as_deref().map(Value::from))
            .when(" AND due_at < ?", filter.opened_before.map(|before| before.saturating_sub(grace).into()))
            .when(" AND due_at >= ?", after.map(|after| after.rank.saturating_sub(grace).into()));
        if let Some((due, id)) = read {
            select = select.push(" AND (due_at, order_id) > (?, ?)", [due.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY due_at, order_id LIMIT ?", [ORDERS_AT_ONCE.into()]).all(store.db()).await?;
        let all = rows.len() < ORDERS_AT_ONCE as usize;
        for row in &rows {
            let row = OrderRow::read(row)?;
            let due = row.due_at.unwrap_or_default();
            read = Some((due, row.order_id));
            let gap = gap(row, due, due.saturating_add(grace));
            let key = Cursor { rank: due.saturating_add(grace), id: gap.gap_id };
            if after.is_none_or(|after| (key.rank, key.id) > (after.rank, after.id)) {
                found.push((key, gap));
            }
        }
        // Among orders due at the same time the list goes by the ids of the gaps, so all of them are read before one is given out.
        let enough = found.get(wanted).zip(read).is_some_and(|((key, _), (due, _))| key.rank < due.saturating_add(grace));
        if all || enough {
            return Ok(found);
        }
    }
}

/// How many orders that is, all of them.
pub(super) async fn count(store: &Store, look: &Found) -> Result<i64, Error> {
    let select = narrowed(Select::text("SELECT COUNT(*) FROM gap_orders WHERE 1 = 1"), look, grace(look.limit));
    let row = select.first(store.db()).await?;
    row.map_or(Ok(0), |row| Ok(Columns::of(&row).int()?))
}

fn narrowed(select: Select, look: &Found, grace: TimeMs) -> Select {
    let lacking = look.behind.iter().filter(|behind| matches!(behind.model, Model::Gaps | Model::Outcomes));
    let select = select.push(" AND due_at < ?", [look.now.saturating_sub(grace).into()]).push(SILENT, [grace.into(), grace.into()]);
    lacking.fold(select, |select, behind| select.push(" AND log_partition <> ?", [i64::from(behind.partition).into()]))
}

fn grace(limit: Duration) -> TimeMs {
    TimeMs::try_from((limit * TIMES).as_millis()).unwrap_or(TimeMs::MAX)
}

fn gap(row: OrderRow, due: TimeMs, opened_at: TimeMs) -> Gap {
    let partition = row.log_partition;
    Gap {
        order_id: Some(row.order_id.to_string()),
        work: row.stage.parse().ok().and_then(work).map(ToOwned::to_owned),
        channel: Some(row.channel),
        status: Some(row.status),
        held: row.held,
        version: Some(row.version),
        since: Some(rfc3339(row.since_at)),
        expected_by: Some(rfc3339(due)),
        holder: row.holder,
        failures: row.failures,
        last_event: Some(LastEvent { type_name: row.last_type, version: row.last_version, at: rfc3339(row.last_at) }),
        detail: Some(format!(
            "no engine has decided anything in partition {partition} since the deadline of the order's last event: see that one runs, owns \
             the partition and what it logs; it writes what was missed when it is back. Or a policy put in force since gives longer: \
             `atelier repair {} hold --reason asked` changes nothing, and an engine that answers closes this",
            row.order_id
        )),
        ..derived(Cause::NoEngine, opened_at, &format!("{}/{due}", row.order_id))
    }
}
