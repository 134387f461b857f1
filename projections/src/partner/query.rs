//! What partners ask. The partner is part of every condition: one never sees another's order.

use std::time::Duration;

use atelier_store::{Select, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use super::view::{PartnerFilter, PartnerOrder};
use crate::page::{Cursor, Page, limit, one_more, page};
use crate::queries::{LOOK_AGAIN, LOOK_PAUSE};
use crate::{Error, Queries};

/// Marks the cursors of this list.
const LIST: char = 'p';
/// And those of the list by the last change.
const CHANGED_LIST: char = 'u';

impl Queries {
    /// Orders of one partner, the one created last first; with `updated_since`, the one that waited longest
    /// for its next change first.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn partner_orders(&self, partner: &str, filter: &PartnerFilter) -> Result<Page<PartnerOrder>, Error> {
        let limit = limit(filter.limit);
        let mut select = Select::from(&ORDERS, "")
            .push("partner = ?", [partner.into()])
            .when(" AND status = ?", filter.status.as_deref().map(Value::from))
            .when(" AND reference = ?", filter.reference.as_deref().map(Value::from))
            .when(" AND created_at >= ?", filter.created_since.map(Value::from))
            .when(" AND updated_at >= ?", filter.updated_since.map(Value::from));
        if filter.updated_since.is_some() {
            if let Some(cursor) = &filter.cursor {
                let Cursor { rank, id } = Cursor::decode(cursor, CHANGED_LIST)?;
                select = select.push(" AND (updated_at, order_id) > (?, ?)", [rank.into(), id.into()]);
            }
            let rows = select.push(" ORDER BY updated_at, order_id LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
            let rows = rows.iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
            return Ok(page(rows, limit, CHANGED_LIST, |row| Cursor { rank: row.updated_at, id: row.order_id }, OrderRow::view));
        }
        if let Some(cursor) = &filter.cursor {
            let Cursor { rank, id } = Cursor::decode(cursor, LIST)?;
            select = select.push(" AND (created_at, order_id) < (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY created_at DESC, order_id DESC LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let rows = rows.iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(page(rows, limit, LIST, |row| Cursor { rank: row.created_at, id: row.order_id }, OrderRow::view))
    }

    /// An order of this partner at `version` or later; waits for it at most `limit`.
    ///
    /// # Errors
    /// [`Error::Behind`] when the order has not got there in time; otherwise as [`Queries::partner_order`]. An order
    /// the partner has none of is not waited for longer than any other.
    pub async fn partner_order_at(&self, partner: &str, id: Uuid, version: i64, limit: Duration) -> Result<Option<PartnerOrder>, Error> {
        let end = Instant::now() + limit;
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let order = self.partner_order(partner, id).await?;
            let have = order.as_ref().map_or(0, |order| order.version);
            if have >= version {
                return Ok(order);
            }
            if Instant::now() >= end {
                return Err(Error::Behind { wanted: version, have });
            }
            let look = (Instant::now() + LOOK_AGAIN).min(end);
            let pause = (Instant::now() + LOOK_PAUSE).min(end);
            let _ = tokio::time::timeout_at(look, changes.changed()).await;
            tokio::time::sleep_until(pause).await;
        }
    }

    /// An order of this partner; `None` for everybody else's.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn partner_order(&self, partner: &str, id: Uuid) -> Result<Option<PartnerOrder>, Error> {
        let select = Select::from(&ORDERS, "").push("order_id = ? AND partner = ?", [id.into(), partner.into()]);
        select.first(self.store.db()).await?.map(|row| OrderRow::read(&row).map(OrderRow::view)).transpose()
    }
}
