//! A row of `queue_items`.

use atelier_store::{Columns, Conflict, Row, Table, Value};
use uuid::Uuid;

use crate::show::rfc3339;
use crate::{Error, QueueItem};

#[rustfmt::skip]
pub(super) static ITEMS: Table = Table::new(
    "queue_items",
    &[
        "order_id", "version", "status", "stage", "work", "holder", "material", "quantity", "finish", "model_sha256", "held", "due_at",
        "rank_at", "created_at", "sandbox",
    ],
    1,
    Conflict::Replace,
);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemRow {
    pub(super) order_id: Uuid,
    pub(super) version: i64,
    pub(super) status: String,
    pub(super) stage: String,
    /// `None` while the order is not at the works.
    pub(super) work: Option<String>,
    pub(super) holder: Option<String>,
    pub(super) material: String,
    pub(super) quantity: i64,
    pub(super) finish: String,
    pub(super) model_sha256: Option<String>,
    pub(super) held: bool,
    pub(super) due_at: Option<i64>,
    pub(super) rank_at: i64,
    pub(super) created_at: i64,
    pub(super) sandbox: bool,
}

impl ItemRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            order_id: columns.id()?,
            version: columns.int()?,
            status: columns.text()?,
            stage: columns.text()?,
            work: columns.optional_text()?,
            holder: columns.optional_text()?,
            material: columns.text()?,
            quantity: columns.int()?,
            finish: columns.text()?,
            model_sha256: columns.optional_text()?,
            held: columns.flag()?,
            due_at: columns.optional_int()?,
            rank_at: columns.int()?,
            created_at: columns.int()?,
            sandbox: columns.flag()?,
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        vec![
            self.order_id.into(),
            self.version.into(),
            self.status.as_str().into(),
            self.stage.as_str().into(),
            (&self.work).into(),
            (&self.holder).into(),
            self.material.as_str().into(),
            self.quantity.into(),
            self.finish.as_str().into(),
            (&self.model_sha256).into(),
            self.held.into(),
            self.due_at.into(),
            self.rank_at.into(),
            self.created_at.into(),
            self.sandbox.into(),
        ]
    }

    pub(super) fn view(self) -> QueueItem {
        let allowed = crate::allowed_for(&self.stage, self.held, "operator");
        QueueItem {
            order_id: self.order_id,
            status: self.status,
            version: self.version,
            work: self.work.unwrap_or_default(),
            holder: self.holder,
            material: self.material,
            quantity: self.quantity,
            finish: self.finish,
            due_at: self.due_at.map(rfc3339),
            held: self.held,
            model_sha256: self.model_sha256,
            created_at: rfc3339(self.created_at),
            allowed,
            stage: self.stage,
        }
    }
}
