//! What sellers ask.

use std::collections::BTreeMap;

use atelier_store::{Columns, Select, Value};
use uuid::Uuid;

use super::row::{ORDERS, OrderRow};
use super::view::{CrmFilter, CrmOrder};
use crate::page::{Cursor, Page, limit, one_more, page};
use crate::{Cause, Error, Queries, SANDBOX, Undelivered};

/// Marks the cursors of the list of orders.
const ORDERS_LIST: char = 'c';
/// And of those that need a person.
const ATTENTION_LIST: char = 'a';
/// Orders looked up by one statement.
const LOOKED_UP: usize = 200;

impl Queries {
    /// Orders, the one created last first. The creation time never changes, so paging gives each order
    /// once however it moves meanwhile. A search for a part of the reference reads orders until the page
    /// is full: give a status or a channel with it where there are many.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn crm_orders(&self, filter: &CrmFilter) -> Result<Page<CrmOrder>, Error> {
        let limit = limit(filter.limit);
        let mut select = narrowed(Select::from(&ORDERS, "1 = 1"), filter);
        if let Some(cursor) = &filter.cursor {
            let Cursor { rank, id } = Cursor::decode(cursor, ORDERS_LIST)?;
            select = select.push(" AND (created_at, order_id) < (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY created_at DESC, order_id DESC LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let rows = rows.iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(page(rows, limit, ORDERS_LIST, |row| Cursor { rank: row.created_at, id: row.order_id }, OrderRow::view))
    }

    /// Orders that need a person, the one that has waited longest first: those that have a gap open
    /// ([`Queries::gaps`]), whatever its cause. `undelivered` is what the asker has found just now: it counts
    /// where it is about an order.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn attention(&self, filter: &CrmFilter, undelivered: &[Undelivered]) -> Result<Page<CrmOrder>, Error> {
        let limit = limit(filter.limit);
        let after = filter.cursor.as_deref().map(|cursor| Cursor::decode(cursor, ATTENTION_LIST)).transpose()?;
        let mut select = narrowed(Select::from(&ORDERS, "attention_since IS NOT NULL"), filter);
        if let Some(Cursor { rank, id }) = after {
            select = select.push(" AND (attention_since, order_id) > (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY attention_since, order_id LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let mut rows = rows.iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
        let mut since: BTreeMap<Uuid, i64> = BTreeMap::new();
        for found in undelivered {
            if let Some(order_id) = found.order_id {
                let first = since.entry(order_id).or_insert(found.since);
                *first = (*first).min(found.since);
            }
        }
        // Those that are in the list for nothing else.
        let ids: Vec<Value> = since.keys().map(|id| (*id).into()).collect();
        for ids in ids.chunks(LOOKED_UP) {
            let select = narrowed(Select::from(&ORDERS, "attention_since IS NULL"), filter).any_of(" AND order_id IN", ids.to_vec());
            for row in select.all(self.store.db()).await? {
                let row = OrderRow::read(&row)?;
                rows.push(OrderRow { attention_since: since.get(&row.order_id).copied(), ..row });
            }
        }
        let key = |row: &OrderRow| Cursor { rank: row.attention_since.unwrap_or_default(), id: row.order_id };
        rows.retain(|row| after.is_none_or(|after| (key(row).rank, row.order_id) > (after.rank, after.id)));
        rows.sort_by_key(|row| (key(row).rank, row.order_id));
        let view = |row: OrderRow| {
            let undelivered = since.contains_key(&row.order_id);
            let mut order = row.view();
            order.gaps.extend(undelivered.then_some(Cause::WebhookUndelivered));
            order
        };
        Ok(page(rows, limit, ATTENTION_LIST, key, view))
    }

    /// How many orders stand in each status, by name; a status nobody was ever in is missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counts(&self) -> Result<Vec<(String, i64)>, Error> {
        let rows = Select::text("SELECT status, orders FROM crm_counts ORDER BY status").all(self.store.db()).await?;
        let counts = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.text()?, columns.int()?))
        });
        counts.collect()
    }
}

fn narrowed(select: Select, filter: &CrmFilter) -> Select {
    let select = select
        .push(" AND channel <> ?", [SANDBOX.into()])
        .when(" AND status = ?", filter.status.as_deref().map(Value::from))
        .when(" AND channel = ?", filter.channel.as_deref().map(Value::from))
        .when(" AND held = ?", filter.held.map(Value::from));
    let Some(text) = filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return select };
    match Uuid::parse_str(text) {
        Ok(id) => select.push(" AND order_id = ?", [id.into()]),
        Err(_) => select.push(" AND reference_text LIKE ? ESCAPE '\\'", [like(text).as_str().into()]),
    }
}

/// A pattern for text that contains `text`, upper and lower case alike.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
