//! How an event changes the sellers' lists and the counts.

use std::collections::BTreeMap;

use atelier_schemas::{Event, EventData};
use atelier_store::{Row, Table, Transaction, Value};
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use crate::runner::{EventModel, New, Place};
use crate::show::{StoredPrice, json_strings};
use crate::{CustomerView, Error, Model, SANDBOX};

/// The read model.
pub(crate) struct Crm;

const COUNT: &str = "INSERT INTO crm_counts (status, orders) VALUES ($1, $2) \
    ON CONFLICT (status) DO UPDATE SET orders = crm_counts.orders + excluded.orders";

impl EventModel for Crm {
    const MODEL: Model = Model::Crm;
    type Row = OrderRow;
    /// Change of each status's count. Sorted, so that two transactions lock the counts in one order.
    type Extra = BTreeMap<String, i64>;

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
        Some(OrderRow {
            order_id: new.order_id,
            version: 0,
            status: String::new(),
            stage: String::new(),
            channel: new.channel.to_owned(),
            reference: new.reference.map(ToOwned::to_owned),
            reference_text: new.reference.map(str::to_lowercase),
            customer: new.customer.map(|customer| CustomerView { name: customer.name.clone(), email: customer.email.clone() }),
            price: None,
            held: false,
            hold_reason: None,
            attention: String::new(),
            attention_since: None,
            due_at: None,
            created_at: new.time,
            updated_at: new.time,
        })
    }

    fn evolve(row: &mut OrderRow, event: &Event, _: Place, counts: &mut Self::Extra) {
        // Nobody sells what is never made.
        if row.status != event.after.status && row.channel != SANDBOX {
            if row.version > 0 {
                *counts.entry(row.status.clone()).or_default() -= 1;
            }
            *counts.entry(event.after.status.clone()).or_default() += 1;
        }
        row.version = event.version;
        row.status.clone_from(&event.after.status);
        row.stage.clone_from(&event.after.stage);
        row.held = event.after.held;
        row.attention = json_strings(&event.after.attention);
        row.attention_since = if event.after.attention.is_empty() { None } else { Some(row.attention_since.unwrap_or(event.time)) };
        row.due_at = event.after.due;
        row.updated_at = event.time;
        if let EventData::OrderHeld { reason } = &event.data {
            row.hold_reason = Some(reason.clone());
        }
        if !row.held {
            row.hold_reason = None;
        }
        StoredPrice::follow(&mut row.price, &event.data);
    }

    async fn write_extra(transaction: &mut Transaction, counts: Self::Extra) -> Result<(), Error> {
        // Also those that went up and down again: the rows do not depend on how the log was cut into batches.
        for (status, change) in counts {
            transaction.execute(COUNT, [status.as_str().into(), change.into()]).await?;
        }
        Ok(())
    }
}
