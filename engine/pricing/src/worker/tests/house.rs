//! A log that tells what its subscription was asked, and the engine's side of the conversation.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atelier_blobs::Blobs;
use atelier_log::client::Client;
use atelier_log::memory::Memory;
use atelier_log::{Appending, Error, Log, Membership, NewRecord, Owner, Partition, Reader, Record, Subscription};
use atelier_schemas::{Command, CommandData, Framed, Item, Model, Outcome, OutcomeResult, PricingJob, Topic, partition_of};
use bytes::Bytes;
use uuid::Uuid;

use super::super::{WorkerHandle, measuring};
use super::{Worker, WorkerConfig};
use crate::book::PriceBook;

/// Longer than anything here takes; only a broken worker waits for it.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// What the worker's subscription was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Pause(bool),
    Commit(Partition, u64),
    Leave,
}

#[derive(Clone, Default)]
pub(super) struct Seen {
    asked: Arc<Mutex<Vec<Asked>>>,
    polls: Arc<AtomicU64>,
}

impl Seen {
    fn push(&self, asked: Asked) {
        self.asked.lock().expect("lock").push(asked);
    }

    pub(super) fn all(&self) -> Vec<Asked> {
        self.asked.lock().expect("lock").clone()
    }

    pub(super) fn has(&self, asked: Asked) -> bool {
        self.all().contains(&asked)
    }

    pub(super) fn commits(&self) -> Vec<(Partition, u64)> {
        self.all().into_iter().filter_map(|asked| if let Asked::Commit(p, next) = asked { Some((p, next)) } else { None }).collect()
    }

    /// Whole turns of the intake: what was told to it before has been acted on.
    pub(super) fn turns(&self, turns: u64) {
        let until = self.polls.load(Ordering::SeqCst) + turns;
        wait_for("the intake to turn", || self.polls.load(Ordering::SeqCst) >= until);
    }
}

struct Spy {
    log: Memory,
    seen: Seen,
}

struct SpySubscription {
    inner: Box<dyn Subscription>,
    seen: Seen,
}

impl Log for Spy {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn max_payload_bytes(&self) -> usize {
        self.log.max_payload_bytes()
    }
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        self.log.append(topic, partition, record)
    }
    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        self.log.own(membership)
    }
    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        self.log.read(topic, from)
    }
    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(SpySubscription { inner: self.log.subscribe(topic, group)?, seen: self.seen.clone() }))
    }
    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        self.log.end(topic, partition)
    }
    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        self.log.committed(group, partition)
    }
}

impl Subscription for SpySubscription {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        self.seen.polls.fetch_add(1, Ordering::SeqCst);
        self.inner.poll(max, timeout)
    }
    fn pause(&mut self, paused: bool) -> Result<(), Error> {
        self.seen.push(Asked::Pause(paused));
        self.inner.pause(paused)
    }
    fn commit(&mut self, partition: Partition, next: u64) -> Result<(), Error> {
        let committed = self.inner.commit(partition, next);
        if committed.is_ok() {
            self.seen.push(Asked::Commit(partition, next));
        }
        committed
    }
}

impl Drop for SpySubscription {
    fn drop(&mut self) {
        self.seen.push(Asked::Leave);
    }
}

/// One log with one partition, one object store, and the engine's seat.
pub(super) struct House {
    pub(super) log: Memory,
    pub(super) blobs: Blobs,
    pub(super) seen: Seen,
    commands: Box<dyn Reader>,
    arrived: VecDeque<Command>,
    /// By command, the offset of its newest record: that is the one its sender waits for.
    places: HashMap<Uuid, i64>,
}

impl House {
    pub(super) fn new() -> Self {
        let log = Memory::new(1);
        let commands = log.read(Topic::Commands, &[(0, 0)]).expect("reader");
        Self { log, blobs: Blobs::in_memory(), seen: Seen::default(), commands, arrived: VecDeque::new(), places: HashMap::new() }
    }

    /// A configuration in which nothing happens by itself: no heartbeat, no retry.
    pub(super) fn config() -> WorkerConfig {
        WorkerConfig {
            capacity: 1,
            backlog: 0,
            heartbeat: Duration::from_secs(3600),
            command_wait: Duration::from_secs(3600),
            patience: Duration::from_secs(3600),
            ..WorkerConfig::new("w1")
        }
    }

    pub(super) fn start(&self, config: WorkerConfig) -> WorkerHandle {
        self.start_measuring(config, measuring::by_the_book(Arc::new(PriceBook::builtin())))
    }

    pub(super) fn start_measuring(&self, config: WorkerConfig, measuring: measuring::Measuring) -> WorkerHandle {
        let client = Client::start(Arc::new(Spy { log: self.log.clone(), seen: self.seen.clone() })).expect("client");
        Worker::start_with(config, client, self.blobs.clone(), Arc::new(|| 5_000), measuring).expect("worker")
    }

