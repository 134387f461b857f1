//! How an event changes an order and its timeline.

use atelier_schemas::{Event, EventData, Replayed};
use atelier_store::{Conflict, Row, Table, Transaction, Value};
use serde_json::json;
use uuid::Uuid;

use super::detail::detail;
use super::row::{ORDERS, OrderRow};
use crate::runner::{EventModel, New, Place};
use crate::show::{StoredPrice, json_strings};
use crate::{Error, ItemView, Model, ModelView};

static TIMELINE: Table =
    Table::new("shop_timeline", &["order_id", "version", "type", "at", "actor_role", "actor_name", "status", "detail"], 2, Conflict::Keep);

/// The read model.
pub(crate) struct Shop;

impl EventModel for Shop {
    const MODEL: Model = Model::Shop;
    type Row = OrderRow;
    /// New rows of the timeline.
    type Extra = Vec<Vec<Value>>;

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
            held: false,
            hold_reason: None,
            attention: String::new(),
            item: ItemView::of(new.item),
            channel: new.channel.to_owned(),
            client: new.client.to_owned(),
            reference: new.reference.map(ToOwned::to_owned),
            model: None,
            price: None,
            carrier: None,
            tracking: None,
            due_at: None,
            created_at: new.time,
            updated_at: new.time,
        })
    }

    fn evolve(row: &mut OrderRow, event: &Event, _: Place, timeline: &mut Self::Extra) {
        row.version = event.version;
        row.status.clone_from(&event.after.status);
        row.stage.clone_from(&event.after.stage);
        row.held = event.after.held;
        row.attention = json_strings(&event.after.attention);
        row.due_at = event.after.due;
        row.updated_at = event.time;
        match &event.data {
            EventData::ModelAttached { model } => {
                row.model = Some(ModelView { sha256: model.sha256.clone(), format: model.format.clone(), size_bytes: model.size_bytes });
            }
            EventData::OrderAmended { item, model } => {
                if let Some(item) = item {
                    row.item = ItemView::of(item);
                }
                if let Some(model) = model {
                    row.model =
                        Some(ModelView { sha256: model.sha256.clone(), format: model.format.clone(), size_bytes: model.size_bytes });
                }
            }
            EventData::OrderHeld { reason } => row.hold_reason = Some(reason.clone()),
            EventData::OrderShipped { carrier, tracking, .. } => {
                row.carrier = Some(carrier.clone());
                row.tracking = Some(tracking.clone());
            }
            _ => {}
        }
        StoredPrice::follow(&mut row.price, &event.data);
        if !row.held {
            row.hold_reason = None;
        }
        if let Some(mut detail) = detail(&event.data) {
            if let Some(Replayed { actor, reason }) = &event.replayed {
                detail["replayed"] = json!({"by": format!("{}:{}", actor.role, actor.name), "reason": reason});
            }
            timeline.push(vec![
                event.order_id.into(),
                event.version.into(),
                event.data.type_name().into(),
                event.time.into(),
                event.actor.role.as_str().into(),
                event.actor.name.as_str().into(),
                event.after.status.as_str().into(),
                detail.to_string().as_str().into(),
            ]);
        }
    }

    async fn write_extra(transaction: &mut Transaction, timeline: Self::Extra) -> Result<(), Error> {
        Ok(TIMELINE.write(transaction, timeline).await?)
    }
}
