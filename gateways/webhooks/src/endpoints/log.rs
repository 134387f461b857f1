//! The log of deliveries, and sending again.

use atelier_store::Select;
use uuid::Uuid;

use super::view::{self, Deliveries, Delivery, DeliveryFilter};
use super::{Endpoints, begin_anew, select_one};
use crate::Refused;

/// Deliveries given out at once, unless asked for fewer, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;

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
        if select_one(partner, id).first(&self.store).await?.is_none() {
            return Err(Refused::Unknown);
        }
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let mut select = Select::text("SELECT ")
            .push(view::DELIVERY, [])
            .push(" FROM webhook_deliveries WHERE endpoint_id = ?", [id.into()])
            .when(" AND state = ?", filter.state.map(|state| state.stored().into()))
            .when(" AND order_id = ?", filter.order_id.map(Into::into));
        if let Some(cursor) = &filter.cursor {
            let (at, event_id) = cursor.split_once('_').ok_or(Refused::BadCursor)?;
            let at: i64 = at.parse().map_err(|_| Refused::BadCursor)?;
            let event_id: Uuid = event_id.parse().map_err(|_| Refused::BadCursor)?;
            select = select.push(" AND (event_at, event_id) < (?, ?)", [at.into(), event_id.into()]);
        }
        let select = select.push(" ORDER BY event_at DESC, event_id DESC LIMIT ?", [i64::from(limit + 1).into()]);
        let rows = select.all(&self.store).await?;
        let mut items = rows.iter().map(Delivery::read).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|(delivery, at)| format!("{at}_{}", delivery.event_id));
        Ok(Deliveries { items: items.into_iter().map(|(delivery, _)| delivery).collect(), next })
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
        const ONE: &str = "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND event_id = $2";
        const SINCE: &str = "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND event_at >= $2";
        const FAILED: &str =
            "UPDATE webhook_deliveries SET state = 0, settled_at = NULL WHERE endpoint_id = $1 AND event_at >= $2 AND state = 2";
        let count = match which {
            Resend::One(event_id) => transaction.execute(ONE, [id.into(), event_id.into()]).await?,
            Resend::Since(at) => transaction.execute(SINCE, [id.into(), at.into()]).await?,
            Resend::Failed(at) => transaction.execute(FAILED, [id.into(), at.into()]).await?,
        };
        if count == 0 && matches!(which, Resend::One(_)) {
            return Err(Refused::Unknown);
        }
        // The heads anew, from what is pending now.
        const HEADS: &str = "INSERT INTO webhook_heads (endpoint_id, order_id, sequence, last_sequence, next_at, attempts, since) \
            SELECT endpoint_id, order_id, MIN(sequence), MAX(sequence), 0, 0, $1 FROM webhook_deliveries \
            WHERE endpoint_id = $2 AND state = 0 GROUP BY endpoint_id, order_id ON CONFLICT (endpoint_id, order_id) DO UPDATE SET \
            sequence = excluded.sequence, last_sequence = excluded.last_sequence, next_at = 0, attempts = 0, first_failed_at = NULL, \
            since = excluded.since";
        transaction.execute(HEADS, [(self.clock)().into(), id.into()]).await?;
        begin_anew(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(count)
    }
}
