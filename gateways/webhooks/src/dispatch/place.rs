//! Where a lane stands among its partner's messages.
//!
//! Most messages arrive at once. Such a one is taken up in memory and gets its row when it has arrived. The endpoint's
//! row says up to which number everything has a row: whoever takes the lane over goes on from there, and passes over
//! what has one already.
//!
//! That is so while nothing fails. What was taken up when something does, and every message after it, gets a row and
//! its order a head, until all of those are through: what waits for another attempt must outlive this process.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use atelier_store::{Bulk, Columns, Select, Transaction, Value};
use uuid::Uuid;

use super::Lane;
use super::recent::{Recent, Stored};
use crate::Error;
use crate::tables::{DELIVERIES, PENDING};
use crate::wanting::Wishes;

/// Taken up and waiting for others of their orders, at most, beside as many again as are wanted.
const WAITING: usize = 64;
/// Given a row each at once.
const PUT_DOWN: usize = 256;
/// Pages read in one look: of what an endpoint does not want there may be any number.
const PAGES: usize = 8;

/// A lane's place.
pub(super) struct Place {
    /// As the endpoint's row says.
    pub(super) taken: i64,
    pub(super) read_to: i64,
    /// Taken up and without a row, by number.
    open: BTreeMap<i64, Open>,
    /// Of the messages after `taken`, those that have a row. `None`: not looked up yet.
    arrived: Option<HashSet<i64>>,
}

struct Open {
    stored: Arc<Stored>,
    /// Otherwise it waits for another one of its order.
    under_way: bool,
}

impl Place {
    pub(super) fn new(taken: i64) -> Self {
        Self { taken, read_to: taken, open: BTreeMap::new(), arrived: None }
    }

    /// Up to here everything has a row.
    pub(super) fn reached(&self) -> i64 {
        self.open.keys().next().map_or(self.read_to, |first| first - 1)
    }

    /// Whether it was taken up and has no row.
    pub(super) fn is_open(&self, number: i64) -> bool {
        self.open.contains_key(&number)
    }

    /// It has a row now.
    pub(super) fn has_arrived(&mut self, number: i64) {
        self.open.remove(&number);
    }

    /// It was found and is not sent.
    pub(super) fn take_back(&mut self, number: i64) {
        if let Some(open) = self.open.get_mut(&number) {
            open.under_way = false;
        }
    }

    /// Whether there are messages that nobody has taken up, or that wait here.
    pub(super) async fn has_more(&self, transaction: &mut Transaction, recent: &mut Recent, partner: &str) -> Result<bool, Error> {
        Ok(!self.open.is_empty() || !recent.after(transaction, partner, self.read_to, 1).await?.is_empty())
    }

    /// Whether the message of this number, which comes next, is passed over.
    fn passes(&mut self, stored: &Stored, wishes: &Wishes) -> bool {
        self.read_to = stored.number;
        self.arrived.as_mut().is_some_and(|arrived| arrived.remove(&stored.number)) || !stored.is_wanted(wishes)
    }

    async fn look_up(&mut self, transaction: &mut Transaction, endpoint_id: Uuid) -> Result<(), Error> {
        if self.arrived.is_none() {
            let select = Select::text("SELECT number FROM webhook_deliveries WHERE ")
                .push("endpoint_id = ? AND number > ?", [endpoint_id.into(), self.taken.into()]);
            let rows = select.all_in(transaction).await?;
            self.arrived = Some(rows.iter().map(|row| Columns::of(row).int()).collect::<Result<_, _>>()?);
        }
        Ok(())
    }
}

