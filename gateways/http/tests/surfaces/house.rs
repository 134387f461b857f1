//! The house of one test: log, engine, read models, object store, router; and how to talk to it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atelier_blobs::Blobs;
use atelier_http::{App, Config, Metrics, Secret, StaffPolicy, Surface, follow_parcels, router};
use atelier_log::client::Client;
use atelier_log::memory::Memory;
use atelier_log::{Appending, Error, Log, Membership, NewRecord, Owner, Partition, Reader, Subscription};
use atelier_partners::key::RANDOM_BYTES;
use atelier_partners::{Accounts, Mode};
use atelier_projections::{Model, Runner, RunnerHandle, Store};
use atelier_schemas::Topic;
use atelier_webhooks::{Endpoints, Guard, Sender};
use axum::Router;
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::engine::Engine;

/// What the clock of every house says at first: 2026-01-02T03:04:05Z.
pub(crate) const NOW_MS: i64 = 1_767_323_045_000;
/// A clock that says so panics: a defect on request.
pub(crate) const BROKEN_CLOCK: i64 = i64::MIN;
/// Nothing here takes that long; it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(300);

/// The secret shared with the carrier.
pub(crate) fn secret() -> Secret {
    Secret::parse("the carrier of the tests, a long secret").expect("long enough")
}

pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) log: Arc<Switchable>,
    pub(crate) blobs: Blobs,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) engine: Engine,
    pub(crate) stop: CancellationToken,
    app: App,
    _runner: RunnerHandle,
    hooks: atelier_store::Store,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A house with another configuration.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(change, false, Model::ALL).await
    }

    /// A house whose read models were there when it started and are lost now.
    pub(crate) async fn without_store() -> Self {
        Self::build(|_| {}, true, Model::ALL).await
    }

    /// A house in which nobody feeds the read models.
    pub(crate) async fn without_projections() -> Self {
        Self::build(|_| {}, false, &[]).await
    }

    async fn build(change: impl FnOnce(&mut Config), lose_store: bool, models: &[Model]) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW_MS));
        let log = Arc::new(Switchable {
            log: Memory::with_clock(3, clock.clone()),
            away: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}/read.sqlite", folder.path().display())).await.expect("a store");
        let mut queries = store.queries();
        if lose_store {
            let lost = folder.path().join("lost");
            let store = Store::open(&format!("sqlite:{}/read.sqlite", lost.display())).await.expect("a store");
            queries = store.queries();
            std::fs::remove_dir_all(lost).expect("a folder to remove");
        }
        let mut registry = Registry::default();
        let runner = Runner::start(store.clone(), log.clone(), models, atelier_projections::Metrics::register(&mut registry));
        let engine = Engine::start(log.clone(), clock.clone());
        let mut config = Config {
            staff: StaffPolicy::LoopbackTrust,
            carrier_secret: Some(secret()),
            decide_limit: PATIENCE,
            wait_version_limit: PATIENCE,
            ..Config::default()
        };
        change(&mut config);
        let address = format!("sqlite:{}/webhooks.sqlite", folder.path().display());
        let hooks = atelier_store::Store::open(&address, &atelier_webhooks::SCHEMA).await.expect("a store");
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")]);
        let webhooks = Endpoints::new(
            hooks.clone(),
            Sender::new(guard, &[]).expect("Mozilla's roots"),
            Arc::new(|| NOW_MS),
            Arc::new(Uuid::new_v4),
            Arc::new(|| [7; 32]),
            Some(log.clone()),
        );
        let blobs = Blobs::in_memory();
        let accounts = Accounts::open(&format!("sqlite:{}/partners.sqlite", folder.path().display())).await.expect("accounts");
        let keys = AtomicU64::new(1);
        let stop = CancellationToken::new();
        let counter = AtomicU64::new(1);
        let app = App {
            client: Client::start(log.clone()).expect("the log is there"),
            queries,
            accounts: accounts.clone(),
            webhooks,
            blobs: blobs.clone(),
            random: Arc::new(move || random(keys.fetch_add(1, Ordering::SeqCst))),
            clock: Arc::new({
                let clock = clock.clone();
                move || match clock.load(Ordering::SeqCst) {
                    BROKEN_CLOCK => panic!("the clock of Jane Roe is broken"),
                    now => now,
                }
            }),
            ids: Arc::new(move || Uuid::from_u64_pair(7, counter.fetch_add(1, Ordering::SeqCst))),
            config,
            metrics: Metrics::register(&mut registry),
            stop: stop.clone(),
        };
        let router = router(app.clone(), &Surface::ALL, Arc::new(Mutex::new(registry)));
        Self { router, log, blobs, accounts, clock, engine, stop, app, _runner: runner, hooks, _folder: folder }
    }

    /// From now on somebody tells orders of the deliveries that waited for their parcels.
    pub(crate) fn follow_parcels(&self) {
        tokio::spawn(follow_parcels(self.app.clone()));
    }

    /// From now on the webhooks' store answers no question about what waits.
    pub(crate) async fn break_webhooks(&self) {
        let mut transaction = self.hooks.begin().await.expect("a store");
        transaction.execute("DROP TABLE webhook_heads", []).await.expect("a table");
        transaction.commit().await.expect("a store");
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        // Every client says whom it asks.
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("127.0.0.1:8080"));
        let answer = self.router.clone().oneshot(request);
        tokio::time::timeout(PATIENCE * 2, answer).await.expect("an answer in time").expect("infallible")
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.send(request).await.into_parts();
        let bytes = tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, 64 << 20)).await.expect("in time").expect("a whole body");
        Answer { status: parts.status, headers: parts.headers, bytes: bytes.to_vec() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(get(path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn get_as(&self, staff: &str, path: &str) -> Answer {
        self.call(get(path).header("x-staff", staff).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call(post(path).body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn post_as(&self, staff: &str, path: &str, body: &str) -> Answer {
        self.call(post(path).header("x-staff", staff).body(Body::from(body.to_owned())).expect("a request")).await
    }

    /// A live key of a partner, who is made with it.
    pub(crate) async fn key(&self, partner: &str) -> String {
        self.key_of(partner, Mode::Live).await
    }

    /// The same, of what it is to open.
    pub(crate) async fn key_of(&self, partner: &str, mode: Mode) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
        let random = random(NEXT.fetch_add(1, Ordering::SeqCst));
        let made = self.accounts.create_key(partner, mode, None, &random, self.clock.load(Ordering::SeqCst)).await;
        made.expect("a key").key.reveal()
    }

    /// A new order of the shop.
    pub(crate) async fn order(&self, key: &str) -> Uuid {
        self.call(create(key, ORDER)).await.expect(201).id()
    }

    /// A new order of the shop that stands in the operators' queue.
    pub(crate) async fn approved(&self, key: &str) -> Uuid {
        let id = self.order(key).await;
        self.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/approve"), "").await.expect(200);
        id
    }

    /// Asks until the answer is as wanted, within bounds.
    pub(crate) async fn until<F: Future<Output = Answer>>(&self, ask: impl Fn() -> F, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let begun = tokio::time::Instant::now();
        loop {
            let answer = ask().await;
            if wanted(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "it never came about; last: {} {}", answer.status, answer.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Different for each number.
fn random(number: u64) -> [u8; RANDOM_BYTES] {
    let mut bytes = [0; RANDOM_BYTES];
    for (at, byte) in (0_u64..).zip(&mut bytes) {
        *byte = (number.wrapping_add(at << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).to_le_bytes()[0];
    }
    bytes
}

/// A body that creates an order.
pub(crate) const ORDER: &str =
    r#"{"customer":{"name":"Jane Roe","email":"jane@example.org"},"item":{"material":"silver-925","quantity":1,"finish":"polished"}}"#;

pub(crate) fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path)
}

pub(crate) fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("content-type", "application/json")
}

pub(crate) fn create(key: &str, body: &str) -> Request<Body> {
    post("/shop/v1/orders").header("idempotency-key", key).body(Body::from(body.to_owned())).expect("a request")
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn id(&self) -> Uuid {
        self.json()["order_id"].as_str().and_then(|id| id.parse().ok()).expect("an order id")
    }

    /// A refusal of this status and code whose sentence has these words.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, words: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:atelier:problem:{code}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "no {words:?} in {problem}");
        problem
    }

    /// The same, naming the field.
    #[track_caller]
    pub(crate) fn refused_field(&self, status: u16, code: &str, field: &str, words: &str) {
        let problem = self.refused(status, code, words);
        let fields: Vec<&str> = problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["field"].as_str()).collect();
        assert!(fields.contains(&field), "no {field} in {problem}");
        assert!(problem["errors"].as_array().into_iter().flatten().all(|error| error["fix"].as_str().is_some_and(|fix| !fix.is_empty())));
    }
}

/// A log that can be switched off.
pub(crate) struct Switchable {
    log: Memory,
    away: AtomicBool,
    silent: AtomicBool,
}

impl Switchable {
    pub(crate) fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// It takes records and confirms none.
    pub(crate) fn silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    fn there(&self) -> Result<(), Error> {
        if self.away.load(Ordering::SeqCst) { Err(Error::Unavailable("switched off by the test at broker-7".into())) } else { Ok(()) }
    }

    /// Records of a topic so far.
    pub(crate) fn count(&self, topic: Topic) -> u64 {
        (0..self.log.partitions()).map(|partition| self.log.end(topic, partition).expect("in memory")).sum()
    }
}

impl Log for Switchable {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn max_payload_bytes(&self) -> usize {
        self.log.max_payload_bytes()
    }
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        match self.there() {
            Ok(()) if self.silent.load(Ordering::SeqCst) => {
                drop(self.log.append(topic, partition, record));
                Box::pin(std::future::ready(Err(Error::Unconfirmed("no answer came".into()))))
            }
            Ok(()) => self.log.append(topic, partition, record),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        self.log.own(membership)
    }
    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        self.there()?;
        self.log.read(topic, from)
    }
    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        self.log.subscribe(topic, group)
    }
    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        self.there()?;
        self.log.end(topic, partition)
    }
    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        self.log.committed(group, partition)
    }
}
