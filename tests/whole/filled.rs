//! A log of many orders, written as an engine writes it, without the time an engine takes.

use std::path::Path;
use std::time::Duration;

use atelier_domain::Policy;
use atelier_log::embedded::Embedded;
use atelier_log::{CommandRecord, Log, Membership, NewRecord, Owner, Polled};
use atelier_runtime::{PartitionState, Settings};
use atelier_schemas::{Actor, Command, CommandData, Customer, Item, Model, Topic, partition_of};
use uuid::Uuid;

pub(crate) const PARTITIONS: u32 = 2;
/// Commands of one life, the last of which ends it.
pub(crate) const STEPS: usize = 4;
const LONG: Duration = Duration::from_secs(300);
const NOW_MS: i64 = 1_790_000_000_000;
/// Commands of a transaction.
const BATCH: usize = 1000;

pub(crate) struct Filled {
    log: Embedded,
    owner: Box<dyn Owner>,
    states: Vec<PartitionState>,
    appending: tokio::runtime::Runtime,
    scratch: tempfile::TempDir,
}

/// As random as a real one, the same for the same number.
pub(crate) fn id(number: u64, salt: u64) -> Uuid {
    let mut random = fastrand::Rng::with_seed(number.wrapping_mul(1_000_003).wrapping_add(salt));
    Uuid::from_u128(random.u128(..))
}

impl Filled {
    pub(crate) fn open(folder: &Path) -> Self {
        let log = Embedded::open(folder, PARTITIONS).expect("the folder is ours");
        let membership = Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 };
        let mut owner = log.own(membership).expect("nobody else owns it");
        let mut assigned = 0;
        while assigned < PARTITIONS as usize {
            if let Polled::Assigned(partitions) = owner.poll(1, LONG).expect("the log answers") {
                assigned += partitions.len();
            }
        }
        let scratch = tempfile::tempdir().expect("a folder");
        let states = (0..PARTITIONS).map(|partition| {
            let settings = Settings {
                partition,
                partitions: PARTITIONS,
                policy: Policy::default().into(),
                max_payload_bytes: log.max_payload_bytes(),
                index_folder: scratch.path().to_owned(),
            };
            PartitionState::new(settings, 0).expect("the folder can be written")
        });
        let states = states.collect();
        let appending = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { log, owner, states, appending, scratch }
    }

    /// Takes these orders through these steps of their lives.
    pub(crate) fn live(&mut self, orders: std::ops::Range<u64>, steps: std::ops::Range<usize>) {
        assert!(self.scratch.path().exists());
        for partition in 0..PARTITIONS {
            let orders: Vec<u64> = orders.clone().filter(|number| partition_of(&id(*number, 0), PARTITIONS) == partition).collect();
            let commands: Vec<Command> = steps.clone().flat_map(|step| orders.iter().map(move |number| command(*number, step))).collect();
            for batch in commands.chunks(BATCH) {
                self.decide(partition, batch);
            }
        }
    }

    pub(crate) fn log(&self) -> &Embedded {
        &self.log
    }

    /// Appends a record as it lies there once more, past everybody who decides.
    pub(crate) fn again(&self, topic: Topic, partition: u32) {
        let mut reader = self.log.read(topic, &[(partition, 0)]).expect("the log answers");
        let first = reader.poll(1, LONG).expect("the log answers").remove(0);
        let record = NewRecord { key: first.key, kind: "Again", traceparent: None, payload: first.payload };
        self.appending.block_on(self.log.append(topic, partition, record)).expect("the log takes it");
    }

    fn decide(&mut self, partition: u32, batch: &[Command]) {
        let records: Vec<_> = batch.iter().map(atelier_log::client::record_of).collect();
        let appends: Vec<_> = records.iter().map(|record| self.log.append(Topic::Commands, partition, record.clone())).collect();
        let offsets: Vec<u64> = self.appending.block_on(async {
            let mut offsets = Vec::new();
            for append in appends {
                offsets.push(append.await.expect("the log takes it"));
            }
            offsets
        });
        let read = offsets.iter().zip(records).map(|(offset, record)| CommandRecord {
            partition,
            offset: *offset,
            key: record.key,
            payload: record.payload,
        });
        let transaction = self.states[partition as usize].decide(read.collect(), NOW_MS).expect("the state decides");
        self.owner.commit(&transaction).expect("the log takes it");
    }
}

/// Created, its model attached, submitted (two events and a pricing job), and every second one cancelled; the others are asked for
/// what cannot be.
fn command(number: u64, step: usize) -> Command {
    let data = match step {
        0 => CommandData::CreateOrder {
            channel: "shop".into(),
            client: "shop".into(),
            reference: None,
            customer: Some(Customer { name: "Jane Roe".into(), email: "jane.roe@example.org".into() }),
            item: Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() },
        },
        1 => CommandData::AttachModel { model: Model { sha256: format!("{number:064x}"), format: "stl".into(), size_bytes: 684_284 } },
        2 => CommandData::SubmitOrder {},
        _ if number.is_multiple_of(2) => CommandData::CancelOrder { reason: "changed my mind".into() },
        _ => CommandData::SubmitOrder {},
    };
    let actor = Actor { role: "customer".into(), name: "shop".into() };
    Command::new(id(number, 1 + step as u64), id(number, 0), NOW_MS, actor, data)
}
