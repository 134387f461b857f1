//! Looking into a lane: what is due there, and letting go.

use std::sync::Arc;

use atelier_store::{Bulk, Columns, Select, Transaction};
use uuid::Uuid;

use super::recent::{Recent, STORED, Stored, bodies};
use super::{AHEAD, AHEAD_IN_ALL, Dispatcher, GROWTH, Key, LOOK_MS, Lane, Start};
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
        // Who holds the least comes first: busy lanes could take all places in every turn.
        let mut looked_at: Vec<_> = self.lanes.iter_mut().filter(|(_, lane)| lane.look_at <= now).collect();
        looked_at.sort_by_key(|(_, lane)| lane.held.len());
        for (endpoint_id, lane) in looked_at {
            if std::mem::take(&mut lane.arrived) && lane.held.len() <= under_way {
                // Nothing waited any more.
                lane.window = lane.window.saturating_mul(GROWTH).min(most);
            }
            let wanted = lane.wants(now, most).min(places);
            if wanted > 0 {
                let found = lane.find(transaction, &mut self.recent, *endpoint_id, now, wanted).await?;
                places -= found.len();
                starts.extend(found);
            }
            lane.look_at = now + LOOK_MS;
            if lane.held.is_empty() {
                idle.push((*endpoint_id, lane.ready_at(transaction, &mut self.recent, *endpoint_id).await?));
            }
        }
        self.note_places(transaction).await?;
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

    /// Writes down how far lanes have come.
    async fn note_places(&mut self, transaction: &mut Transaction) -> Result<(), Error> {
        static TAKEN: Bulk = Bulk::joining(
            &["endpoint_id", "taken", "lease"],
            "UPDATE webhook_endpoints SET taken = given.taken FROM given \
             WHERE webhook_endpoints.endpoint_id = given.endpoint_id AND webhook_endpoints.lease = given.lease \
             AND webhook_endpoints.taken < given.taken",
        );
        let mut rows = Vec::new();
        for (endpoint_id, lane) in &mut self.lanes {
            let reached = lane.place.reached();
            if std::mem::replace(&mut lane.place.taken, reached) != reached {
                rows.push(vec![(*endpoint_id).into(), reached.into(), self.token.as_str().into()]);
            }
        }
        TAKEN.execute(transaction, rows).await?;
        Ok(())
    }
}

impl Lane {
    /// What is to be sent now, `wanted` at most; its orders are held from here on.
    async fn find(
        &mut self,
        transaction: &mut Transaction,
        recent: &mut Recent,
        endpoint_id: Uuid,
        now: i64,
        wanted: usize,
    ) -> Result<Vec<Start>, Error> {
        let Heads { mut due, any } = heads(transaction, endpoint_id, self, now, wanted).await?;
        if any || self.circuit.failures > 0 {
            let mut more = self.put_down_open(transaction, endpoint_id).await?;
            if due.len() < wanted {
                more |= self.put_down(transaction, recent, endpoint_id).await?;
            }
            if more {
                due = heads(transaction, endpoint_id, self, now, wanted).await?.due;
            }
        } else {
            let taken = self.take(transaction, recent, endpoint_id, wanted).await?;
            due = taken.into_iter().map(|stored| Due { stored, tries: Tries::default(), ever: 0 }).collect();
        }
        let stored: Vec<Arc<Stored>> = due.iter().map(|due| due.stored.clone()).collect();
        let bodies = bodies(transaction, &stored, &self.endpoint.wishes).await?;
        let starts = due.into_iter().zip(bodies).map(|(Due { stored, tries, ever }, body)| {
            self.held.insert(stored.order_id);
            let message = Message {
                url: self.endpoint.url.clone(),
                id: stored.event_id.clone(),
                timestamp_s: now.div_euclid(1000),
                secrets: self.endpoint.secrets.clone(),
                body,
            };
            let key = Key { endpoint_id, order_id: stored.order_id, number: stored.number, sequence: stored.sequence };
            Start { key, tries, epoch: self.endpoint.epoch, fresh: (ever == 0).then_some(stored.event_at), message }
        });
        Ok(starts.collect())
    }

    /// When there is something to do here, with nothing held.
    async fn ready_at(&self, transaction: &mut Transaction, recent: &mut Recent, endpoint_id: Uuid) -> Result<i64, Error> {
        if !self.endpoint.enabled {
            return Ok(NEVER);
        }
        let next = match self.place.has_more(transaction, recent, &self.endpoint.partner).await? {
            true => Some(0),
            false => next(transaction, endpoint_id).await?,
        };
        Ok(next.map_or(NEVER, |next| next.max(self.circuit.open_until.unwrap_or(0))))
    }
}

/// A message that has a row, or was taken up just now.
struct Due {
    stored: Arc<Stored>,
    tries: Tries,
    /// Attempts ever made.
    ever: i64,
}

struct Heads {
    due: Vec<Due>,
    /// There is one, due or not.
    any: bool,
}

/// The heads that are due and whose orders are not held, at most `wanted`.
async fn heads(transaction: &mut Transaction, endpoint_id: Uuid, lane: &Lane, now: i64, wanted: usize) -> Result<Heads, Error> {
    const FROM: &str = " FROM webhook_heads h JOIN webhook_deliveries d ON d.endpoint_id = h.endpoint_id AND d.number = h.number \
        JOIN webhook_messages m ON m.number = h.number WHERE ";
    // Those held are due too, and are passed over below.
    let limit = i64::try_from(wanted + lane.held.len()).unwrap_or(i64::MAX);
    let select = Select::text("SELECT h.next_at, h.attempts, h.first_failed_at, d.attempts, ").push(STORED, []).push(FROM, []).push(
        "h.endpoint_id = ? AND m.partner = ? ORDER BY h.next_at, h.since LIMIT ?",
        [endpoint_id.into(), lane.endpoint.partner.as_str().into(), limit.into()],
    );
    let rows = select.all_in(transaction).await?;
    let mut due = Vec::with_capacity(wanted);
    for row in &rows {
        let mut columns = Columns::of(row);
        let next_at = columns.int()?;
        let tries = Tries { attempts: columns.int()?, first_failed_at: columns.optional_int()? };
        let ever = columns.int()?;
        let stored = Stored::read(&mut columns)?;
        if next_at <= now && due.len() < wanted && !lane.held.contains(&stored.order_id) {
            due.push(Due { stored: Arc::new(stored), tries, ever });
        }
    }
    Ok(Heads { due, any: !rows.is_empty() })
}

/// When a head is due here next.
async fn next(transaction: &mut Transaction, endpoint_id: Uuid) -> Result<Option<i64>, Error> {
    let select = Select::text("SELECT next_at FROM webhook_heads WHERE ")
        .push("endpoint_id = ? ORDER BY next_at, since LIMIT 1", [endpoint_id.into()]);
    Ok(match select.first_in(transaction).await? {
        Some(row) => Some(Columns::of(&row).int()?),
        None => None,
    })
}
