//! How an event changes the feed.

use atelier_schemas::Event;
use atelier_store::{Row, Table, Transaction, Value};
use uuid::Uuid;

use super::row::{ENTRIES, ORDERS, OrderRow, entry};
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
    /// New entries.
    type Extra = Vec<Vec<Value>>;

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
            entries.push(entry(&shown, place));
        }
        row.stage.clone_from(&event.after.stage);
    }

    async fn write_extra(transaction: &mut Transaction, entries: Self::Extra) -> Result<(), Error> {
        Ok(ENTRIES.write(transaction, entries).await?)
    }
}
