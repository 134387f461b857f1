//! What is asked of the ledger.

use std::collections::BTreeMap;

use super::Cause;
use super::derived::{Found, of_behind, of_parcels, of_parked, of_undelivered};
use super::row::{GAPS, GapRow};
use super::silent;
use super::view::{Gap, GapFilter, GapState};
use crate::page::{Cursor, Page, limit, one_more, page};
use crate::{Error, Queries};
use atelier_store::{Columns, Select, Value};

/// Marks the cursors of this list.
const LIST: char = 'g';

impl Queries {
    /// Gaps, the one opened first first, as `role` reads them (what it may do about each). `besides` is what only the
    /// asker can find: what is behind ([`Found::at`]) takes the log and a clock, deliveries lie with the accounts. A gap
    /// that opens or closes while somebody pages comes and goes with it.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn gaps(&self, filter: &GapFilter, role: &str, besides: &Found) -> Result<Page<Gap>, Error> {
        let limit = limit(filter.limit);
        let after = filter.cursor.as_deref().map(|cursor| Cursor::decode(cursor, LIST)).transpose()?;
        let mut found = self.written(filter, role, after, limit).await?;
        for (key, gap) in self.derived(filter, role, besides, after, limit).await? {
            if after.is_none_or(|after| (key.rank, key.id) > (after.rank, after.id)) {
                found.push((key, gap));
            }
        }
        found.sort_by_key(|(key, _)| (key.rank, key.id));
        Ok(page(found, limit, LIST, |(key, _)| *key, |(_, gap)| gap))
    }

    /// How many gaps are open, by cause; a cause without any is missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open_gaps(&self, look: &Found) -> Result<BTreeMap<Cause, i64>, Error> {
        let rows = Select::text("SELECT cause, COUNT(*) FROM gaps WHERE closed_at IS NULL GROUP BY cause").all(self.store.db()).await?;
        let mut open = BTreeMap::new();
        for row in &rows {
            let mut columns = Columns::of(row);
            if let Ok(cause) = columns.text()?.parse() {
                open.insert(cause, columns.int()?);
            }
        }
        let parked = Select::text("SELECT COUNT(DISTINCT record_key) FROM parked").first(self.store.db()).await?;
        let parked = parked.map_or(Ok(0), |row| Columns::of(&row).int())?;
        let [behind, undelivered] = [look.behind.len(), look.undelivered.len()].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let unsaid = silent::count(&self.store, look).await?;
        for (cause, count) in [
            (Cause::NoEngine, unsaid),
            (Cause::UnreadableRecord, parked),
            (Cause::ProjectionBehind, behind),
            (Cause::WebhookUndelivered, undelivered),
        ] {
            if count > 0 {
                open.insert(cause, count);
            }
        }
        Ok(open)
    }

    /// The gaps in the table.
    async fn written(&self, filter: &GapFilter, role: &str, after: Option<Cursor>, limit: usize) -> Result<Vec<(Cursor, Gap)>, Error> {
        if filter.cause.is_some_and(Cause::is_derived) {
            return Ok(Vec::new());
        }
        let state = match filter.state {
            GapState::Open => "closed_at IS NULL",
            GapState::Closed => "closed_at IS NOT NULL",
            GapState::All => "1 = 1",
        };
        let mut select = Select::from(&GAPS, state)
            .when(" AND cause = ?", filter.cause.map(|cause| cause.as_str().into()))
            .when(" AND status = ?", filter.status.map(|status| status.as_str().into()))
            .when(" AND holder = ?", filter.holder.as_deref().map(Value::from))
            .when(" AND channel = ?", filter.channel.map(|channel| channel.as_str().into()))
            .when(" AND order_id = ?", filter.order.map(Value::from))
            .when(" AND opened_at < ?", filter.opened_before.map(Value::from));
        if let Some(Cursor { rank, id }) = after {
            select = select.push(" AND (opened_at, gap_id) > (?, ?)", [rank.into(), id.into()]);
        }
        let rows = select.push(" ORDER BY opened_at, gap_id LIMIT ?", [one_more(limit)]).all(self.store.db()).await?;
        let rows = rows.iter().map(|row| {
            let row = GapRow::read(row)?;
            Ok((Cursor { rank: row.opened_at, id: row.gap_id }, row.view(role)))
        });
        rows.collect()
    }

    /// Those that are found by looking.
    async fn derived(
        &self,
        filter: &GapFilter,
        role: &str,
        besides: &Found,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Gap)>, Error> {
        let mut found = Vec::new();
        // They go when what they are about is repaired, and nothing is written down of it.
        if filter.state == GapState::Closed {
            return Ok(found);
        }
        // Nobody has an order that was set aside.
        if filter.asks_for(Cause::UnreadableRecord) && filter.holder.is_none() {
            found.extend(of_parked(&self.store, filter, after, limit).await?);
        }
        if filter.asks_for(Cause::ProjectionBehind) {
            found.extend(of_behind(&besides.behind));
        }
        if filter.asks_for(Cause::NoEngine) {
            found.extend(silent::unsaid(&self.store, besides, filter, after, limit).await?);
        }
        if filter.asks_for(Cause::UnknownParcel) {
            found.extend(of_parcels(&besides.parcels, role));
        }
        if filter.asks_for(Cause::WebhookUndelivered) {
            found.extend(of_undelivered(&self.store, &besides.undelivered).await?);
        }
        found.retain(|(key, gap)| {
            filter.holder.as_ref().is_none_or(|holder| gap.holder.as_ref() == Some(holder))
                && filter.status.is_none_or(|status| gap.status.as_deref() == Some(status.as_str()))
                && filter.channel.is_none_or(|channel| gap.channel.as_deref() == Some(channel.as_str()))
                && filter.order.is_none_or(|order| gap.order_id == Some(order.to_string()))
                && filter.opened_before.is_none_or(|before| key.rank < before)
        });
        Ok(found)
    }
}
