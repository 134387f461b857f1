//! Who sends what, when: the lanes of endpoints, worked off in turns.
//!
//! An endpoint is a lane. A process takes a lane's lease for some seconds, renews it while it works there,
//! sends what is due (of each order one message at a time, of different orders several), and lets go when
//! nothing is. So the limits and the circuit of an endpoint are in one hand, and a lane whose holder died is
//! taken over when its lease has run out.
//!
//! [`Dispatcher::turn`] does everything the database has part in, in one transaction: renew, learn what became
//! of endpoints, settle what came back, take lanes, look for what is due, let go. What to send it returns;
//! sending is its caller's, and so is to give a turn no more time than [`Dispatcher::time_left`]. Any doubt
//! about a transaction makes the dispatcher forget all it holds: leases run out, messages are sent again under
//! their ids.
//!
//! It finds more than may be under way, so that sending need not wait for the next turn: of an endpoint that
//! answers quickly up to [`AHEAD`] times as much, of one that fails a single message, so that many that hang
//! take few places. Nothing else of what is pending is in memory, but what lanes have taken up ([`place`]).

mod endpoint;
mod lane;
mod place;
mod recent;
mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atelier_store::{Bulk, Store, Transaction};
use uuid::Uuid;

use self::endpoint::{Endpoint, Found};
use self::place::Place;
use self::recent::Recent;
use crate::decide::{Circuit, Tries};
use crate::send::{Attempt, Message};
use crate::tables::LOCK;
use crate::{Error, Metrics};

/// A lease is good for so long, by the holder's clock. Clocks of the machines that share a store must not
/// differ by more than [`MARGIN_MS`].
const LEASE_MS: i64 = 4000;
/// It is renewed this often.
const RENEW_MS: i64 = 1000;
/// Everything is dropped so long before a lease that could not be renewed runs out.
const MARGIN_MS: i64 = 1000;
/// A lane that has room and nothing due is looked at again after so long.
const LOOK_MS: i64 = 250;
/// Messages held at once of a lane that was just taken.
const FIRST: usize = 2;
/// The window of a lane that is through with what it held grows by so much.
const GROWTH: usize = 8;
/// Messages held of an endpoint at most, for each that may be under way.
const AHEAD: usize = 128;
/// Messages held in all, for each that may be under way.
const AHEAD_IN_ALL: usize = 8;
/// Lanes taken in one turn.
const CLAIM_MAX: usize = 64;

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages under way, in this process.
    pub in_flight: usize,
    /// Of them to one endpoint that answers well.
    pub per_endpoint: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1024, per_endpoint: 8 }
    }
}

/// Which message to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) endpoint_id: Uuid,
    pub(crate) order_id: Uuid,
    /// Among all messages.
    pub(crate) number: i64,
    /// Among those about the order.
    pub(crate) sequence: i64,
}

/// To be sent now.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) key: Key,
    pub(crate) tries: Tries,
    /// Of the endpoint, when this was begun.
    pub(crate) epoch: i64,
    /// Never tried before: when its event was.
    pub(crate) fresh: Option<i64>,
    pub(crate) message: Message,
}

/// Was sent, or not.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) key: Key,
    pub(crate) tries: Tries,
    /// That of its [`Start`].
    pub(crate) epoch: i64,
    pub(crate) attempt: Attempt,
}

/// A lane that is ours.
struct Lane {
    endpoint: Endpoint,
    circuit: Circuit,
    place: Place,
    /// How many are held at most. Grows while they are through with before the next are found.
    window: usize,
    /// One has arrived since the last look.
    arrived: bool,
    /// Orders of which a message is being sent, or is about to be.
    held: BTreeSet<Uuid>,
    /// Not looked at before then.
    look_at: i64,
    /// What the row says.
    succeeded_at: i64,
}

pub(crate) struct Dispatcher {
    store: Store,
    clock: Clock,
    /// Draws from 0..1.
    random: Box<dyn FnMut() -> f64 + Send>,
    limits: Limits,
    metrics: Metrics,
    /// The name on our leases: this process's, and how often it has forgotten everything.
    name: String,
    token: String,
    forgotten: u32,
    lanes: HashMap<Uuid, Lane>,
    recent: Recent,
    /// Endpoints that are not any more what they were when messages for them were found.
    changed: BTreeSet<Uuid>,
    /// Ours until then.
    leased_until: i64,
    /// No more is begun.
    draining: bool,
}

