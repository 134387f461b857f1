//! What does not arrive, for the ledger of gaps: nothing is kept for that, so each is gone as soon as the
//! message is delivered, the endpoint enabled or the event read.

use std::collections::HashSet;

use atelier_projections::Undelivered;
use atelier_store::{Columns, Row, Select, Store};
use uuid::Uuid;

use crate::Error;
use crate::untaken::{Untaken, UntakenMessage};
use crate::wanting::{WANTING, Wanting};

/// How long a message may be on its way before that is a gap, in milliseconds: from its event on, or from the time when
/// the message before it was settled, or when somebody asked for it again.
pub const LATE_MS: i64 = 15 * 60 * 1000;
/// Of each kind told of: the oldest ones.
const KIND_MAX: usize = 1000;
/// Looked at, to see whether there are more.
const LOOKED_AT: i64 = 1001;

/// Everything that does not arrive, the oldest 1,000 of each kind: messages that are to be sent for longer than
/// `late_ms`, messages given up, disabled endpoints with messages waiting, and orders set aside. Nothing of
/// sandboxes ([`atelier_projections::SANDBOX`]): no person needs to look after them.
///
/// # Errors
/// The database.
pub async fn undelivered(store: &Store, now: i64, late_ms: i64) -> Result<Vec<Undelivered>, Error> {
    Ok(undelivered_or_cut(store, now, late_ms).await?.0)
}

/// The same, and whether there is more of a kind than that.
///
/// # Errors
/// The database.
pub async fn undelivered_or_cut(store: &Store, now: i64, late_ms: i64) -> Result<(Vec<Undelivered>, bool), Error> {
    let kinds = [late(store, now, late_ms).await?, given_up(store).await?, disabled(store).await?, set_aside(store).await?];
    let cut = kinds.iter().any(|kind| kind.len() > KIND_MAX);
    Ok((kinds.into_iter().flat_map(|kind| kind.into_iter().take(KIND_MAX)).collect(), cut))
}

/// An enabled endpoint's first message of an order, late. Its circuit may be open, or it is this message alone.
async fn late(store: &Store, now: i64, late_ms: i64) -> Result<Vec<Undelivered>, Error> {
    const ASK: &str = "SELECT h.endpoint_id, h.order_id, e.partner, h.since, m.sequence, h.attempts, e.last_failure \
        FROM webhook_heads h JOIN webhook_endpoints e ON e.endpoint_id = h.endpoint_id \
        JOIN webhook_messages m ON m.partner = e.partner AND m.number = h.number WHERE ";
    let select = Select::text(ASK).push(
        "e.enabled = 1 AND e.partner NOT LIKE '%:sandbox' AND h.since <= ? ORDER BY h.since, h.order_id, h.endpoint_id LIMIT ?",
        [(now - late_ms).into(), LOOKED_AT.into()],
    );
    let mut late = each(select, store, |columns| {
        let (endpoint_id, order_id, partner) = (columns.id()?, columns.id()?, columns.text()?);
        let (since, sequence, attempts) = (columns.int()?, columns.int()?, columns.int()?);
        let why = columns
            .optional_text()?
            .filter(|_| attempts > 0)
            .map_or_else(String::new, |why| format!(", the endpoint failed last with: {why}"));
        Ok(Undelivered {
            endpoint_id: Some(endpoint_id),
            order_id: Some(order_id),
            partner,
            since: since.saturating_add(late_ms),
            detail: format!(
                "message {sequence} has not reached endpoint {endpoint_id} after {attempts} attempts{why}; `{RESEND} {endpoint_id}`"
            ),
            allowed: vec!["endpoint_resend".into()],
        })
    })
    .await?;
    let known: HashSet<(Uuid, Uuid)> = late.iter().filter_map(|late| Some((late.endpoint_id?, late.order_id?))).collect();
    late.extend(late_untaken(store, now, late_ms, &known).await?);
    late.sort_by_key(|late| (late.since, late.order_id, late.endpoint_id));
    Ok(late)
}

