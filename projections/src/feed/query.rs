//! What is asked of the feed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use atelier_domain::Status;
use atelier_schemas::TimeMs;
use atelier_store::{Columns, Select, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::cursor::FeedCursor;
use super::row::{ORDERS, OrderRow};
use super::view::{COLUMNS, FeedEntry};
use crate::{Error, Queries};

/// Entries given out at once at most.
const ENTRIES_MAX: usize = 500;
/// How long somebody who waits goes without looking, should no change be announced.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// And how long at least between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Ids or references looked up by one statement.
const LOOKED_UP: usize = 200;
/// Orders told to be missing at most.
pub const MISSING_LIMIT: usize = 1000;

/// An order as its partner knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// By its id, or
    pub order_id: Option<Uuid>,
    /// by the partner's own name for it.
    pub reference: Option<String>,
    /// The version the partner saw last.
    pub version: i64,
}

/// An order as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The order.
    pub order_id: Uuid,
    /// The partner's own name for it.
    pub reference: Option<String>,
    /// Public status.
    pub status: String,
    /// Of its last event.
    pub version: i64,
    /// Of the last event that showed the partner something.
    pub seen_version: i64,
    /// The business request that created it.
    pub request_id: Uuid,
}

/// An order about which the two sides disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What the partner believes.
    pub given: Given,
    /// What is so.
    pub known: Known,
}

/// What a reconciliation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// In the order they were given in.
    pub differing: Vec<Difference>,
    /// Given, and no order of this partner.
    pub unknown: Vec<Given>,
    /// Orders of the partner created since the time given that it did not name, oldest first.
    pub missing: Vec<Known>,
    /// There may be more of those: at most [`MISSING_LIMIT`] are looked for beside the given ones.
    pub missing_cut: bool,
}

