//! A memory log, an engine over it, a clock moved by hand, and somebody who asks and reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use atelier_domain::Policy;
use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord, Record, client};
use atelier_runtime::checkpoint::Checkpoints;
use atelier_runtime::{Clock, Engine, EngineHandle, EngineSettings, Metrics, PolicyInForce};
use atelier_schemas::{
    Actor, Command, CommandData, Event, Framed, Item, Measures, Model, Money, Outcome, OutcomeResult, PricingJob, Quote, QuoteLine, Topic,
    partition_of,
};
use prometheus_client::registry::Registry;
use uuid::Uuid;

/// Nothing here takes nearly so long; it bounds a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

pub(crate) struct Bed {
    pub(crate) log: Memory,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) policy: PolicyInForce,
    pub(crate) checkpoints: Option<Checkpoints>,
    engine: Option<EngineHandle>,
    next_id: u128,
}

impl Bed {
    /// A log without an engine.
    pub(crate) fn idle(partitions: u32) -> Self {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let folder = tempfile::tempdir().unwrap();
        Self {
            log: Memory::with_clock(partitions, now.clone()),
            now,
            folder,
            policy: PolicyInForce::new(Policy::default()),
            checkpoints: None,
            engine: None,
            next_id: 1,
        }
    }

    pub(crate) fn running(partitions: u32) -> Self {
        let mut bed = Self::idle(partitions);
        bed.start();
        bed
    }

    pub(crate) fn start(&mut self) {
        let settings = EngineSettings {
            policy: self.policy.clone(),
            checkpoints: self.checkpoints.clone(),
            ..EngineSettings::new(self.folder.path().to_owned(), Policy::default())
        };
        let now = self.now.clone();
        let clock: Clock = Arc::new(move || now.load(Ordering::SeqCst));
        let metrics = Metrics::register(&mut Registry::default());
        self.engine = Some(Engine::start(Arc::new(self.log.clone()), &settings, clock, metrics).unwrap());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
            engine.join().unwrap();
        }
    }

    pub(crate) fn order(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id << 64 | 0xabc)
    }

    pub(crate) fn command(&mut self, order: Uuid, role: &str, data: CommandData) -> Command {
        self.next_id += 1;
        let actor = Actor { role: role.into(), name: if role == "partner" { "acme".into() } else { role.into() } };
        Command::new(Uuid::from_u128(self.next_id), order, self.now.load(Ordering::SeqCst), actor, data)
    }

    /// Appends without waiting for the outcome.
    pub(crate) fn append(&self, command: &Command) {
        self.append_record(partition_of(&command.order_id, self.log.partitions()), client::record_of(command));
    }

    pub(crate) fn append_record(&self, partition: u32, record: NewRecord) {
        // The memory log is done at the call; the reply may be lost on request.
        drop(self.log.append(Topic::Commands, partition, record));
    }

    /// Appends and waits for the outcome.
    pub(crate) fn ask(&mut self, order: Uuid, role: &str, data: CommandData) -> OutcomeResult {
        let command = self.command(order, role, data);
        self.send(&command)
    }

    pub(crate) fn send(&self, command: &Command) -> OutcomeResult {
        let before = self.outcomes().iter().filter(|outcome| outcome.command_id == command.command_id).count();
        self.append(command);
        self.wait(|bed| bed.outcomes().into_iter().filter(|outcome| outcome.command_id == command.command_id).nth(before)).result
    }

    /// Waits for something to become true of the log.
    #[track_caller]
    pub(crate) fn wait<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain");
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn records(&self, topic: Topic) -> Vec<Record> {
        let mut all = Vec::new();
        for partition in 0..self.log.partitions() {
            let end = self.log.end(topic, partition).unwrap();
            let mut reader = self.log.read(topic, &[(partition, 0)]).unwrap();
            while reader.position(partition) < end {
                all.extend(reader.poll(1000, POLL).unwrap());
            }
        }
        all
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.records(Topic::Outcomes).iter().map(|record| Outcome::decode(&record.payload).unwrap()).collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.records(Topic::Events).iter().map(|record| Event::decode(&record.payload).unwrap()).collect()
    }

    pub(crate) fn jobs(&self) -> Vec<(u32, PricingJob)> {
        self.records(Topic::PricingJobs).iter().map(|record| (record.partition, PricingJob::decode(&record.payload).unwrap())).collect()
    }

    /// What must hold whatever went wrong: one outcome per command offset, versions contiguous per order,
    /// every event of an accepted command there once.
    #[track_caller]
    pub(crate) fn check_exactly_once(&self) {
        for partition in 0..self.log.partitions() {
            let commands: Vec<_> = self.records(Topic::Commands).into_iter().filter(|record| record.partition == partition).collect();
            let offsets: Vec<_> = self
                .records(Topic::Outcomes)
                .into_iter()
                .filter(|record| record.partition == partition)
                .map(|record| Outcome::decode(&record.payload).unwrap().command_offset)
                .collect();
            let expected: Vec<_> = commands.iter().map(|record| record.offset as i64).collect();
            assert_eq!(offsets, expected, "one outcome per command, in order, partition {partition}");
            assert_eq!(self.log.committed(atelier_runtime::GROUP, partition).unwrap(), commands.len() as u64);
        }
        let mut versions = BTreeMap::<Uuid, i64>::new();
        for event in self.events() {
            let version = versions.entry(event.order_id).or_default();
            assert_eq!(event.version, *version + 1, "order {}", event.order_id);
            *version = event.version;
        }
        let caused = self.events().iter().filter(|event| event.command_id.is_some()).count();
        let said: usize = self
            .outcomes()
            .iter()
            .map(|outcome| match &outcome.result {
                OutcomeResult::Accepted { events, repeated: false, dry_run: false, .. } => events.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(caused, said, "outcomes speak of every event");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn create() -> CommandData {
    CommandData::CreateOrder {
        channel: "shop".into(),
        client: "shop".into(),
        reference: None,
        customer: None,
        item: Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() },
    }
}

pub(crate) fn attach() -> CommandData {
    CommandData::AttachModel { model: Model { sha256: "ab".repeat(32), format: "stl".into(), size_bytes: 84 } }
}

pub(crate) fn quote() -> Quote {
    Quote {
        price: Money { minor: 100, currency: "EUR".into() },
        lines: vec![QuoteLine { code: "metal".into(), text: "silver".into(), minor: 100 }],
        model_sha256: "ab".repeat(32),
        algorithm: "t".into(),
        price_book: "t".into(),
        metal_fix: "t".into(),
        measures: Measures { volume_mm3: 1.0, area_mm2: 1.0, triangles: 12, watertight: true, size_mm: vec![1.0; 3] },
        warnings: vec![],
    }
}

pub(crate) fn status(result: &OutcomeResult) -> &str {
    match result {
        OutcomeResult::Accepted { status, .. } => status,
        OutcomeResult::Refused { code, .. } => code,
    }
}
