//! How an event changes a partner's order.

use atelier_schemas::{Event, EventData};
use atelier_store::{Row, Table, Value};
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use crate::runner::{EventModel, New, Place};
use crate::show::{StoredPrice, json_strings};
use crate::{Error, ItemView, Model, SANDBOX, account};

/// The read model.
pub(crate) struct Partner;

impl EventModel for Partner {
    const MODEL: Model = Model::Partner;
    /// A later event without a row is another channel's order. That a partner's order lost its first
    /// event shows in the other models, which park it.
    const SELECTIVE: bool = true;
    type Row = OrderRow;
    type Extra = ();

    fn table() -> &'static Table {
        &ORDERS
    }

    fn read(row: &Row) -> Result<(Uuid, OrderRow), Error> {
        let row = OrderRow::read(row)?;
        Ok((row.order_id, row))
    }

    fn write(row: &OrderRow) -> Vec<Value> {
        row.write()
    }

    fn version(row: &OrderRow) -> i64 {
        row.version
    }

    fn create(new: &New<'_>) -> Option<OrderRow> {
        if !matches!(new.channel, "partner" | SANDBOX) {
            return None;
        }
        Some(OrderRow {
            order_id: new.order_id,
            partner: account(new.client, new.channel == SANDBOX),
            reference: new.reference.map(ToOwned::to_owned),
            version: 0,
            seen_version: 0,
            previous_version: 0,
            status: String::new(),
            stage: String::new(),
            held: false,
            attention: String::new(),
            item: ItemView::of(new.item),
            price: None,
            created_at: new.time,
            updated_at: new.time,
        })
    }

    fn evolve(row: &mut OrderRow, event: &Event, _: Place, (): &mut ()) {
        let mut price = row.price.clone();
        StoredPrice::follow(&mut price, &event.data);
        let amended = matches!(event.data, EventData::OrderAmended { .. });
        if amended || (&row.status, row.held, &row.price) != (&event.after.status, event.after.held, &price) {
            row.previous_version = row.seen_version;
            row.seen_version = event.version;
        }
        if let EventData::OrderAmended { item: Some(item), .. } = &event.data {
            row.item = ItemView::of(item);
        }
        row.price = price;
        row.version = event.version;
        row.status.clone_from(&event.after.status);
        row.stage.clone_from(&event.after.stage);
        row.held = event.after.held;
        row.attention = json_strings(&event.after.attention);
        row.updated_at = event.time;
    }
}