impl Queries {
    /// Changes of one partner's orders after `cursor`, at most `limit` (1 to 500), and the cursor after them.
    /// Those of one order come in their order; of several, as they were written.
    /// Without any, waits for one, at most `wait`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn feed(
        &self,
        partner: &str,
        cursor: &FeedCursor,
        limit: usize,
        wait: Duration,
    ) -> Result<(Vec<FeedEntry>, FeedCursor), Error> {
        let end = Instant::now() + wait;
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let (entries, next) = self.feed_now(partner, cursor, limit).await?;
            if !entries.is_empty() || Instant::now() >= end {
                return Ok((entries, next));
            }
            let look = (Instant::now() + LOOK_AGAIN).min(end);
            let pause = (Instant::now() + LOOK_PAUSE).min(end);
            let _ = tokio::time::timeout_at(look, changes.changed()).await;
            tokio::time::sleep_until(pause).await;
        }
    }

    async fn feed_now(&self, partner: &str, cursor: &FeedCursor, limit: usize) -> Result<(Vec<FeedEntry>, FeedCursor), Error> {
        let limit = Value::from(i64::try_from(limit.clamp(1, ENTRIES_MAX)).unwrap_or(i64::MAX));
        let select = Select::text(COLUMNS)
            .push("partner = ? AND position > ?", [partner.into(), cursor.after.into()])
            .push(" ORDER BY position LIMIT ?", [limit]);
        let mut next = *cursor;
        let mut entries = Vec::new();
        for row in select.all(self.store.db()).await? {
            let (position, entry) = FeedEntry::read(&row)?;
            next.after = position;
            entries.push(entry);
        }
        Ok((entries, next))
    }

    /// An order of this partner as the feed knows it; `None` for everybody else's.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn known(&self, partner: &str, id: Uuid) -> Result<Option<Known>, Error> {
        let select = Select::from(&ORDERS, "").push("order_id = ? AND partner = ?", [id.into(), partner.into()]);
        select.first(self.store.db()).await?.map(|row| OrderRow::read(&row).map(Known::from)).transpose()
    }

    /// Orders of a partner that are neither closed nor cancelled, counted up to `limit`; and of those the ones
    /// that wait for a price, counted alike.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open_orders(&self, partner: &str, limit: i64) -> Result<(i64, i64), Error> {
        // Named one by one: the closed ones, of which there are ever more, are not looked at.
        let open = Status::ALL.into_iter().filter(|status| !status.is_final()).map(|status| Value::from(status.as_str())).collect();
        let counted = |statuses: Vec<Value>| {
            Select::text("SELECT COUNT(*) FROM (SELECT order_id FROM feed_orders WHERE ")
                .push("partner = ?", [partner.into()])
                .any_of(" AND status IN", statuses)
                .push(" LIMIT ?) AS counted", [limit.into()])
        };
        let (open, pricing) = (counted(open), counted(vec![Status::Submitted.as_str().into()]));
        let mut counts = [0; 2];
        for (count, select) in counts.iter_mut().zip([open, pricing]) {
            if let Some(row) = select.first(self.store.db()).await? {
                *count = Columns::of(&row).int()?;
            }
        }
        Ok((counts[0], counts[1]))
    }

    /// Holds what a partner believes against what is so. An order agrees when the partner knows the last
    /// version that showed something, or a later one that exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reconcile(&self, partner: &str, given: Vec<Given>, since: Option<TimeMs>) -> Result<Reconciled, Error> {
        let ids: Vec<Value> = given.iter().filter_map(|given| given.order_id).map(Value::from).collect();
        let references: Vec<Value> = given.iter().filter(|given| given.order_id.is_none()).map(|given| (&given.reference).into()).collect();
        let by_id: HashMap<Uuid, Known> =
            self.looked_up(partner, " AND order_id IN", ids).await?.into_iter().map(|known| (known.order_id, known)).collect();
        let by_reference: HashMap<String, Known> = self
            .looked_up(partner, " AND reference IN", references)
            .await?
            .into_iter()
            .filter_map(|known| Some((known.reference.clone()?, known)))
            .collect();
        let mut found = Reconciled::default();
        let mut named = HashSet::new();
        for given in given {
            let known = match (given.order_id, &given.reference) {
                (Some(id), _) => by_id.get(&id),
                (None, Some(reference)) => by_reference.get(reference),
                (None, None) => None,
            };
            let Some(known) = known else {
                found.unknown.push(given);
                continue;
            };
            named.insert(known.order_id);
            if !(known.seen_version..=known.version).contains(&given.version) {
                found.differing.push(Difference { given, known: known.clone() });
            }
        }
        if let Some(since) = since {
            let rows_max = MISSING_LIMIT + named.len();
            let select = Select::from(&ORDERS, "")
                .push("partner = ? AND created_at >= ?", [partner.into(), since.into()])
                .push(" ORDER BY created_at, order_id LIMIT ?", [i64::try_from(rows_max).unwrap_or(i64::MAX).into()]);
            let rows = select.all(self.store.db()).await?;
            found.missing_cut = rows.len() == rows_max;
            for row in &rows {
                let known = Known::from(OrderRow::read(row)?);
                if !named.contains(&known.order_id) {
                    found.missing.push(known);
                }
            }
            found.missing.truncate(MISSING_LIMIT);
        }
        Ok(found)
    }

    async fn looked_up(&self, partner: &str, condition: &'static str, values: Vec<Value>) -> Result<Vec<Known>, Error> {
        let mut known = Vec::with_capacity(values.len());
        for part in values.chunks(LOOKED_UP) {
            let select = Select::from(&ORDERS, "").push("partner = ?", [partner.into()]).any_of(condition, part.to_vec());
            for row in select.all(self.store.db()).await? {
                known.push(Known::from(OrderRow::read(&row)?));
            }
        }
        Ok(known)
    }
}

impl From<OrderRow> for Known {
    fn from(row: OrderRow) -> Self {
        let seen = row.seen;
        Self {
            order_id: seen.order_id,
            reference: seen.reference,
            status: seen.status,
            version: seen.version,
            seen_version: seen.seen_version,
            request_id: row.request_id,
        }
    }
}
