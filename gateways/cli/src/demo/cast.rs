//! Everybody at once, and when the day is over.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::Api;
use super::desk::Desk;
use super::models::Models;
use super::progress::Progress;
use super::{bench, buyers, sales};
use crate::Failure;

/// Parcels on their way at most; shipping waits for the carrier then.
const PARCELS: usize = 256;

/// The partner of this run.
#[derive(Clone)]
pub(super) struct Partner {
    pub(super) name: String,
    pub(super) key: String,
}

/// What everybody works with.
pub(super) struct Cast {
    pub(super) url: String,
    pub(super) partner: Partner,
    pub(super) models: Models,
    pub(super) made: Made,
    pub(super) carrier_secret: String,
    pub(super) acks: Option<File>,
    /// Orders to place at most.
    pub(super) orders: u32,
    pub(super) customers: u32,
    pub(super) seed: u64,
    /// Between two orders.
    pub(super) pace: Duration,
    /// Once cancelled no more orders are placed; those that were are played to their end.
    pub(super) last_orders: CancellationToken,
}

/// How an order of the run stands.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) status: String,
    pub(super) placed: Instant,
    pub(super) priced: Option<Instant>,
    pub(super) ended: Option<Instant>,
    /// Whether somebody is about to decide on it.
    pub(super) taken: bool,
    /// A manual quote was needed.
    pub(super) by_hand: bool,
}

/// What all see: the orders of this run, and what went wrong.
#[derive(Default)]
pub(super) struct Board {
    pub(super) orders: BTreeMap<Uuid, Followed>,
    pub(super) troubles: Vec<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) moved: Option<Instant>,
    /// Orders that customers have begun with.
    pub(super) begun: u32,
    /// No further one will be.
    pub(super) all_begun: bool,
    /// Orders that will not come.
    pub(super) not_placed: usize,
}

/// What can be ordered; neither list is empty.
pub(super) struct Made {
    pub(super) materials: Vec<String>,
    pub(super) finishes: Vec<String>,
}

/// The board, shared.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Board>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trouble(&self, what: impl std::fmt::Display) {
        self.lock().troubles.push(what.to_string());
    }

    pub(super) fn count(&self, what: &'static str) {
        *self.lock().counts.entry(what).or_default() += 1;
    }

    pub(super) fn placed(&self, id: Uuid) {
        let mut board = self.lock();
        let now = Instant::now();
        board.moved = Some(now);
        board
            .orders
            .insert(id, Followed { status: "INITIATED".into(), placed: now, priced: None, ended: None, taken: false, by_hand: false });
    }
}

/// A parcel that the carrier will deliver.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) order: Uuid,
    pub(super) carrier: String,
    pub(super) tracking: String,
}

/// What everybody is handed.
#[derive(Clone)]
pub(super) struct Props {
    pub(super) api: Api,
    pub(super) board: Shared,
    pub(super) made: Arc<Made>,
    /// Names this run; every key starts with it.
    pub(super) run: String,
    pub(super) seed: u64,
}

/// The day, played.
pub(super) struct Played {
    pub(super) board: Board,
    pub(super) took: Duration,
    pub(super) expected: u32,
    pub(super) example: Option<Uuid>,
    pub(super) troubles: Vec<String>,
    /// Where the partner was told of its orders.
    pub(super) desk: Option<Desk>,
}

impl Played {
    pub(super) fn orders(&self) -> usize {
        self.expected as usize
    }

    pub(super) fn ended(&self) -> usize {
        self.board.orders.values().filter(|order| order.ended.is_some()).count()
    }

    pub(super) fn finished(&self) -> bool {
        self.ended() == self.expected as usize
    }
}

impl Cast {
    /// Plays until every order has ended, nothing moves for `patience`, or `stop`.
    pub(super) async fn play(self, patience: Duration, stop: &CancellationToken) -> Result<Played, Failure> {
        let started = Instant::now();
        let props = Props {
            api: Api::new(self.url.clone(), self.acks)?,
            board: Shared::default(),
            made: Arc::new(self.made),
            run: Uuid::now_v7().simple().to_string(),
            seed: self.seed,
        };
        let desk = Desk::open(&props, &self.partner).await?;
        let over = stop.child_token();
        let mut people = JoinSet::new();
        let (ship, parcels) = mpsc::channel(PARCELS);
        people.spawn(super::progress::follow(props.clone(), over.clone()));
        people.spawn(sales::sellers(props.clone(), over.clone()));
        for operator in ["olga", "omar", "otto"] {
            people.spawn(bench::operator(props.clone(), operator, ship.clone(), over.clone()));
        }
        drop(ship);
        people.spawn(bench::carrier(props.clone(), self.carrier_secret, parcels));
        let shop = Shop {
            props: props.clone(),
            partner: self.partner,
            models: Arc::new(self.models),
            orders: self.orders,
            at_once: Arc::new(Semaphore::new(self.customers as usize)),
            pace: self.pace,
            last_orders: self.last_orders,
        };
        people.spawn(shop.open());
        let mut progress = Progress::start(self.orders);
        loop {
            progress.show(&props.board.lock(), started.elapsed());
            let (over, moved) = {
                let board = props.board.lock();
                let ended = board.orders.values().filter(|order| order.ended.is_some()).count();
                (board.all_begun && ended + board.not_placed >= board.begun as usize, board.moved.unwrap_or(started))
            };
            if over || moved.elapsed() > patience || stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(super::progress::EVERY).await;
        }
        if let Some(desk) = desk.as_ref().filter(|_| !stop.is_cancelled()) {
            let orders = props.board.lock().counts.get(buyers::BY_PARTNER).copied().unwrap_or_default();
            desk.told_all(usize::try_from(orders).unwrap_or(usize::MAX)).await;
        }
        progress.end(&props.board.lock(), started.elapsed());
        over.cancel();
        people.shutdown().await;
        let board = std::mem::take(&mut *props.board.lock());
        let example = board.orders.iter().find(|(_, order)| order.status == "CLOSED").map(|(id, _)| *id);
        let troubles = board.troubles.clone();
        // Told to stop, those not begun are missing all the same.
        let expected = if board.all_begun { board.begun } else { self.orders };
        Ok(Played { board, took: started.elapsed(), expected, example, troubles, desk })
    }
}

/// Where customers come in, so many at a time.
struct Shop {
    props: Props,
    partner: Partner,
    models: Arc<Models>,
    orders: u32,
    at_once: Arc<Semaphore>,
    pace: Duration,
    last_orders: CancellationToken,
}

impl Shop {
    async fn open(self) {
        let mut customers = JoinSet::new();
        for number in 0..self.orders {
            let place = tokio::select! {
                biased;
                () = self.last_orders.cancelled() => break,
                place = self.at_once.clone().acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            while customers.try_join_next().is_some() {}
            let (props, models, partner) = (self.props.clone(), self.models.clone(), self.partner.clone());
            self.props.board.lock().begun += 1;
            customers.spawn(async move {
                buyers::buy(props, &partner, &models, number).await;
                drop(place);
            });
            if !self.pace.is_zero() {
                tokio::time::sleep(self.pace).await;
            }
        }
        self.props.board.lock().all_begun = true;
        customers.join_all().await;
    }
}
