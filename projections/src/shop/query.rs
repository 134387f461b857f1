//! What is asked about one order.

use atelier_store::{Columns, Select};
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use super::view::{OrderView, TimelineEntry};
use crate::show::rfc3339;
use crate::{Error, Queries, SANDBOX};

/// Lines of a timeline given out at most: the newest ones.
const TIMELINE_LIMIT: i64 = 1000;

impl Queries {
    /// An order, or `None` when the read model has none of that id. `allowed` is a customer's; see
    /// [`OrderView::seen_by`].
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn order(&self, id: Uuid) -> Result<Option<OrderView>, Error> {
        let row = Select::from(&ORDERS, "").push("order_id = ?", [id.into()]).first(self.store.db()).await?;
        row.map(|row| OrderRow::read(&row).map(OrderRow::view)).transpose()
    }

    /// What happened to an order, first things first, of more than 1,000 lines the newest; empty when there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn timeline(&self, id: Uuid) -> Result<Vec<TimelineEntry>, Error> {
        let select = Select::text("SELECT version, type, at, actor_role, actor_name, status, detail FROM shop_timeline WHERE ");
        let rows =
            select.push("order_id = ? ORDER BY version DESC LIMIT ?", [id.into(), TIMELINE_LIMIT.into()]).all(self.store.db()).await?;
        let entries = rows.iter().rev().map(|row| {
            let mut columns = Columns::of(row);
            Ok(TimelineEntry {
                version: columns.int()?,
                type_name: columns.text()?,
                at: rfc3339(columns.int()?),
                by: format!("{}:{}", columns.text()?, columns.text()?),
                status: columns.text()?,
                detail: serde_json::from_str(&columns.text()?).unwrap_or_default(),
            })
        });
        entries.collect()
    }

    /// The order a carrier knows by its tracking number; the latest one when there are several. No carrier has parcels
    /// of sandboxes.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn order_by_tracking(&self, carrier: &str, tracking: &str) -> Result<Option<Uuid>, Error> {
        let select = Select::text("SELECT order_id FROM shop_orders WHERE ");
        let select = select.push("tracking = ? AND carrier = ? AND channel <> ?", [tracking.into(), carrier.into(), SANDBOX.into()]);
        let select = select.push(" ORDER BY updated_at DESC, order_id LIMIT 1", []);
        Ok(select.first(self.store.db()).await?.map(|row| Columns::of(&row).id()).transpose()?)
    }

    /// Channel and client an order came from: whose it is. The channel is [`SANDBOX`] for one of the client's sandbox.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn owner_of(&self, id: Uuid) -> Result<Option<(String, String)>, Error> {
        let select = Select::text("SELECT channel, client FROM shop_orders WHERE ").push("order_id = ?", [id.into()]);
        let row = select.first(self.store.db()).await?;
        row.map(|row| {
            let mut columns = Columns::of(&row);
            Ok((columns.text()?, columns.text()?))
        })
        .transpose()
    }
}
