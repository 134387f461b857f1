//! What partners ask. The partner is part of every condition: one never sees another's order.

use atelier_store::{Select, Value};
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use super::view::{PartnerFilter, PartnerOrder};
use crate::page::{Cursor, Page, limit, one_more, page};
use crate::{Error, Queries};

/// Marks the cursors of this list.
const LIST: char = 'p';

impl Queries {
    /// Orders of one partner, the one created last first.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn partner_orders(&self, partner: &str, filter: &PartnerFilter) -> Result<Page<PartnerOrder>, Error> {
        let limit = limit(filter.limit);
        let mut select = Select::from(&ORDERS, "")
            .push("partner = ?", [partner.into()])
            .when(" AND status = ?", filter.status.as_deref().map(Value::from))
            .when(" AND reference = ?", filter.reference.as_deref().map(Value::from));
        if let Some(cursor) = &filter.cursor {
            let Cursor { rank, id } = Cursor::decode(cursor, LIST)?;
            select = select.push(" AND (created_at, order_id) < (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY created_at DESC, order_id DESC LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let rows = rows.iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(page(rows, limit, LIST, |row| Cursor { rank: row.created_at, id: row.order_id }, OrderRow::view))
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
