//! A log, a store, a clock that only the test moves, and orders' lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord};
use atelier_schemas::{Actor, After, Event, EventData, Framed, Item, Money, Topic, partition_of};
use atelier_store::{Columns, Select, Store};
use prometheus_client::registry::Registry;
use rustls::RootCertStore;
use uuid::Uuid;

use crate::dispatch::{Clock, Dispatcher};
use crate::ingest::Ingest;
use crate::send::{System, TOTAL_LIMIT};
use crate::{Endpoints, Guard, Limits, Metrics, SCHEMA, Secret, Sender, Wish};

/// 2026-01-02T03:04:05Z.
pub(crate) const NOW: i64 = 1_767_323_045_000;

/// The databases every test of the store goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// The test on each of them.
pub(crate) async fn each(name: &str, test: impl AsyncFn(Bed)) {
    for on in [On::Sqlite, On::Postgres] {
        test(Bed::new(on, name).await).await;
    }
}

pub(crate) struct Bed {
    pub(crate) log: Memory,
    pub(crate) store: Store,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) metrics: Metrics,
    pub(crate) endpoints: Endpoints,
    ids: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Bed {
    pub(crate) async fn new(on: On, name: &str) -> Self {
        let (url, folder) = database(on, name);
        Self::over(&url, folder).await
    }

    /// Over a database that lies in this folder, or nowhere there.
    pub(crate) async fn over(url: &str, folder: tempfile::TempDir) -> Self {
        let store = Store::open(url, &SCHEMA).await.unwrap();
        let now = Arc::new(AtomicI64::new(NOW));
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let sender = Sender::with(guard, RootCertStore::empty(), Arc::new(System), Arc::new(System), TOTAL_LIMIT);
        let ids = Arc::new(AtomicU64::new(1));
        let (next, drawn) = (ids.clone(), ids.clone());
        let log = Memory::with_clock(3, now.clone());
        let endpoints = Endpoints::new(
            store.clone(),
            sender,
            clock(&now),
            Arc::new(move || Uuid::from_u64_pair(7, next.fetch_add(1, Ordering::SeqCst))),
            Arc::new(move || {
                let mut bytes = [7; 32];
                bytes[..8].copy_from_slice(&drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                bytes
            }),
            Some(Arc::new(log.clone())),
        );
        let metrics = Metrics::register(&mut Registry::default());
        Self { log, store, now, metrics, endpoints, ids, _folder: folder }
    }

    pub(crate) fn clock(&self) -> Clock {
        clock(&self.now)
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, by_ms: i64) {
        self.now.fetch_add(by_ms, Ordering::SeqCst);
    }

    pub(crate) fn ingest(&self) -> Ingest {
        Ingest::new(self.store.clone(), Arc::new(self.log.clone()), self.metrics.clone(), "https://api.example.org".into())
    }

    /// Reads all there is.
    pub(crate) async fn read(&self) {
        let mut ingest = self.ingest();
        while ingest.turn(Duration::ZERO).await.unwrap().records > 0 {}
    }

    pub(crate) fn dispatcher(&self, seed: u64) -> Dispatcher {
        let mut random = fastrand::Rng::with_seed(seed);
        let name = format!("w{}", self.ids.fetch_add(1, Ordering::SeqCst));
        let draw = Box::new(move || random.f64());
        Dispatcher::new(self.store.clone(), self.clock(), draw, Limits::default(), self.metrics.clone(), name)
    }

    /// An endpoint whose address nobody calls.
    pub(crate) async fn endpoint(&self, partner: &str, events: &[&str]) -> (Uuid, Secret) {
        let wish = Wish {
            url: Some("http://127.0.0.1:9/hook".into()),
            events: Some(events.iter().map(|event| (*event).to_owned()).collect()),
            ..Wish::default()
        };
        let (endpoint, secret) = self.endpoints.create(partner, wish).await.unwrap();
        (endpoint.id, secret)
    }

    /// Gives what waits for an endpoint a row each, as when something fails there.
    pub(crate) async fn put_down(&self, endpoint_id: Uuid) {
        const ROWS: &str = "INSERT INTO webhook_deliveries (endpoint_id, number, order_id, state, attempts) \
            SELECT e.endpoint_id, m.number, m.order_id, 0, 0 FROM webhook_endpoints e \
            JOIN webhook_messages m ON m.partner = e.partner AND m.number > e.taken WHERE e.endpoint_id = $1";
        const TAKEN: &str = "UPDATE webhook_endpoints SET taken = (SELECT last FROM webhook_numbers) WHERE endpoint_id = $1";
        let mut transaction = self.store.begin().await.unwrap();
        transaction.execute(ROWS, [endpoint_id.into()]).await.unwrap();
        transaction.execute(TAKEN, [endpoint_id.into()]).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The one number a question is answered with.
    pub(crate) async fn number(&self, question: &'static str) -> i64 {
        let row = Select::text(question).first(&self.store).await.unwrap().unwrap();
        Columns::of(&row).optional_int().unwrap().unwrap_or(0)
    }

    pub(crate) fn append(&self, event: &Event) {
        self.append_as(event, event.encode());
    }

    /// The event's record with this payload.
    pub(crate) fn append_as(&self, event: &Event, payload: Vec<u8>) {
        let partition = partition_of(&event.order_id, self.log.partitions());
        let record = NewRecord { key: event.order_id.to_string(), kind: event.data.type_name(), traceparent: None, payload };
        drop(self.log.append(Topic::Events, partition, record));
    }
}

/// A new one.
pub(crate) fn database(on: On, name: &str) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = match on {
        On::Sqlite => format!("sqlite:{}/webhooks.sqlite", folder.path().display()),
        On::Postgres => atelier_support::Postgres::shared().create_database(&format!("webhooks_{name}")),
    };
    (url, folder)
}

fn clock(now: &Arc<AtomicI64>) -> Clock {
    let now = now.clone();
    Arc::new(move || now.load(Ordering::SeqCst))
}

/// The id of an order by its number.
pub(crate) fn order_id(number: u32) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes())
}

