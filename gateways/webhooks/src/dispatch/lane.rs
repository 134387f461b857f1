//! Looking into a lane: what is due there, and letting go.

use atelier_store::{Bulk, Columns, Select, Transaction};
use bytes::Bytes;
use uuid::Uuid;

use super::{AHEAD, AHEAD_IN_ALL, Dispatcher, Key, LOOK_MS, Lane, Start};
use crate::Error;
use crate::decide::Tries;
use crate::send::Message;
use crate::tables::NEVER;

impl Lane {
    /// Messages that may be held now.
    fn room(&self, now: i64, most: usize) -> usize {
        let room = match self.circuit.open_until {
            _ if !self.endpoint.enabled => 0,
            Some(until) if until > now => 0,
            _ if self.circuit.failures > 0 => 1,
            _ => self.window,
        };
        room.min(most)
    }

    /// How many more are to be found now. None while more than half of the room is taken: not every answer is worth
    /// a look.
    pub(super) fn wants(&self, now: i64, most: usize) -> usize {
        let room = self.room(now, most);
        if self.look_at <= now && self.held.len() * 2 <= room { room - self.held.len() } else { 0 }
    }

    /// Whether the next look begins something here or lets it go, for which its row must be known as it is.
    pub(super) fn is_due(&self, now: i64, most: usize) -> bool {
        self.look_at <= now && (self.held.is_empty() || self.wants(now, most) > 0)
    }
}

impl Dispatcher {
    /// Of an endpoint.
    pub(super) fn window_max(&self) -> usize {
        if self.draining { 0 } else { self.limits.per_endpoint.saturating_mul(AHEAD) }
    }

    /// What is due in the lanes that are to be looked at. Lanes with nothing held and nothing due are let go.
    pub(super) async fn look(&mut self, transaction: &mut Transaction, now: i64) -> Result<Vec<Start>, Error> {
        let mut places = self.limits.in_flight.saturating_mul(AHEAD_IN_ALL).saturating_sub(self.held());
        let (most, under_way) = (self.window_max(), self.limits.per_endpoint);
        let mut starts = Vec::new();
        let mut idle = Vec::new();
        for (endpoint_id, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.look_at <= now) {
            if std::mem::take(&mut lane.arrived) && lane.held.len() <= under_way {
                // Nothing waited any more.
                lane.window = lane.window.saturating_mul(2).min(most);
            }
            let wanted = lane.wants(now, most).min(places);
            if wanted > 0 {
                let found = due(transaction, *endpoint_id, lane, now, wanted).await?;
                places -= found.len();
                lane.held.extend(found.iter().map(|start| start.key.order_id));
                starts.extend(found);
            }
            lane.look_at = now + LOOK_MS;
            if lane.held.is_empty() {
                let ready_at = match (lane.endpoint.enabled, next(transaction, *endpoint_id).await?) {
                    (true, Some(next)) => next.max(lane.circuit.open_until.unwrap_or(0)),
                    _ => NEVER,
                };
                idle.push((*endpoint_id, ready_at));
            }
        }
        static RELEASE: Bulk = Bulk::joining(
            &["endpoint_id", "ready_at", "lease"],
            "UPDATE webhook_endpoints SET lease = NULL, ready_at = given.ready_at FROM given \
             WHERE webhook_endpoints.endpoint_id = given.endpoint_id AND webhook_endpoints.lease = given.lease",
        );
        let released =
            idle.iter().map(|(endpoint_id, ready_at)| vec![(*endpoint_id).into(), (*ready_at).into(), self.token.as_str().into()]);
        RELEASE.execute(transaction, released.collect()).await?;
        for (endpoint_id, _) in idle {
            self.lanes.remove(&endpoint_id);
        }
        Ok(starts)
    }
}

/// The heads that are due and whose orders are not held, at most `wanted`.
async fn due(transaction: &mut Transaction, endpoint_id: Uuid, lane: &Lane, now: i64, wanted: usize) -> Result<Vec<Start>, Error> {
    let select = Select::text(
        "SELECT h.order_id, h.sequence, h.attempts, h.first_failed_at, d.attempts, d.event_at, d.event_id, d.body FROM webhook_heads h \
         JOIN webhook_deliveries d ON d.endpoint_id = h.endpoint_id AND d.order_id = h.order_id AND d.sequence = h.sequence WHERE ",
    );
    // Those held are due too, and are passed over below.
    let limit = i64::try_from(wanted + lane.held.len()).unwrap_or(i64::MAX);
    let select = select
        .push("h.endpoint_id = ? AND h.next_at <= ? ORDER BY h.next_at, h.since LIMIT ?", [endpoint_id.into(), now.into(), limit.into()]);
    let mut starts = Vec::with_capacity(wanted);
    for row in &select.all_in(transaction).await? {
        let mut columns = Columns::of(row);
        let (order_id, sequence) = (columns.id()?, columns.int()?);
        if starts.len() == wanted || lane.held.contains(&order_id) {
            continue;
        }
        let tries = Tries { attempts: columns.int()?, first_failed_at: columns.optional_int()? };
        let (ever, event_at) = (columns.int()?, columns.int()?);
        let message = Message {
            url: lane.endpoint.url.clone(),
            id: columns.text()?,
            timestamp_s: now.div_euclid(1000),
            secrets: lane.endpoint.secrets.clone(),
            body: Bytes::from(columns.text()?),
        };
        let key = Key { endpoint_id, order_id, sequence };
        starts.push(Start { key, tries, epoch: lane.endpoint.epoch, fresh: (ever == 0).then_some(event_at), message });
    }
    Ok(starts)
}

/// When something is due here next.
async fn next(transaction: &mut Transaction, endpoint_id: Uuid) -> Result<Option<i64>, Error> {
    let select = Select::text("SELECT next_at FROM webhook_heads WHERE ")
        .push("endpoint_id = ? ORDER BY next_at, since LIMIT 1", [endpoint_id.into()]);
    Ok(match select.first_in(transaction).await? {
        Some(row) => Some(Columns::of(&row).int()?),
        None => None,
    })
}