/// Of those that nobody has taken up, where the order is not among the `known`.
async fn late_untaken(store: &Store, now: i64, late_ms: i64, known: &HashSet<(Uuid, Uuid)>) -> Result<Vec<Undelivered>, Error> {
    const FROM: &str = ", enabled_at FROM webhook_endpoints e WHERE e.enabled = 1 AND e.partner NOT LIKE '%:sandbox' AND ";
    const FIRST: &str =
        "(SELECT m.event_at FROM webhook_messages m WHERE m.partner = e.partner AND m.number > e.taken ORDER BY m.number LIMIT 1) ";
    let before = now - late_ms;
    let select = Select::text("SELECT ").push(WANTING, []).push(FROM, []).push("e.enabled_at <= ? AND ", [before.into()]);
    let select = select.push(FIRST, []).push("<= ? ORDER BY e.taken, e.endpoint_id LIMIT ?", [before.into(), LOOKED_AT.into()]);
    let mut late = Vec::new();
    for row in &select.all(store).await? {
        let mut columns = Columns::of(row);
        let endpoint = Wanting::read(&mut columns)?;
        let enabled_at = columns.int()?;
        let (endpoint_id, partner) = (endpoint.endpoint_id, endpoint.partner.clone());
        let (mut messages, mut orders) = (Untaken::of(endpoint), HashSet::new());
        while let Some(page) = messages.page(store).await? {
            for message in page.iter().filter(|message| message.event_at <= before) {
                let UntakenMessage { order_id, sequence, event_at, .. } = *message;
                if known.contains(&(endpoint_id, order_id)) || !orders.insert(order_id) {
                    continue;
                }
                late.push(Undelivered {
                    endpoint_id: Some(endpoint_id),
                    order_id: Some(order_id),
                    partner: partner.clone(),
                    since: event_at.max(enabled_at).saturating_add(late_ms),
                    detail: format!("message {sequence} was not sent to endpoint {endpoint_id} yet; `{RESEND} {endpoint_id}`"),
                    allowed: vec!["endpoint_resend".into()],
                });
            }
            if late.len() > KIND_MAX {
                return Ok(late);
            }
        }
    }
    Ok(late)
}

/// Messages that failed for three days while others arrived.
async fn given_up(store: &Store) -> Result<Vec<Undelivered>, Error> {
    const ASK: &str = "SELECT d.endpoint_id, d.order_id, e.partner, MIN(d.settled_at), COUNT(*) FROM webhook_deliveries d \
        JOIN webhook_endpoints e ON e.endpoint_id = d.endpoint_id WHERE ";
    let select = Select::text(ASK).push(
        "d.state = 2 AND e.partner NOT LIKE '%:sandbox' GROUP BY d.endpoint_id, d.order_id, e.partner \
         ORDER BY 4, d.order_id, d.endpoint_id LIMIT ?",
        [LOOKED_AT.into()],
    );
    each(select, store, |columns| {
        let (endpoint_id, order_id, partner) = (columns.id()?, columns.id()?, columns.text()?);
        let (since, count) = (columns.int()?, columns.int()?);
        Ok(Undelivered {
            endpoint_id: Some(endpoint_id),
            order_id: Some(order_id),
            partner,
            since,
            detail: format!("{count} messages were given up at endpoint {endpoint_id}, which takes others; `{RESEND} {endpoint_id}`"),
            allowed: vec!["endpoint_resend".into()],
        })
    })
    .await
}

