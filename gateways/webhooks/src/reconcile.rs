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

/// A message as it is kept, once for all endpoints of its partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub partner: String,
    /// Among all messages.
    pub number: i64,
    /// The order it is about.
    pub order_id: Uuid,
    /// The event it tells of.
    pub event_id: Uuid,
    /// Its number among the order's messages.
    pub sequence: i64,
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
    let mut select = Select::text("SELECT partner, number, order_id, event_id, sequence FROM webhook_messages WHERE 1 = 1");
    if let Some(Kept { partner, number, .. }) = last {
        select = select.push(" AND (partner, number) > (?, ?)", [partner.as_str().into(), (*number).into()]);
    }
    let rows = select.push(" ORDER BY partner, number LIMIT ?", [i64::from(limit).into()]).all(store).await?;
    let kept = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let (partner, number, order_id) = (columns.text()?, columns.int()?, columns.id()?);
        Ok(Kept { partner, number, order_id, event_id: columns.id()?, sequence: columns.int()? })
    });
    kept.collect()
}

/// The endpoints of the partners concerned.
async fn wanting(store: &Store, told: &[Told]) -> Result<Vec<Wanting>, Error> {
    let mut found = Vec::new();
    for select in Wanting::of(told.iter().map(|told| told.shown.order.partner.as_str())) {
        for row in &select.all(store).await? {
            found.push(Wanting::read(&mut Columns::of(row))?);
        }
    }
    Ok(found)
}

/// By event: the state of its delivery. A message that nobody has taken up is pending.
async fn states(store: &Store, endpoint_id: Uuid, due: &[&Told]) -> Result<HashMap<Uuid, i64>, Error> {
    const ASK: &str = "SELECT m.event_id, COALESCE(d.state, 0) FROM webhook_endpoints e JOIN webhook_messages m ON m.partner = e.partner \
        LEFT JOIN webhook_deliveries d ON d.endpoint_id = e.endpoint_id AND d.number = m.number \
        WHERE (d.number IS NOT NULL OR m.number > e.taken)";
    let ids = due.iter().map(|told| told.shown.event_id.into()).collect();
    let select = Select::text(ASK).push(" AND e.endpoint_id = ?", [endpoint_id.into()]).any_of(" AND m.event_id IN", ids);
    let rows = select.all(store).await?;
    let states = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((columns.id()?, columns.int()?))
    });
    states.collect()
}
