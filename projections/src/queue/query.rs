//! What is asked about the queue.

use super::row::{ITEMS, ItemRow};
use super::view::{QueueFilter, QueueItem, QueueLane};
use crate::page::{Cursor, Page, limit, one_more, page};
use crate::{Error, Queries};
use atelier_store::{Select, Value};

/// Marks the cursors of this list.
const LIST: char = 'q';

impl Queries {
    /// What is at the works, oldest due first. An order whose deadline moves while somebody pages moves
    /// with it.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn queue(&self, filter: &QueueFilter) -> Result<Page<QueueItem>, Error> {
        let limit = limit(filter.limit);
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let mut select = Select::from(&ITEMS, "work IS NOT NULL")
            .when(" AND work = ?", text(&filter.work))
            .when(" AND holder = ?", text(&filter.holder))
            .when(" AND material = ?", text(&filter.material))
            .when(" AND held = ?", filter.held.map(Value::from));
        // The orders of partners have a row in their own model, which says so.
        select = match filter.lane {
            Some(QueueLane::External) => {
                select.push(" AND EXISTS (SELECT 1 FROM partner_orders WHERE partner_orders.order_id = queue_items.order_id)", [])
            }
            Some(QueueLane::Own) => {
                select.push(" AND NOT EXISTS (SELECT 1 FROM partner_orders WHERE partner_orders.order_id = queue_items.order_id)", [])
            }
            None => select,
        };
        if let Some(cursor) = &filter.cursor {
            let Cursor { rank, id } = Cursor::decode(cursor, LIST)?;
            select = select.push(" AND (rank_at, order_id) > (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY rank_at, order_id LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let rows = rows.iter().map(ItemRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(page(rows, limit, LIST, |row| Cursor { rank: row.rank_at, id: row.order_id }, ItemRow::view))
    }
}
