//! A row of `crm_orders`.

use atelier_store::{Columns, Conflict, Row, Table, Value};
use uuid::Uuid;

use crate::gaps::causes;
use crate::show::{StoredPrice, rfc3339, strings};
use crate::{CrmOrder, CustomerView, Error};

#[rustfmt::skip]
pub(super) static ORDERS: Table = Table::new(
    "crm_orders",
    &[
        "order_id", "version", "status", "stage", "channel", "reference", "reference_text", "customer_name", "customer_email", "price_minor",
        "price_currency", "price_lines", "held", "hold_reason", "attention", "attention_since", "due_at", "created_at", "updated_at",
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
    pub(super) channel: String,
    pub(super) reference: Option<String>,
    pub(super) reference_text: Option<String>,
    pub(super) customer: Option<CustomerView>,
    pub(super) price: Option<StoredPrice>,
    pub(super) held: bool,
    pub(super) hold_reason: Option<String>,
    /// JSON.
    pub(super) attention: String,
    pub(super) attention_since: Option<i64>,
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
            channel: columns.text()?,
            reference: columns.optional_text()?,
            reference_text: columns.optional_text()?,
            customer: match (columns.optional_text()?, columns.optional_text()?) {
                (Some(name), Some(email)) => Some(CustomerView { name, email }),
                _ => None,
            },
            price: StoredPrice::read(&mut columns)?,
            held: columns.flag()?,
            hold_reason: columns.optional_text()?,
            attention: columns.text()?,
            attention_since: columns.optional_int()?,
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
            self.channel.as_str().into(),
            (&self.reference).into(),
            (&self.reference_text).into(),
            self.customer.as_ref().map(|customer| customer.name.as_str()).into(),
            self.customer.as_ref().map(|customer| customer.email.as_str()).into(),
        ];
        values.extend(StoredPrice::write(self.price.as_ref()));
        values.extend([
            self.held.into(),
            (&self.hold_reason).into(),
            self.attention.as_str().into(),
            self.attention_since.into(),
            self.due_at.into(),
            self.created_at.into(),
            self.updated_at.into(),
        ]);
        values
    }

    pub(super) fn view(self) -> CrmOrder {
        let attention = strings(&self.attention);
        let allowed = crate::allowed_for(&self.stage, self.held, "seller");
        CrmOrder {
            order_id: self.order_id,
            status: self.status,
            version: self.version,
            channel: self.channel,
            reference: self.reference,
            customer: self.customer,
            price: self.price.as_ref().map(StoredPrice::view),
            held: self.held,
            hold_reason: self.hold_reason,
            gaps: causes(&attention, &self.stage),
            attention,
            attention_since: self.attention_since.map(rfc3339),
            due: self.due_at.map(rfc3339),
            created_at: rfc3339(self.created_at),
            updated_at: rfc3339(self.updated_at),
            allowed,
            stage: self.stage,
        }
    }
}
