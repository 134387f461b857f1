//! A row of `partner_orders`.

use atelier_store::{Columns, Conflict, Row, Table, Value};
use uuid::Uuid;

use crate::account::role_of;
use crate::show::{StoredPrice, rfc3339, strings};
use crate::{Error, ItemView, PartnerOrder};

#[rustfmt::skip]
pub(super) static ORDERS: Table = Table::new(
    "partner_orders",
    &[
        "order_id", "partner", "reference", "version", "seen_version", "previous_version", "status", "stage", "held", "attention",
        "material", "quantity", "finish", "price_minor", "price_currency", "price_lines", "created_at", "updated_at",
    ],
    1,
    Conflict::Replace,
);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(super) order_id: Uuid,
    pub(super) partner: String,
    pub(super) reference: Option<String>,
    pub(super) version: i64,
    pub(super) seen_version: i64,
    pub(super) previous_version: i64,
    pub(super) status: String,
    pub(super) stage: String,
    pub(super) held: bool,
    /// JSON.
    pub(super) attention: String,
    pub(super) item: ItemView,
    pub(super) price: Option<StoredPrice>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            order_id: columns.id()?,
            partner: columns.text()?,
            reference: columns.optional_text()?,
            version: columns.int()?,
            seen_version: columns.int()?,
            previous_version: columns.int()?,
            status: columns.text()?,
            stage: columns.text()?,
            held: columns.flag()?,
            attention: columns.text()?,
            item: ItemView { material: columns.text()?, quantity: columns.int()?, finish: columns.text()? },
            price: StoredPrice::read(&mut columns)?,
            created_at: columns.int()?,
            updated_at: columns.int()?,
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        let mut values = vec![
            self.order_id.into(),
            self.partner.as_str().into(),
            (&self.reference).into(),
            self.version.into(),
            self.seen_version.into(),
            self.previous_version.into(),
            self.status.as_str().into(),
            self.stage.as_str().into(),
            self.held.into(),
            self.attention.as_str().into(),
            self.item.material.as_str().into(),
            self.item.quantity.into(),
            self.item.finish.as_str().into(),
        ];
        values.extend(StoredPrice::write(self.price.as_ref()));
        values.extend([self.created_at.into(), self.updated_at.into()]);
        values
    }

    pub(super) fn view(self) -> PartnerOrder {
        let allowed = crate::allowed_for(&self.stage, self.held, role_of(&self.partner));
        PartnerOrder {
            order_id: self.order_id,
            reference: self.reference,
            status: self.status,
            version: self.version,
            previous_version: self.previous_version,
            held: self.held,
            attention: strings(&self.attention),
            item: self.item,
            price: self.price.as_ref().map(StoredPrice::view),
            created_at: rfc3339(self.created_at),
            updated_at: rfc3339(self.updated_at),
            allowed,
            stage: self.stage,
        }
    }
}
