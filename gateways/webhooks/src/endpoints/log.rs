//! The log of deliveries, and sending again.

use atelier_store::{Columns, Row, Select, Transaction};
use uuid::Uuid;

use super::view::{self, Deliveries, Delivery, DeliveryFilter, DeliveryState};
use super::{Endpoints, begin_anew};
use crate::Refused;
use crate::untaken::Untaken;
use crate::wanting::{WANTING, Wanting};

/// Deliveries given out at once, unless asked for fewer, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// Messages looked at at once where those that are wanted are few.
const READ_ON: usize = 2000;

/// Which messages to send again, under the same ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// This event's.
    One(Uuid),
    /// All of events at this time (milliseconds since 1970) and later.
    Since(i64),
    /// Those that were given up, of events at this time and later.
    Failed(i64),
}

impl Endpoints {
    /// The messages of an endpoint.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::BadCursor`], [`Refused::Store`].
    pub async fn deliveries(&self, partner: &str, id: Uuid, filter: &DeliveryFilter) -> Result<Deliveries, Refused> {
        let row = wanting(partner, id).first(&self.store).await?.ok_or(Refused::Unknown)?;
        let endpoint = Wanting::read(&mut Columns::of(&row))?;
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
        let mut before = match &filter.cursor {
            Some(cursor) => cursor.parse::<i64>().map_err(|_| Refused::BadCursor)?,
            None => i64::MAX,
        };
        // Its partner's messages before its time may be many.
        let select = Select::text("SELECT MIN(number) FROM webhook_deliveries WHERE ").push("endpoint_id = ?", [id.into()]);
        let first = select.first(&self.store).await?.map(|row| Columns::of(&row).optional_int()).transpose()?.flatten();
        let from = first.unwrap_or(i64::MAX).min(endpoint.taken + 1);
        let (mut items, mut read) = (Vec::with_capacity(limit + 1), limit + 1);
        loop {
            let rows = self.page(&endpoint, filter, from, before, read).await?;
            let full = rows.len() == read;
            // What is not wanted will be followed by more of that.
            read = READ_ON;
            for row in &rows {
                let (delivery, number) = Delivery::read(row, &endpoint.wishes)?;
                before = number;
                items.extend(delivery.map(|delivery| (delivery, number)));
                if items.len() > limit {
                    break;
                }
            }
            if items.len() > limit || !full {
                break;
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|(_, number)| number.to_string());
        Ok(Deliveries { items: items.into_iter().map(|(delivery, _)| delivery).collect(), next })
    }

    /// Messages with a number from `from` on and below `before`, the last first: those that have a row, and those not taken up yet.
    async fn page(&self, endpoint: &Wanting, filter: &DeliveryFilter, from: i64, before: i64, limit: usize) -> Result<Vec<Row>, Refused> {
        let Wanting { endpoint_id, partner, taken, .. } = endpoint;
        let mut select = Select::text("SELECT ")
            .push(view::DELIVERY, [])
            .push(
                " FROM webhook_messages m LEFT JOIN webhook_deliveries d ON d.endpoint_id = ? AND d.number = m.number",
                [(*endpoint_id).into()],
            )
            .push(" WHERE m.partner = ? AND m.number < ?", [partner.as_str().into(), before.into()])
            .push(" AND m.number >= ?", [from.into()])
            .when(" AND m.order_id = ?", filter.order_id.map(Into::into));
        select = match filter.state {
            None => select.push(" AND (d.number IS NOT NULL OR m.number > ?)", [(*taken).into()]),
            Some(DeliveryState::Pending) => select.push(" AND (d.state = 0 OR (d.number IS NULL AND m.number > ?))", [(*taken).into()]),
            Some(state) => select.push(" AND d.state = ?", [state.stored().into()]),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(select.push(" ORDER BY m.number DESC LIMIT ?", [limit.into()]).all(&self.store).await?)
    }

    /// Sends messages again, of an order one after the other; how many. They come after whatever arrived meanwhile,
    /// so who takes them goes by `sequence`; and while one of them does not arrive, its order's later ones wait
    /// behind it. What is pending anyway is sent now, also where a circuit is open or a pause was asked for.
    ///
    /// # Errors
    /// [`Refused::Unknown`] also when there is no message about that event; [`Refused::Disabled`]; [`Refused::Store`].
    pub async fn resend(&self, partner: &str, id: Uuid, which: Resend) -> Result<u64, Refused> {
        let mut transaction = self.begin().await?;
        if !self.found(&mut transaction, partner, id).await?.enabled {
            return Err(Refused::Disabled);
        }
        const ONE: &str = "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND number IN \
            (SELECT number FROM webhook_messages WHERE event_id = $2 AND partner = $3)";
        const SINCE: &str = "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND number IN \
            (SELECT number FROM webhook_messages WHERE event_at >= $2 AND partner = $3)";
        const FAILED: &str = "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND state = 2 AND \
            number IN (SELECT number FROM webhook_messages WHERE event_at >= $2 AND partner = $3)";
        let mut count = match which {
            Resend::One(event_id) => transaction.execute(ONE, [id.into(), event_id.into(), partner.into()]).await?,
            Resend::Since(at) => transaction.execute(SINCE, [id.into(), at.into(), partner.into()]).await?,
            Resend::Failed(at) => transaction.execute(FAILED, [id.into(), at.into(), partner.into()]).await?,
        };
        // Those that nobody has taken up yet are pending as they are.
        count += match which {
            Resend::One(_) | Resend::Since(_) => untaken(&mut transaction, partner, id, which).await?,
            Resend::Failed(_) => 0,
        };
        if count == 0 && matches!(which, Resend::One(_)) {
            return Err(Refused::Unknown);
        }
        // The heads anew, from what is pending now.
        const HEADS: &str = "INSERT INTO webhook_heads (endpoint_id, order_id, number, last_number, next_at, attempts, since) \
            SELECT endpoint_id, order_id, MIN(number), MAX(number), 0, 0, $1 FROM webhook_deliveries \
            WHERE endpoint_id = $2 AND state = 0 GROUP BY endpoint_id, order_id ON CONFLICT (endpoint_id, order_id) DO UPDATE SET \
            number = excluded.number, last_number = excluded.last_number, next_at = 0, attempts = 0, first_failed_at = NULL, \
            since = excluded.since";
        transaction.execute(HEADS, [(self.clock)().into(), id.into()]).await?;
        begin_anew(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(count)
    }
}

/// The question after a [`Wanting`].
fn wanting(partner: &str, id: Uuid) -> Select {
    let select = Select::text("SELECT ").push(WANTING, []);
    select.push(" FROM webhook_endpoints WHERE partner = ? AND endpoint_id = ?", [partner.into(), id.into()])
}

/// How many messages that nobody has taken up are among those asked for.
async fn untaken(transaction: &mut Transaction, partner: &str, id: Uuid, which: Resend) -> Result<u64, Refused> {
    let row = wanting(partner, id).first_in(transaction).await?.ok_or(Refused::Unknown)?;
    let mut messages = Untaken::of(Wanting::read(&mut Columns::of(&row))?);
    let mut count = 0;
    while let Some(page) = messages.page_in(transaction).await? {
        count += page
            .iter()
            .filter(|message| match which {
                Resend::One(event_id) => message.event_id == event_id,
                Resend::Since(at) => message.event_at >= at,
                Resend::Failed(_) => false,
            })
            .count() as u64;
    }
    Ok(count)
}
