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
    metrics.oldest(oldest(store).await?.map_or(0, |oldest| now - oldest));
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

/// Since when the message could have been sent that waits longest.
async fn oldest(store: &Store) -> Result<Option<i64>, Error> {
    // Of the messages after an endpoint's place the first may be one that it does not want, for the moment until its
    // lane passes it over.
    const UNTAKEN: &str = "SELECT MIN(CASE WHEN first.event_at > e.enabled_at THEN first.event_at ELSE e.enabled_at END) \
        FROM webhook_endpoints e JOIN webhook_messages first ON first.partner = e.partner AND first.number = \
        (SELECT MIN(m.number) FROM webhook_messages m WHERE m.partner = e.partner AND m.number > e.taken)";
    let head = Select::text("SELECT since FROM webhook_heads ORDER BY since LIMIT 1").first(store).await?;
    let head = head.map(|row| Columns::of(&row).int()).transpose()?;
    let untaken = Select::text(UNTAKEN).first(store).await?;
    let untaken = untaken.map(|row| Columns::of(&row).optional_int()).transpose()?.flatten();
    Ok(head.into_iter().chain(untaken).min())
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
    // The number of the first message too many.
    let many = Select::text("SELECT number FROM webhook_deliveries WHERE ")
        .push("endpoint_id = ? AND state = 1 ORDER BY number DESC LIMIT 1 OFFSET ?", [endpoint_id.into(), count.into()]);
    let many = many.first(store).await?.map(|row| Columns::of(&row).int()).transpose()?.unwrap_or(i64::MIN);
    // Nobody waits for the lock where nothing goes, which is most of the time.
    let goes = Select::text("SELECT number FROM (SELECT number, state, settled_at FROM webhook_deliveries WHERE ")
        .push("endpoint_id = ? ORDER BY number LIMIT ?) AS oldest", [endpoint_id.into(), CHUNK.into()])
        .push(" WHERE state = 1 AND (settled_at < ? OR number <= ?) LIMIT 1", [before.into(), many.into()]);
    if goes.first(store).await?.is_none() {
        return Ok(0);
    }
    let (mut gone, mut after) = (0, i64::MIN);
    loop {
        const PRUNE: &str = "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND number > $2 AND number <= $3 AND state = 1 \
            AND (settled_at < $4 OR number <= $5)";
        const NOTE: &str = "UPDATE webhook_endpoints SET pruned_to = $1 WHERE endpoint_id = $2 AND pruned_to < $1";
        let mut transaction = store.begin().await?;
        transaction.lock(LOCK).await?;
        // They were delivered about in their order. Those that were not, being late, go with later ones.
        let oldest = Select::text("SELECT MAX(number) FROM (SELECT number FROM webhook_deliveries WHERE ")
            .push("endpoint_id = ? AND number > ?", [endpoint_id.into(), after.into()])
            .push(" ORDER BY number LIMIT ?) AS oldest", [CHUNK.into()]);
        let Some(last) = number(oldest, &mut transaction).await? else { return Ok(gone) };
        let newest =
            Select::text("SELECT MAX(m.event_at) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id ")
                .push(
                    "JOIN webhook_messages m ON m.partner = e.partner AND m.number = d.number WHERE d.endpoint_id = ?",
                    [endpoint_id.into()],
                )
                .push(" AND d.number > ? AND d.number <= ? AND d.state = 1", [after.into(), last.into()])
                .push(" AND (d.settled_at < ? OR d.number <= ?)", [before.into(), many.into()]);
        let newest = number(newest, &mut transaction).await?;
        let pruned = transaction.execute(PRUNE, [endpoint_id.into(), after.into(), last.into(), before.into(), many.into()]).await?;
        transaction.execute(NOTE, [newest.unwrap_or(i64::MIN).into(), endpoint_id.into()]).await?;
        let select = Select::text("SELECT partner FROM webhook_endpoints WHERE ").push("endpoint_id = ?", [endpoint_id.into()]);
        let partner = select.first_in(&mut transaction).await?.map(|row| Columns::of(&row).text()).transpose()?;
        let kept = Select::text("SELECT COUNT(*) FROM webhook_deliveries WHERE ")
            .push("endpoint_id = ? AND number > ? AND number <= ? AND state = 1", [endpoint_id.into(), after.into(), last.into()]);
        let kept = number(kept, &mut transaction).await?;
        transaction.commit().await?;
        gone += pruned;
        if let Some(partner) = partner.filter(|_| pruned > 0) {
            sweep(store, &partner, after, last).await?;
        }
        if kept != Some(0) {
            return Ok(gone);
        }
        after = last;
    }
}

/// Removes a partner's messages of these numbers that no endpoint needs any more, neither to send nor to tell of.
pub(crate) async fn sweep(store: &Store, partner: &str, after: i64, upto: i64) -> Result<(), atelier_store::Error> {
    const SWEEP: &str = "DELETE FROM webhook_messages WHERE partner = $1 AND number > $2 AND number <= $3 AND NOT EXISTS \
        (SELECT 1 FROM webhook_endpoints e WHERE e.partner = webhook_messages.partner AND (e.taken < webhook_messages.number OR EXISTS \
        (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.number = webhook_messages.number)))";
    let mut from = after;
    loop {
        let mut transaction = store.begin().await?;
        transaction.lock(LOCK).await?;
        let page = Select::text("SELECT MAX(number) FROM (SELECT number FROM webhook_messages WHERE ")
            .push("partner = ? AND number > ? AND number <= ?", [partner.into(), from.into(), upto.into()])
            .push(" ORDER BY number LIMIT ?) AS page", [CHUNK.into()]);
        let Some(to) = number(page, &mut transaction).await? else { return Ok(()) };
        transaction.execute(SWEEP, [partner.into(), from.into(), to.into()]).await?;
        transaction.commit().await?;
        from = to;
    }
}

/// The one number a question is answered with.
async fn number(select: Select, transaction: &mut Transaction) -> Result<Option<i64>, atelier_store::Error> {
    Ok(match select.first_in(transaction).await? {
        Some(row) => Columns::of(&row).optional_int()?,
        None => None,
    })
}