impl Dispatcher {
    /// `name` is this process's, of this run only.
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        random: Box<dyn FnMut() -> f64 + Send>,
        limits: Limits,
        metrics: Metrics,
        name: String,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            limits,
            metrics,
            token: format!("{name}-0"),
            name,
            forgotten: 0,
            lanes: HashMap::new(),
            recent: Recent::default(),
            changed: BTreeSet::new(),
            leased_until: 0,
            draining: false,
        }
    }

    /// From now on nothing new is begun; lanes are let go as they fall idle.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for lane in self.lanes.values_mut() {
            lane.look_at = i64::MIN;
        }
    }

    /// Whether no lane is ours.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Something new for these: they are looked at in the next turn.
    pub(crate) fn wake(&mut self, endpoints: &BTreeSet<Uuid>) {
        for endpoint_id in endpoints {
            if let Some(lane) = self.lanes.get_mut(endpoint_id) {
                lane.look_at = i64::MIN;
            }
        }
    }

    /// These were found and are not sent; they are found again.
    pub(crate) fn take_back(&mut self, unsent: &[Key]) {
        for key in unsent {
            if let Some(lane) = self.lanes.get_mut(&key.endpoint_id) {
                lane.held.remove(&key.order_id);
                lane.place.take_back(key.number);
                lane.look_at = i64::MIN;
            }
        }
    }

    /// Endpoints that the turns since the last call found changed or deleted: what waits to be sent there must not be.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<Uuid> {
        std::mem::take(&mut self.changed)
    }

    /// Drops everything; the leases are left to run out. What is under way must be stopped by the caller.
    pub(crate) fn forget(&mut self) {
        self.lanes.clear();
        self.recent.clear();
        self.changed.clear();
        self.leased_until = 0;
        self.forgotten += 1;
        self.token = format!("{}-{}", self.name, self.forgotten);
    }

    /// From then on nothing may be begun that was found before, by the clock.
    pub(crate) fn good_until(&self) -> i64 {
        self.leased_until - MARGIN_MS
    }

    /// Whether the leases can no longer be relied on: a turn would fail, and what one has just returned must not
    /// be sent.
    pub(crate) fn is_late(&self) -> bool {
        !self.lanes.is_empty() && (self.clock)() >= self.good_until()
    }

    /// How long the next turn may take, so that what is under way is stopped before its lease runs out.
    pub(crate) fn time_left(&self) -> Duration {
        let until = if self.lanes.is_empty() { LEASE_MS } else { self.leased_until - (self.clock)() };
        Duration::from_millis((until - MARGIN_MS).max(0).unsigned_abs())
    }

    /// One turn; see the module. What is returned is to be sent, as places get free.
    ///
    /// # Errors
    /// Whatever it is, call [`Dispatcher::forget`] and stop what is under way.
    pub(crate) async fn turn(&mut self, finished: Vec<Finished>) -> Result<Vec<Start>, Error> {
        if self.is_late() {
            return Err(Error::Late);
        }
        let now = (self.clock)();
        let until = now + LEASE_MS;
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        let renewed = now >= self.leased_until - LEASE_MS + RENEW_MS;
        if renewed {
            self.renew(&mut transaction, until).await?;
        }
        self.learn(&mut transaction, &finished, renewed, now).await?;
        self.settle(&mut transaction, finished, now).await?;
        if !self.draining {
            // Together with those that are ours, so that all run out at one time.
            self.claim(&mut transaction, now).await?;
        }
        let mut read_to = HashMap::new();
        for lane in self.lanes.values() {
            let last = read_to.entry(lane.endpoint.partner.as_str()).or_insert(lane.place.read_to);
            *last = lane.place.read_to.min(*last);
        }
        self.recent.turn(&read_to);
        let starts = self.look(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(starts)
    }

    fn held(&self) -> usize {
        self.lanes.values().map(|lane| lane.held.len()).sum()
    }

    /// Of what is held, how much may be under way.
    fn in_flight(&self) -> usize {
        self.lanes.values().map(|lane| lane.held.len().min(self.limits.per_endpoint)).sum()
    }

    async fn renew(&mut self, transaction: &mut Transaction, until: i64) -> Result<(), Error> {
        if !self.lanes.is_empty() {
            const RENEW: &str = "UPDATE webhook_endpoints SET ready_at = $1 WHERE lease = $2";
            transaction.execute(RENEW, [until.into(), self.token.as_str().into()]).await?;
        }
        self.leased_until = until;
        Ok(())
    }

    /// Takes lanes in which something is due and whose lease nobody has (any more).
    async fn claim(&mut self, transaction: &mut Transaction, now: i64) -> Result<(), Error> {
        let free = self.limits.in_flight.saturating_sub(self.in_flight()).min(CLAIM_MAX);
        if free == 0 {
            return Ok(());
        }
        let free = i64::try_from(free).unwrap_or(i64::MAX);
        let select = Found::select("ready_at <= ? ORDER BY ready_at, endpoint_id LIMIT ?", [now.into(), free.into()]);
        let rows = select.all_in(transaction).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            let Found { endpoint_id, endpoint, circuit, succeeded_at, taken, lease } = Found::read(row, now)?;
            if lease.is_some() {
                self.metrics.taken_over.inc();
                tracing::info!(%endpoint_id, "the lane of an endpoint was taken over; who had it did not renew its lease");
            }
            claimed.push(vec![endpoint_id.into(), self.token.as_str().into(), self.leased_until.into()]);
            let (window, held) = (FIRST, BTreeSet::new());
            let place = Place::new(taken);
            let lane = Lane { endpoint, circuit, place, window, arrived: false, held, look_at: i64::MIN, succeeded_at };
            self.lanes.insert(endpoint_id, lane);
        }
        static CLAIM: Bulk = Bulk::joining(
            &["endpoint_id", "lease", "ready_at"],
            "UPDATE webhook_endpoints SET lease = given.lease, ready_at = given.ready_at FROM given \
             WHERE webhook_endpoints.endpoint_id = given.endpoint_id",
        );
        CLAIM.execute(transaction, claimed).await?;
        Ok(())
    }
}
