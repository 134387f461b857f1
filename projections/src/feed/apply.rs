//! How an event changes the feed.
//!
//! An entry's position is given out when it is written, under a lock that its transaction holds to its end: of one
//! partner's entries none is ever committed below one that somebody may have read. So a cursor misses nothing, also of
//! orders that come back after having been set aside, whose events lie far back in the log.
//!
//! Positions are microseconds of the clock where that is ahead of the last one. Read models may be made anew, and a
//! database that dies may lose its last commits; what is written again then comes after every cursor that was given
//! out before, so it is told twice rather than never.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use atelier_schemas::Event;
use atelier_store::{Columns, Row, Select, Table, Transaction, Value};
use uuid::Uuid;

use super::row::{ENTRIES, NewEntry, ORDERS, OrderRow, entry};
use super::seen::Seen;
use crate::runner::{EventModel, New, Place};
use crate::{Error, Model};

/// The read model.
pub(crate) struct Changes;

impl EventModel for Changes {
    const MODEL: Model = Model::Feed;
    /// As with the partners' orders: a later event without a row is another channel's.
    const SELECTIVE: bool = true;
    type Row = OrderRow;
    /// New entries by partner; sorted, so that two transactions lock the heads in one order.
    type Extra = BTreeMap<String, Vec<NewEntry>>;

    fn table() -> &'static Table {
        &ORDERS
    }

    fn read(row: &Row) -> Result<(Uuid, OrderRow), Error> {
        let row = OrderRow::read(row)?;
        Ok((row.seen.order_id, row))
    }

    fn write(row: &OrderRow) -> Vec<Value> {
        row.write()
    }

    fn version(row: &OrderRow) -> i64 {
        row.seen.version
    }

    fn create(new: &New<'_>) -> Option<OrderRow> {
        let seen = Seen::created(new.event)?;
        Some(OrderRow { seen, stage: String::new(), request_id: new.event.correlation_id, created_at: new.time })
    }

    fn evolve(row: &mut OrderRow, event: &Event, place: Place, entries: &mut Self::Extra) {
        if let Some(shown) = row.seen.follow(event) {
            entries.entry(shown.order.partner.clone()).or_default().push(NewEntry { shown, place });
        }
        row.stage.clone_from(&event.after.stage);
    }

    async fn write_extra(transaction: &mut Transaction, entries: Self::Extra) -> Result<(), Error> {
        let mut rows = Vec::new();
        for (partner, entries) in entries {
            let first = positions(transaction, &partner, entries.len()).await?;
            rows.extend((first..).zip(&entries).map(|(position, new)| entry(new, position)));
        }
        Ok(ENTRIES.write(transaction, rows).await?)
    }
}

/// Gives out as many positions, the first of which it tells, and keeps others from doing so until the transaction ends.
async fn positions(transaction: &mut Transaction, partner: &str, count: usize) -> Result<i64, Error> {
    const GIVE: &str = "INSERT INTO feed_heads (partner, head) VALUES ($1, $2) ON CONFLICT (partner) DO UPDATE SET \
        head = CASE WHEN feed_heads.head + $3 > excluded.head THEN feed_heads.head + $3 ELSE excluded.head END";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    transaction.execute(GIVE, [partner.into(), now_us.saturating_add(count).into(), count.into()]).await?;
    let select = Select::text("SELECT head FROM feed_heads WHERE ").push("partner = ?", [partner.into()]);
    let head = select.first_in(transaction).await?.map_or(Ok(count), |row| Columns::of(&row).int())?;
    Ok(head - count + 1)
}
