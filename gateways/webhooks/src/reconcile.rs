//! Events against deliveries: what an audit asks of the webhooks' store.
//!
//! The asker follows the log by the same rule as the feed ([`atelier_projections::feed`]) and brings what each
//! event showed its partner; every endpoint that wanted it must have a delivery, whatever became of it.

use std::collections::HashMap;

use atelier_log::Partition;
use atelier_projections::feed::Shown;
use atelier_store::{Columns, Select, Store};
use uuid::Uuid;

use crate::Error;
use crate::tables::{DELIVERED, GIVEN_UP};
pub use crate::wanting::Told;
use crate::wanting::{LOOKED_UP, Wanting};

/// What became of the messages that were looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// 2xx.
    pub delivered: u64,
    /// To be sent.
    pub pending: u64,
    /// Failed for three days while others arrived.
    pub given_up: u64,
    /// No longer in the log of deliveries: delivered and pruned, as far as anybody can tell.
    pub pruned: u64,
    /// Neither of these: nobody will send them.
    pub missing: Vec<Missing>,
}

/// A message that should be there and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Where it should go.
    pub endpoint_id: Uuid,
    /// The order it is about.
    pub order_id: Uuid,
    /// The event, which would be its `webhook-id`.
    pub event_id: Uuid,
    /// Its number among the order's messages.
    pub sequence: i64,
}

/// A message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it goes or went.
    pub endpoint_id: Uuid,
    /// The order it is about.
    pub order_id: Uuid,
    /// The event it tells of.
    pub event_id: Uuid,
    /// Its number among the order's messages.
    pub sequence: i64,
    /// Whose endpoint it is.
    pub partner: String,
}

/// Whether there is any endpoint at all.
///
/// # Errors
/// The database.
pub async fn any_endpoint(store: &Store) -> Result<bool, Error> {
    Ok(Select::text("SELECT 1 FROM webhook_endpoints LIMIT 1").first(store).await?.is_some())
}

/// How far the log is read, by partition: what lies below has its deliveries.
///
/// # Errors
/// The database.
pub async fn progress(store: &Store) -> Result<HashMap<Partition, u64>, Error> {
    let rows = Select::text("SELECT log_partition, next FROM webhook_offsets").all(store).await?;
    let progress = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((u32::try_from(columns.int()?).unwrap_or(u32::MAX), columns.int()?.cast_unsigned()))
    });
    progress.collect()
}

/// Which of these orders are set aside, and from which offset on: nothing after it is told yet.
///
/// # Errors
/// The database.
pub async fn set_aside(store: &Store, orders: &[Uuid]) -> Result<HashMap<Uuid, u64>, Error> {
    let mut found = HashMap::new();
    for orders in orders.chunks(LOOKED_UP) {
        let ids = orders.iter().map(|id| (*id).into()).collect();
        let select = Select::text("SELECT order_id, log_offset FROM webhook_parked WHERE 1 = 1").any_of(" AND order_id IN", ids);
        for row in select.all(store).await? {
            let mut columns = Columns::of(&row);
            found.insert(columns.id()?, columns.int()?.cast_unsigned());
        }
    }
    Ok(found)
}

/// Looks up what became of the messages of these events, all of which lie below [`progress`]. Partners may
/// change their endpoints meanwhile: only what is missing before and after is.
///
/// # Errors
/// The database.
pub async fn reconcile(store: &Store, told: &[Told]) -> Result<Reconciled, Error> {
    let mut reconciled = Reconciled::default();
    let mut absent: Vec<(Uuid, &Told)> = Vec::new();
    for endpoint in wanting(store, told).await? {
        let due: Vec<&Told> = told.iter().filter(|told| endpoint.wants(told)).collect();
        for due in due.chunks(LOOKED_UP) {
            let states = states(store, endpoint.endpoint_id, due).await?;
            for told in due {
                match states.get(&told.shown.event_id) {
                    Some(&DELIVERED) => reconciled.delivered += 1,
                    Some(&GIVEN_UP) => reconciled.given_up += 1,
                    Some(_) => reconciled.pending += 1,
                    None => absent.push((endpoint.endpoint_id, told)),
                }
            }
        }
    }
    if absent.is_empty() {
        return Ok(reconciled);
    }
    let now: HashMap<Uuid, Wanting> = wanting(store, told).await?.into_iter().map(|endpoint| (endpoint.endpoint_id, endpoint)).collect();
    for (endpoint_id, told) in absent {
        let Some(endpoint) = now.get(&endpoint_id).filter(|endpoint| endpoint.wants(told)) else { continue };
        let Shown { event_id, at, order, .. } = &told.shown;
        if *at <= endpoint.pruned_to {
            reconciled.pruned += 1;
        } else {
            reconciled.missing.push(Missing { endpoint_id, order_id: order.order_id, event_id: *event_id, sequence: order.sequence });
        }
    }
    Ok(reconciled)
}

/// At most `limit` messages whose keys come after that of `last`, by key: all of them, page by page.
///
/// # Errors
/// The database.
pub async fn kept_after(store: &Store, last: Option<&Kept>, limit: u32) -> Result<Vec<Kept>, Error> {
    const ASK: &str = "SELECT d.endpoint_id, d.order_id, d.event_id, d.sequence, e.partner FROM webhook_deliveries d \
        JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id WHERE 1 = 1";
    let mut select = Select::text(ASK);
    if let Some(Kept { endpoint_id, order_id, sequence, .. }) = last {
        let after = [(*endpoint_id).into(), (*order_id).into(), (*sequence).into()];
        select = select.push(" AND (d.endpoint_id, d.order_id, d.sequence) > (?, ?, ?)", after);
    }
    let select = select.push(" ORDER BY d.endpoint_id, d.order_id, d.sequence LIMIT ?", [i64::from(limit).into()]);
    let rows = select.all(store).await?;
    let kept = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok(Kept {
            endpoint_id: columns.id()?,
            order_id: columns.id()?,
            event_id: columns.id()?,
            sequence: columns.int()?,
            partner: columns.text()?,
        })
    });
    kept.collect()
}

/// The endpoints of the partners concerned.
async fn wanting(store: &Store, told: &[Told]) -> Result<Vec<Wanting>, Error> {
    let mut found = Vec::new();
    for select in Wanting::of(told) {
        for row in &select.all(store).await? {
            found.push(Wanting::read(row)?);
        }
    }
    Ok(found)
}

/// By event: the state of its delivery.
async fn states(store: &Store, endpoint_id: Uuid, due: &[&Told]) -> Result<HashMap<Uuid, i64>, Error> {
    let ids = due.iter().map(|told| told.shown.event_id.into()).collect();
    let select = Select::text("SELECT event_id, state FROM webhook_deliveries WHERE ")
        .push("endpoint_id = ?", [endpoint_id.into()])
        .any_of(" AND event_id IN", ids);
    let rows = select.all(store).await?;
    let states = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((columns.id()?, columns.int()?))
    });
    states.collect()
}
