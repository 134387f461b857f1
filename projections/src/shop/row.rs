//! A row of `shop_orders`.

use atelier_store::{Columns, Conflict, Row, Table, Value};
use uuid::Uuid;

use crate::show::{StoredPrice, rfc3339, strings};
use crate::{Error, ItemView, ModelView, OrderView};

#[rustfmt::skip]
pub(super) static ORDERS: Table = Table::new(
    "shop_orders",
    &[
        "order_id", "version", "status", "stage", "held", "hold_reason", "attention", "material", "quantity", "finish", "channel", "client",
        "reference", "model_sha256", "model_format", "model_size_bytes", "price_minor", "price_currency", "price_lines", "carrier", "tracking",
        "due_at", "created_at", "updated_at",
    ],
    1,
    Conflict::Replace,
);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(super) order_id: Uuid,
    pub(super) version: i64,
    pub(super) status: String,
    pub(super) stage: String,
    pub(super) held: bool,
    pub(super) hold_reason: Option<String>,
    /// JSON.
    pub(super) attention: String,
    pub(super) item: ItemView,
    pub(super) channel: String,
    pub(super) client: String,
    pub(super) reference: Option<String>,
    pub(super) model: Option<ModelView>,
    pub(super) price: Option<StoredPrice>,
    pub(super) carrier: Option<String>,
    pub(super) tracking: Option<String>,
    pub(super) due_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            order_id: columns.id()?,
            version: columns.int()?,
            status: columns.text()?,
            stage: columns.text()?,
            held: columns.flag()?,
            hold_reason: columns.optional_text()?,
            attention: columns.text()?,
            item: ItemView { material: columns.text()?, quantity: columns.int()?, finish: columns.text()? },
            channel: columns.text()?,
            client: columns.text()?,
            reference: columns.optional_text()?,
            model: match (columns.optional_text()?, columns.optional_text()?, columns.optional_int()?) {
                (Some(sha256), Some(format), Some(size_bytes)) => Some(ModelView { sha256, format, size_bytes }),
                _ => None,
            },
            price: StoredPrice::read(&mut columns)?,
            carrier: columns.optional_text()?,
            tracking: columns.optional_text()?,
            due_at: columns.optional_int()?,
            created_at: columns.int()?,
            updated_at: columns.int()?,
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        let mut values = vec![
            self.order_id.into(),
            self.version.into(),
            self.status.as_str().into(),
            self.stage.as_str().into(),
            self.held.into(),
            (&self.hold_reason).into(),
            self.attention.as_str().into(),
            self.item.material.as_str().into(),
            self.item.quantity.into(),
            self.item.finish.as_str().into(),
            self.channel.as_str().into(),
            self.client.as_str().into(),
            (&self.reference).into(),
            self.model.as_ref().map(|model| model.sha256.as_str()).into(),
            self.model.as_ref().map(|model| model.format.as_str()).into(),
            self.model.as_ref().map(|model| model.size_bytes).into(),
        ];
        values.extend(StoredPrice::write(self.price.as_ref()));
        values.extend([
            (&self.carrier).into(),
            (&self.tracking).into(),
            self.due_at.into(),
            self.created_at.into(),
            self.updated_at.into(),
        ]);
        values
    }

    pub(super) fn view(self) -> OrderView {
        let allowed = crate::allowed_for(&self.stage, self.held, "customer");
        OrderView {
            order_id: self.order_id,
            status: self.status,
            version: self.version,
            held: self.held,
            hold_reason: self.hold_reason,
            attention: strings(&self.attention),
            item: self.item,
            channel: self.channel,
            reference: self.reference,
            model: self.model,
            price: self.price.as_ref().map(StoredPrice::view),
            carrier: self.carrier,
            tracking: self.tracking,
            due: self.due_at.map(rfc3339),
            created_at: rfc3339(self.created_at),
            updated_at: rfc3339(self.updated_at),
            allowed,
            stage: self.stage,
        }
    }
}