async fn disabled(store: &Store) -> Result<Vec<Undelivered>, Error> {
    const FROM: &str = ", disabled_at, disabled_why FROM webhook_endpoints e \
        WHERE e.enabled = 0 AND e.partner NOT LIKE '%:sandbox' \
        AND (EXISTS (SELECT 1 FROM webhook_heads h WHERE h.endpoint_id = e.endpoint_id) \
        OR EXISTS (SELECT 1 FROM webhook_messages m WHERE m.partner = e.partner AND m.number > e.taken)) \
        ORDER BY e.disabled_at, e.endpoint_id";
    let mut disabled = Vec::new();
    for row in &Select::text("SELECT ").push(WANTING, []).push(FROM, []).all(store).await? {
        let mut columns = Columns::of(row);
        let endpoint = Wanting::read(&mut columns)?;
        let (endpoint_id, partner) = (endpoint.endpoint_id, endpoint.partner.clone());
        let (orders, more) = waiting(store, endpoint).await?;
        if orders == 0 {
            continue;
        }
        let (since, why) = (columns.optional_int()?.unwrap_or(0), columns.optional_text()?.unwrap_or_default());
        let orders = if more { format!("more than {orders}") } else { orders.to_string() };
        disabled.push(Undelivered {
            endpoint_id: Some(endpoint_id),
            order_id: None,
            partner,
            since,
            detail: format!("endpoint {endpoint_id} is disabled ({why}) and messages of {orders} orders wait; `{ENABLE} {endpoint_id}`"),
            allowed: vec!["endpoint_enable".into()],
        });
        if disabled.len() > KIND_MAX {
            break;
        }
    }
    Ok(disabled)
}

/// Of how many orders messages wait for an endpoint, and whether there are more than that.
async fn waiting(store: &Store, endpoint: Wanting) -> Result<(usize, bool), Error> {
    let select = Select::text("SELECT order_id FROM webhook_heads WHERE ")
        .push("endpoint_id = ? LIMIT ?", [endpoint.endpoint_id.into(), LOOKED_AT.into()]);
    let rows = select.all(store).await?;
    let mut orders = rows.iter().map(|row| Columns::of(row).id()).collect::<Result<HashSet<Uuid>, _>>()?;
    let mut messages = Untaken::of(endpoint);
    while orders.len() <= KIND_MAX
        && let Some(page) = messages.page(store).await?
    {
        orders.extend(page.iter().map(|message| message.order_id));
    }
    Ok((orders.len().min(KIND_MAX), orders.len() > KIND_MAX))
}

async fn set_aside(store: &Store) -> Result<Vec<Undelivered>, Error> {
    const ASK: &str = "SELECT p.order_id, o.partner, p.log_partition, p.log_offset, p.reason, p.parked_at FROM webhook_parked p \
        LEFT JOIN webhook_orders o ON o.order_id = p.order_id \
        WHERE COALESCE(o.partner, '') NOT LIKE '%:sandbox' ORDER BY p.parked_at, p.order_id ";
    each(Select::text(ASK).push("LIMIT ?", [LOOKED_AT.into()]), store, |columns| {
        let (order_id, partner) = (columns.id()?, columns.optional_text()?.unwrap_or_default());
        let (partition, offset, reason, since) = (columns.int()?, columns.int()?, columns.text()?, columns.int()?);
        Ok(Undelivered {
            endpoint_id: None,
            order_id: Some(order_id),
            partner,
            since,
            detail: format!(
                "nothing is told of the order since the event at partition {partition}, offset {offset}, which was not understood: {reason}; \
                 upgrade, or let the order go on without it (skip-records)"
            ),
            allowed: Vec::new(),
        })
    })
    .await
}

/// What to do, before the endpoint's id.
const RESEND: &str = "atelier endpoint resend";
const ENABLE: &str = "atelier endpoint enable";

async fn each(
    select: Select,
    store: &Store,
    read: impl Fn(&mut Columns<'_>) -> Result<Undelivered, atelier_store::Error>,
) -> Result<Vec<Undelivered>, Error> {
    let rows: Vec<Row> = select.all(store).await?;
    Ok(rows.iter().map(|row| read(&mut Columns::of(row))).collect::<Result<_, _>>()?)
}