/// What a partner sees of a whole life: one message each.
pub(crate) const STEPS: usize = 8;

/// The nth event that a partner sees of an order, n from 0, with an event it does not see before each.
pub(crate) fn life(partner: &str, number: u32, nth: usize, time: i64) -> Vec<Event> {
    let order = order_id(number);
    let item = || Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() };
    let statuses = [
        "INITIATED",
        "SUBMITTED",
        "PRICE_CALCULATED",
        "MANUFACTURING_APPROVED",
        "MANUFACTURING_STARTED",
        "MANUFACTURING_STARTED",
        "MANUFACTURING_STARTED",
        "CANCELLED",
    ];
    let data = match nth {
        0 => EventData::OrderCreated {
            channel: "partner".into(),
            client: partner.into(),
            reference: Some(format!("ref-{number}")),
            customer: None,
            item: item(),
            sandbox: false,
        },
        2 => EventData::OrderQuoted { price: Money { minor: 12_340, currency: "EUR".into() }, reason: "by hand".into() },
        5 => EventData::OrderHeld { reason: "a crack".into() },
        6 => EventData::OrderResumed { reason: "mended".into() },
        7 => EventData::OrderCancelled { reason: "enough".into() },
        _ => EventData::OrderApproved { reason: None },
    };
    let version = (nth * 2 + 1) as i64;
    let event = |version: i64, nth: usize, data: EventData| Event {
        event_id: Uuid::new_v5(&order, &version.to_be_bytes()),
        order_id: order,
        version,
        type_name: data.type_name().into(),
        time,
        actor: Actor { role: "operator".into(), name: "vera".into() },
        command_id: None,
        command_digest: None,
        correlation_id: order,
        traceparent: None,
        after: After { status: statuses[nth].into(), stage: "draft".into(), held: nth == 5, attention: vec![], due: None },
        data,
        replayed: None,
    };
    let unseen = EventData::PricingProgressed { attempt: 1, worker: "w".into(), progress_percent: 5, lease_until: time };
    vec![event(version, nth, data), event(version + 1, nth, unseen)]
}
