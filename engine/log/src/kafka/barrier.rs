//! Where the events of a partition end, as its leader says.
//!
//! A broker that led a partition, stood still until another one was elected, and goes on answers for a moment as if it
//! still led: the end it tells is too low, and state restored up to there lacks what was decided meanwhile. Fencing is
//! about who writes and does not see that. But only the leader gets a record confirmed: so a new owner writes one, once
//! the owner before it is fenced, and no end before that record is believed ([`Floors`]).
//!
//! The record is part of a transaction that is aborted: nobody who reads committed records sees it. The producer has a
//! transactional id of its own, so that it can be opened while the owner's is, half a second each; and the same one for
//! every owner of the partition, so that the next one ends at once what this one leaves open.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::Message;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::claims::discard;
use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Watch, watched};
use crate::Partition;

/// Says what the record is to whoever reads uncommitted ones.
const KEY: &str = "barrier";
/// Ends sooner when something has happened.
const POLL: Duration = Duration::from_millis(100);

/// What the owners of this process have learned: how far the events of a partition go at least.
#[derive(Default)]
pub(super) struct Floors(Mutex<BTreeMap<Partition, u64>>);

impl Floors {
    fn by_partition(&self) -> MutexGuard<'_, BTreeMap<Partition, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events of `partition` go up to `end` at least.
    pub(super) fn raise(&self, partition: Partition, end: u64) {
        let mut floors = self.by_partition();
        let floor = floors.entry(partition).or_default();
        *floor = end.max(*floor);
    }

    /// An end of the partition below this one is the word of a broker that leads it no more.
    pub(super) fn of(&self, topic: Topic, partition: Partition) -> u64 {
        if topic == Topic::Events { self.by_partition().get(&partition).copied().unwrap_or(0) } else { 0 }
    }
}

#[derive(Default)]
struct Context {
    watch: Watch,
    /// What became of the record: behind it, or why it is not there.
    told: Mutex<Option<Result<u64, String>>>,
}

watched!(Context {});

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let told = match result {
            Ok(message) => u64::try_from(message.offset()).map(|offset| offset + 1).map_err(|_| "nobody says where it lies".to_owned()),
            Err((error, _)) => Err(error.to_string()),
        };
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

/// An open producer for one record.
pub(super) struct Barrier {
    client: BaseProducer<Context>,
    events: String,
    partition: Partition,
}

impl Barrier {
    /// # Errors
    /// In librdkafka's words.
    pub(super) fn open(config: &Config, group: &str, partition: Partition) -> Result<Self, String> {
        let client = config.transactional(&format!("{}-barrier-p{partition}", config.group(group)));
        let client: BaseProducer<Context> = create(&client, Context::default()).map_err(|error| error.to_string())?;
        let barrier = Self { client, events: config.topic(Topic::Events), partition };
        match barrier.client.init_transactions(ANSWER_WITHIN) {
            Ok(()) => Ok(barrier),
            Err(error) => {
                discard(barrier);
                Err(error.to_string())
            }
        }
    }

    /// Writes the record, aborts it, and says where the next one goes or behind it.
    ///
    /// # Errors
    /// In librdkafka's words.
    pub(super) fn end(self) -> Result<u64, String> {
        let end = self.write();
        // Readers of the partition stand still until it is ended.
        let aborted = self.client.abort_transaction(ANSWER_WITHIN);
        discard(self);
        let end = end?;
        aborted.map_err(|error| error.to_string())?;
        Ok(end)
    }

    fn write(&self) -> Result<u64, String> {
        self.client.begin_transaction().map_err(|error| error.to_string())?;
        let record = BaseRecord::to(&self.events).partition(self.partition as i32).key(KEY).payload("");
        self.client.send(record).map_err(|(error, _)| error.to_string())?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            self.client.poll(POLL);
            if let Some(told) = self.client.context().told.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return told;
            }
            if Instant::now() >= deadline {
                return Err("nobody has confirmed a record".to_owned());
            }
        }
    }
}