    /// Stores a model and asks for its price. Orders are numbered.
    pub(super) async fn ask(&self, order: u128, format: &str, bytes: &[u8]) -> PricingJob {
        let stored = self.blobs.put(Bytes::copy_from_slice(bytes)).await.expect("stored");
        let model = Model { sha256: stored.sha256, format: format.to_owned(), size_bytes: stored.size_bytes as i64 };
        let item = Item { material: "silver-925".to_owned(), quantity: 1, finish: "polished".to_owned() };
        let job = PricingJob {
            order_id: Uuid::from_u128(order),
            attempt: 1,
            model,
            item,
            requested_at: 2_000,
            correlation_id: Uuid::from_u128(order + 1000),
            traceparent: Some(format!("00-{order:032x}-00f067aa0ba902b7-01")),
        };
        self.append(Topic::PricingJobs, &job.order_id, "PricingJob", job.encode()).await;
        job
    }

    pub(super) async fn ask_ring(&self, order: u128) -> PricingJob {
        self.ask(order, "ring", RING).await
    }

    pub(super) async fn append(&self, topic: Topic, order_id: &Uuid, kind: &'static str, payload: Vec<u8>) {
        let partition = partition_of(order_id, 1);
        let record = NewRecord { key: order_id.to_string(), kind, traceparent: None, payload };
        self.log.append(topic, partition, record).await.expect("appended");
    }

    /// The next command of the worker.
    pub(super) fn next(&mut self) -> Command {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(command) = self.look() {
                return command;
            }
            assert!(Instant::now() < until, "the worker sends no command");
        }
    }

    /// The next command, if there is one within a moment.
    pub(super) fn look(&mut self) -> Option<Command> {
        if self.arrived.is_empty() {
            let records = self.commands.poll(100, Duration::from_millis(10)).expect("commands");
            for record in &records {
                let command = Command::decode(&record.payload).expect("command");
                self.places.insert(command.command_id, record.offset.cast_signed());
                self.arrived.push_back(command);
            }
        }
        self.arrived.pop_front()
    }

    /// The next command, which must be of this type.
    pub(super) fn expect(&mut self, type_name: &str) -> Command {
        let command = self.next();
        assert_eq!(command.type_name, type_name, "{command:?}");
        command
    }

    pub(super) async fn accept(&self, command: &Command) {
        self.accept_as(command, false).await;
    }

    pub(super) async fn accept_as(&self, command: &Command, repeated: bool) {
        let result = OutcomeResult::Accepted { status: "SUBMITTED".into(), version: 4, events: Vec::new(), repeated, dry_run: false };
        self.answer(command, result).await;
    }

    pub(super) async fn refuse(&self, command: &Command, code: &str) {
        self.refuse_with(command, code, None).await;
    }

    /// The attempt asked for is over, and this one is free for the same work.
    pub(super) async fn offer(&self, command: &Command, attempt: i32) {
        self.refuse_with(command, "stale_attempt", Some(attempt)).await;
    }

    async fn refuse_with(&self, command: &Command, code: &str, attempt: Option<i32>) {
        let result = OutcomeResult::Refused {
            code: code.into(),
            detail: "refused by the test".into(),
            field: None,
            fix: "none".into(),
            status: None,
            version: None,
            allowed: Vec::new(),
            attempt,
        };
        self.answer(command, result).await;
    }

    async fn answer(&self, command: &Command, result: OutcomeResult) {
        let outcome = Outcome {
            command_id: command.command_id,
            order_id: command.order_id,
            type_name: command.type_name.clone(),
            command_offset: self.places[&command.command_id],
            time: 5_000,
            correlation_id: command.correlation_id,
            traceparent: command.traceparent.clone(),
            result,
        };
        self.append(Topic::Outcomes, &command.order_id, "Accepted", outcome.encode()).await;
    }

    /// Nothing was sent that the test has not taken. Only after the worker has drained is this an end.
    pub(super) fn no_more_commands(&mut self) {
        let more = self.commands.poll(100, Duration::ZERO).expect("commands");
        assert!(self.arrived.is_empty() && more.is_empty(), "{:?} {more:?}", self.arrived);
    }
}

/// A ring's parameters.
pub(super) const RING: &[u8] = br#"{"inner_diameter_mm":17,"width_mm":4,"thickness_mm":1.5,"profile":"comfort"}"#;

/// Waits until it is so.
pub(super) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Measuring that begins, says so, and ends when it is told to.
pub(super) struct Gate {
    pub(super) began: std::sync::mpsc::Receiver<()>,
    pub(super) open: std::sync::mpsc::Sender<()>,
}

pub(super) fn gated() -> (measuring::Measuring, Gate) {
    let (tell, began) = std::sync::mpsc::channel();
    let (open, wait) = std::sync::mpsc::channel();
    let (wait, tell) = (Mutex::new(wait), Mutex::new(tell));
    let real = measuring::by_the_book(Arc::new(PriceBook::builtin()));
    let measuring: measuring::Measuring = Arc::new(move |job, bytes, watched| {
        let _ = tell.lock().expect("lock").send(());
        let _ = wait.lock().expect("lock").recv_timeout(LIMIT);
        real(job, bytes, watched)
    });
    (measuring, Gate { began, open })
}

/// What a command says, without its ids.
pub(super) fn failure(command: &Command) -> (&str, &str, bool) {
    match &command.data {
        CommandData::FailPricing { failure, detail, retryable, .. } => (failure, detail, *retryable),
        other => panic!("{other:?}"),
    }
}
