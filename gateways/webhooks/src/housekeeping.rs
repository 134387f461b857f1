//! What is not delivery: old rows go, gauges are set.

use std::time::Duration;

use atelier_store::{Columns, Select, Store, Transaction};
use uuid::Uuid;

use crate::dispatch::Clock;
use crate::tables::LOCK;
use crate::{Error, Metrics};

/// How often the gauges are set.
pub(crate) const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Rounds of setting gauges between two of pruning and counting what does not arrive: a minute.
pub(crate) const PRUNE_EVERY: u32 = 12;
/// Rows that go in one transaction at most.
const CHUNK: i64 = 2000;
/// Endpoints looked at in one step.
const ENDPOINTS: i64 = 200;

/// How long delivered messages stay in the log. Pending ones and those given up stay until they are delivered
/// or their endpoint is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Since they were delivered.
    pub age_ms: i64,
    /// Of one endpoint.
    pub count: i64,
}

impl Default for Retention {
    /// 30 days, 100,000 messages.
    fn default() -> Self {
        Self { age_ms: 30 * 24 * 3600 * 1000, count: 100_000 }
    }
}

pub(crate) async fn set_gauges(store: &Store, clock: &Clock, metrics: &Metrics) -> Result<(), Error> {
    let now = clock();
    let oldest = Select::text("SELECT since FROM webhook_heads ORDER BY since LIMIT 1").first(store).await?;
    metrics.oldest(match oldest {
        Some(row) => now - Columns::of(&row).int()?,
        None => 0,
    });
    let parked = Select::text("SELECT COUNT(*) FROM webhook_parked").first(store).await?;
    metrics.set_aside.set(parked.map(|row| Columns::of(&row).int()).transpose()?.unwrap_or(0));
    let select = Select::text("SELECT COUNT(*), SUM(CASE WHEN enabled = 0 THEN 1 ELSE 0 END), ")
        .push("SUM(CASE WHEN enabled = 1 AND open_until > ? THEN 1 ELSE 0 END), ", [now.into()])
        .push("SUM(CASE WHEN enabled = 1 AND failures > 0 AND COALESCE(open_until, 0) <= ? THEN 1 ELSE 0 END)", [now.into()])
        .push(" FROM webhook_endpoints", []);
    if let Some(row) = select.first(store).await? {
        let mut columns = Columns::of(&row);
        let all = columns.int()?;
        let mut sum = || columns.optional_int().map(|sum| sum.unwrap_or(0));
        let (disabled, open, failing) = (sum()?, sum()?, sum()?);
        for (state, count) in
            [("ok", all - disabled - open - failing), ("failing", failing), ("circuit_open", open), ("disabled", disabled)]
        {
            metrics.endpoints(state, count);
        }
    }
    Ok(())
}

/// Counts what does not arrive. Where much waits that takes a while, so it is done with pruning.
pub(crate) async fn count_undelivered(store: &Store, clock: &Clock, late_ms: i64, metrics: &Metrics) -> Result<(), Error> {
    let undelivered = crate::undelivered(store, clock(), late_ms).await?.len();
    metrics.undelivered.set(i64::try_from(undelivered).unwrap_or(i64::MAX));
    Ok(())
}

/// Removes delivered messages that are too old or too many, in small transactions; how many went.
///
/// # Errors
/// What went is gone; the next call goes on.
pub(crate) async fn prune(store: &Store, clock: &Clock, retention: Retention) -> Result<u64, Error> {
    let mut gone = 0;
    let mut after = String::new();
    loop {
        let select = Select::text("SELECT endpoint_id FROM webhook_endpoints WHERE ");
        let rows =
            select.push("endpoint_id > ? ORDER BY endpoint_id LIMIT ?", [after.as_str().into(), ENDPOINTS.into()]).all(store).await?;
        for row in &rows {
            let endpoint_id = Columns::of(row).id()?;
            gone += prune_one(store, endpoint_id, clock() - retention.age_ms, retention.count).await?;
            after = endpoint_id.to_string();
        }
        if (rows.len() as i64) < ENDPOINTS {
            return Ok(gone);
        }
    }
}

async fn prune_one(store: &Store, endpoint_id: Uuid, before: i64, count: i64) -> Result<u64, Error> {
    // The settling time of the first message too many.
    let select = Select::text("SELECT settled_at FROM webhook_deliveries WHERE ")
        .push("endpoint_id = ? AND state = 1 ORDER BY settled_at DESC LIMIT 1 OFFSET ?", [endpoint_id.into(), count.into()]);
    let before = match select.first(store).await? {
        Some(row) => before.max(Columns::of(&row).int()?.saturating_add(1)),
        None => before,
    };
    let mut gone = 0;
    loop {
        const PRUNE: &str = "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 1 AND settled_at < $2 AND settled_at <= $3";
        const NOTE: &str = "UPDATE webhook_endpoints SET pruned_to = $1 WHERE endpoint_id = $2 AND pruned_to < $1";
        let mut transaction = store.begin().await?;
        transaction.lock(LOCK).await?;
        let last = Select::text("SELECT MAX(settled_at) FROM (SELECT settled_at FROM webhook_deliveries WHERE ")
            .push("endpoint_id = ? AND state = 1 AND settled_at < ?", [endpoint_id.into(), before.into()])
            .push(" ORDER BY settled_at LIMIT ?) AS oldest", [CHUNK.into()]);
        let Some(last) = number(last, &mut transaction).await? else { return Ok(gone) };
        let newest = Select::text("SELECT MAX(event_at) FROM webhook_deliveries WHERE ")
            .push("endpoint_id = ? AND state = 1 AND settled_at < ? AND settled_at <= ?", [endpoint_id.into(), before.into(), last.into()]);
        let newest = number(newest, &mut transaction).await?;
        gone += transaction.execute(PRUNE, [endpoint_id.into(), before.into(), last.into()]).await?;
        transaction.execute(NOTE, [newest.into(), endpoint_id.into()]).await?;
        transaction.commit().await?;
    }
}

/// The one number a question is answered with.
async fn number(select: Select, transaction: &mut Transaction) -> Result<Option<i64>, Error> {
    Ok(match select.first_in(transaction).await? {
        Some(row) => Columns::of(&row).optional_int()?,
        None => None,
    })
}
