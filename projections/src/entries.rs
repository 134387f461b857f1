//! Every row of a read model in the order of its key, for whoever holds them against the log.
//!
//! Keys are the texts of UUIDs, all of one shape, so that the databases sort them like the numbers they stand for.

use atelier_schemas::Outcome;
use atelier_store::{Columns, Select, Value};
use uuid::Uuid;

use crate::{Error, Model, Queries};

/// What every read model of orders says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// The order.
    pub order_id: Uuid,
    /// Of the last event applied.
    pub version: i64,
    /// Public status.
    pub status: String,
    /// Inner stage.
    pub stage: String,
    /// On hold.
    pub held: bool,
}

/// A kept answer.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeEntry {
    /// The command.
    pub command_id: Uuid,
    /// Its answer, or why the row cannot be read.
    pub outcome: Result<Outcome, String>,
}

impl Queries {
    /// At most `limit` orders of a model whose ids come after `after`, by id; none once there are no more,
    /// and none of [`Model::Outcomes`], which has no orders.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Broken`] when a row's id is none.
    pub async fn orders_after(&self, model: Model, after: Option<Uuid>, limit: u32) -> Result<Vec<OrderEntry>, Error> {
        let text = match model {
            Model::Shop => "SELECT order_id, version, status, stage, held FROM shop_orders WHERE ",
            Model::Queue => "SELECT order_id, version, status, stage, held FROM queue_items WHERE ",
            Model::Crm => "SELECT order_id, version, status, stage, held FROM crm_orders WHERE ",
            Model::Partner => "SELECT order_id, version, status, stage, held FROM partner_orders WHERE ",
            Model::Feed => "SELECT order_id, version, status, stage, held FROM feed_orders WHERE ",
            Model::Gaps => "SELECT order_id, version, status, stage, held FROM gap_orders WHERE ",
            Model::Outcomes => return Ok(Vec::new()),
        };
        let select = Select::text(text).push("order_id > ? ORDER BY order_id LIMIT ?", [key(after), i64::from(limit).into()]);
        let rows = select.all(self.store.db()).await?;
        let entries = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok(OrderEntry {
                order_id: columns.id()?,
                version: columns.int()?,
                status: columns.text()?,
                stage: columns.text()?,
                held: columns.flag()?,
            })
        });
        entries.collect()
    }

    /// At most `limit` kept answers to commands whose ids come after `after`, by id; none once there are no more.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Broken`] when a row's id is none.
    pub async fn outcomes_after(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<OutcomeEntry>, Error> {
        let select = Select::text("SELECT command_id, outcome FROM outcomes WHERE ")
            .push("command_id > ? ORDER BY command_id LIMIT ?", [key(after), i64::from(limit).into()]);
        let rows = select.all(self.store.db()).await?;
        let entries = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            let command_id = columns.id()?;
            Ok(OutcomeEntry { command_id, outcome: serde_json::from_str(&columns.text()?).map_err(|error| error.to_string()) })
        });
        entries.collect()
    }
}

/// The empty text comes before every id.
fn key(after: Option<Uuid>) -> Value {
    after.map_or_else(|| Value::from(""), Value::from)
}