impl Lane {
    /// Takes up in memory: messages of orders of which none is held, `wanted` at most. They are held from here on.
    pub(super) async fn take(
        &mut self,
        transaction: &mut Transaction,
        recent: &mut Recent,
        endpoint_id: Uuid,
        wanted: usize,
    ) -> Result<Vec<Arc<Stored>>, Error> {
        let (place, held) = (&mut self.place, &mut self.held);
        let mut found = Vec::with_capacity(wanted);
        for open in place.open.values_mut().filter(|open| !open.under_way) {
            if found.len() < wanted && held.insert(open.stored.order_id) {
                open.under_way = true;
                found.push(open.stored.clone());
            }
        }
        place.look_up(transaction, endpoint_id).await?;
        let most = held.len() + wanted + WAITING;
        for nth in 0..PAGES {
            // What is passed over first will be followed by more of that.
            let about = if nth == 0 { 2 * wanted } else { usize::MAX };
            let page = recent.after(transaction, &self.endpoint.partner, place.read_to, about).await?;
            if page.is_empty() {
                break;
            }
            for stored in page {
                if found.len() == wanted || place.open.len() >= most {
                    return Ok(found);
                }
                if place.passes(&stored, &self.endpoint.wishes) {
                    continue;
                }
                let under_way = held.insert(stored.order_id);
                if under_way {
                    found.push(stored.clone());
                }
                place.open.insert(stored.number, Open { stored, under_way });
            }
        }
        Ok(found)
    }

    /// Gives the next messages a row each; whether there were any.
    pub(super) async fn put_down(&mut self, transaction: &mut Transaction, recent: &mut Recent, endpoint_id: Uuid) -> Result<bool, Error> {
        self.place.look_up(transaction, endpoint_id).await?;
        for _ in 0..PAGES {
            let page = recent.after(transaction, &self.endpoint.partner, self.place.read_to, PUT_DOWN).await?;
            if page.is_empty() {
                return Ok(false);
            }
            let (mut rows, mut any) = (Waiting::default(), false);
            for stored in page.iter().filter(|stored| !self.place.passes(stored, &self.endpoint.wishes)) {
                rows.add(endpoint_id, stored, self.endpoint.enabled_at);
                any = true;
            }
            rows.write(transaction).await?;
            if any {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives what is taken up a row each: those under way stay held, and are settled as any that has a row. Whether
    /// there were any.
    pub(super) async fn put_down_open(&mut self, transaction: &mut Transaction, endpoint_id: Uuid) -> Result<bool, Error> {
        let mut rows = Waiting::default();
        let open = std::mem::take(&mut self.place.open);
        open.values().for_each(|open| rows.add(endpoint_id, &open.stored, self.endpoint.enabled_at));
        rows.write(transaction).await?;
        Ok(!open.is_empty())
    }
}

/// Rows of pending messages, and the heads of their orders.
#[derive(Default)]
struct Waiting {
    deliveries: Vec<Vec<Value>>,
    heads: BTreeMap<(Uuid, Uuid), Head>,
}

struct Head {
    first: i64,
    last: i64,
    since: i64,
}

impl Waiting {
    /// In the order of their numbers.
    fn add(&mut self, endpoint_id: Uuid, stored: &Stored, enabled_at: i64) {
        self.deliveries.push(pending_row(endpoint_id, stored));
        let since = stored.event_at.max(enabled_at);
        let head = self.heads.entry((endpoint_id, stored.order_id)).or_insert(Head { first: stored.number, last: stored.number, since });
        head.last = stored.number;
    }

    async fn write(self, transaction: &mut Transaction) -> Result<(), Error> {
        static HEADS: Bulk = Bulk::new(
            &["endpoint_id", "order_id", "number", "last_number", "since"],
            "INSERT INTO webhook_heads (endpoint_id, order_id, number, last_number, next_at, attempts, since) \
             SELECT endpoint_id, order_id, number, last_number, 0, 0, since FROM given WHERE endpoint_id IS NOT NULL \
             ON CONFLICT (endpoint_id, order_id) DO UPDATE SET last_number = excluded.last_number",
        );
        DELIVERIES.write(transaction, self.deliveries).await?;
        let heads = self.heads.into_iter().map(|((endpoint_id, order_id), head)| {
            vec![endpoint_id.into(), order_id.into(), head.first.into(), head.last.into(), head.since.into()]
        });
        HEADS.execute(transaction, heads.collect()).await?;
        Ok(())
    }
}

/// Of [`DELIVERIES`].
fn pending_row(endpoint_id: Uuid, stored: &Stored) -> Vec<Value> {
    let (none, nothing) = (None::<i64>, None::<&str>);
    vec![
        endpoint_id.into(),
        stored.number.into(),
        stored.order_id.into(),
        PENDING.into(),
        0.into(),
        none.into(),
        none.into(),
        none.into(),
        nothing.into(),
        nothing.into(),
        none.into(),
    ]
}
