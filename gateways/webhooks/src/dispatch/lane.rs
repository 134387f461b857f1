//! Looking into a lane: what is due there, and letting go.

use atelier_store::{Bulk, Columns, Select, Transaction};
use bytes::Bytes;
use uuid::Uuid;

use super::{Dispatcher, Key, LOOK_MS, Lane, Start};
use crate::Error;
use crate::decide::Tries;
use crate::send::Message;
use crate::tables::NEVER;

impl Lane {
    /// Messages that may be under way now.
    fn room(&self, now: i64, most: usize) -> usize {
        let room = match self.circuit.open_until {
            _ if !self.endpoint.enabled => 0,
            Some(until) if until > now => 0,
            _ if self.circuit.failures > 0 => 1,
            _ => self.limit,
        };
        room.min(most)
    }
}

impl Dispatcher {
    /// What is due in the lanes that are to be looked at. Lanes with nothing under way and nothing due are let go.
    pub(super) async fn look(&mut self, transaction: &mut Transaction, now: i64) -> Result<Vec<Start>, Error> {
        let mut places = self.limits.in_flight.saturating_sub(self.in_flight());
        let most = if self.draining { 0 } else { self.limits.per_endpoint };
        let mut starts = Vec::new();
        let mut idle = Vec::new();
        for (endpoint_id, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.look_at <= now) {
            let room = lane.room(now, most).saturating_sub(lane.in_flight.len()).min(places);
            if room > 0 {
                let found = due(transaction, *endpoint_id, lane, now, room).await?;
                places -= found.len();
                lane.in_flight.extend(found.iter().map(|start| start.key.order_id));
                starts.extend(found);
            }
            lane.look_at = now + LOOK_MS;
            if lane.in_flight.is_empty() {
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

/// The heads that are due and whose orders are not under way, at most `room`.
async fn due(transaction: &mut Transaction, endpoint_id: Uuid, lane: &Lane, now: i64, room: usize) -> Result<Vec<Start>, Error> {
    let select = Select::text(
        "SELECT h.order_id, h.sequence, h.attempts, h.first_failed_at, d.attempts, d.event_at, d.event_id, d.body FROM webhook_heads h \
         JOIN webhook_deliveries d ON d.endpoint_id = h.endpoint_id AND d.order_id = h.order_id AND d.sequence = h.sequence WHERE ",
    );
    // Those under way are due too, and are passed over below.
    let limit = i64::try_from(room + lane.in_flight.len()).unwrap_or(i64::MAX);
    let select = select
        .push("h.endpoint_id = ? AND h.next_at <= ? ORDER BY h.next_at, h.since LIMIT ?", [endpoint_id.into(), now.into(), limit.into()]);
    let mut starts = Vec::with_capacity(room);
    for row in &select.all_in(transaction).await? {
        let mut columns = Columns::of(row);
        let (order_id, sequence) = (columns.id()?, columns.int()?);
        if starts.len() == room || lane.in_flight.contains(&order_id) {
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
        starts.push(Start { key, tries, epoch: lane.endpoint.epoch, first_after: (ever == 0).then_some(now - event_at), message });
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
