//! One partition's transactional producer.
//!
//! Its transactional id is the partition's, whoever owns it: opening it fences the producer of the
//! owner before and ends that one's open transaction at once. Every transaction also carries the
//! offset consumed with the consumer group's generation, which is the second fence.
//!
//! What can go wrong, and what it means here:
//!
//! | error | meaning |
//! |---|---|
//! | the group refuses the member or its generation | aborted; [`Failed::Fenced`] |
//! | abortable, and the abort succeeded | nothing was written; [`Failed::Refused`] |
//! | a retriable error of the commit | the same call again, then [`Failed::Unknown`] |
//! | fenced, fatal, unflagged, or an abort that failed | [`Failed::Unknown`]: this producer is never used again |

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::config::{Config, MAX_PAYLOAD_BYTES, create};
use super::context::{Watch, watched};
use super::native::{self, Failure, Handle};
use super::record::headers;
use crate::{Error, Partition, Transaction};

/// Of sending the offsets, and of the commit, each.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Of an abort: it waits for one answer of the coordinator.
const ABORT_WITHIN: Duration = Duration::from_secs(10);
/// Records that wait within one transaction.
const WAITING_RECORDS: u32 = 500_000;
const WAITING_KIB: u32 = 512 * 1024;

/// Why a transaction was not confirmed.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was written and the producer can go on.
    Refused(Error),
    /// Nothing was written; the group has another member for this partition, or another generation.
    Fenced(String),
    /// It may have been written. The producer must be thrown away.
    Unknown(String),
}

/// A call that takes longer is helped; see [`Context::help`].
const HELP_AFTER: Duration = Duration::from_secs(3);

pub(super) struct Context {
    watch: Watch,
    handle: Handle,
    brokers: String,
    /// Since when a call has been waiting for the brokers.
    waiting_since: Mutex<Option<Instant>>,
}

impl Context {
    fn waiting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call may wait for a coordinator that librdkafka has dropped, without any limit, until some connection comes up.
    /// See [`Config::coordinated`].
    fn help(&self) {
        let waited = self.waiting().map(|since| since.elapsed()).unwrap_or_default();
        if waited > HELP_AFTER {
            tracing::debug!(target: "kafka", waited_ms = waited.as_millis() as u64, "a transactional call waits for long; another connection is made");
            self.handle.add_brokers(&self.brokers);
        }
    }
}

watched!(Context {
    /// Called every few seconds, which is all that is wanted of it.
    fn stats_raw(&self, _: &[u8]) {
        self.help();
    }
});

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    /// The commit fails when a record did, so nothing is noted here.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// The producer of one partition.
pub(super) struct Producer {
    client: ThreadedProducer<Context>,
}

impl Producer {
    /// The producer of `group`'s owner of a partition. Nothing is fenced before [`Producer::open`].
    pub(super) fn new(config: &Config, group: &str, partition: Partition) -> Result<Self, Error> {
        let mut client = config.transactional(&format!("{}-p{partition}", config.group(group)));
        client
            // The commit speaks for its records; a report for each would cost more than writing it.
            .set("delivery.report.only.error", "true")
            .set("queue.buffering.max.messages", WAITING_RECORDS.to_string())
            .set("queue.buffering.max.kbytes", WAITING_KIB.to_string())
            // The one thing that tells of every connection that breaks; see `Watch::log`.
            .set("debug", "broker")
            .set_log_level(RDKafkaLogLevel::Debug)
            .set("statistics.interval.ms", "2000");
        let context =
            Context { watch: Watch::default(), handle: Handle::none(), brokers: config.brokers.clone(), waiting_since: Mutex::new(None) };
        let client: ThreadedProducer<Context> = create(&client, context)?;
        client.context().handle.set(&client);
        Ok(Self { client })
    }

    /// A call that waits for the brokers.
    fn call<T>(&self, call: impl FnOnce(&ThreadedProducer<Context>) -> T) -> T {
        *self.client.context().waiting() = Some(Instant::now());
        let result = call(&self.client);
        *self.client.context().waiting() = None;
        result
    }

    /// Fences the owner before and ends its open transaction.
    pub(super) fn open(&self, limit: Duration) -> Result<(), Failure> {
        self.call(|client| client.init_transactions(limit)).map_err(|error| Failure::from(&error))
    }

    /// Whether a connection was disturbed since the last call. A request that was sent before may still
    /// lie somewhere and arrive later; a producer opened anew has another epoch, for which it does not count. An
    /// EndTxn that came late under the same epoch would commit what of the next transaction is written by then.
    pub(super) fn take_disturbed(&self) -> bool {
        self.client.context().watch.take_disturbed()
    }

    /// Writes the transaction with `offsets` consumed by `member`.
    pub(super) fn commit(
        &self,
        config: &Config,
        transaction: &Transaction,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Failed> {
        self.client.begin_transaction().map_err(|error| Failed::Unknown(error.to_string()))?;
        self.produce(config, transaction)?;
        let deadline = Instant::now() + CALL_WITHIN;
        loop {
            let Err(error) = self.call(|client| client.send_offsets_to_transaction(offsets, member, CALL_WITHIN)) else { break };
            let failure = Failure::from(&error);
            if failure.retriable && !failure.fatal && !failure.abort && Instant::now() < deadline {
                continue;
            }
            return Err(self.give_up(&failure));
        }
        let deadline = Instant::now() + CALL_WITHIN;
        loop {
            let Err(failure) = self.call(|client| native::commit(client, CALL_WITHIN)) else { return Ok(()) };
            if failure.retriable && !failure.fatal && !failure.abort {
                // It goes on in the background and the same call takes it up again.
                if Instant::now() < deadline {
                    continue;
                }
                return Err(Failed::Unknown(failure.text));
            }
            return Err(self.give_up(&failure));
        }
    }

    /// Writes the records and stops there, as a process that dies before the commit does.
    #[cfg(test)]
    pub(super) fn leave_open(&self, config: &Config, transaction: &Transaction) {
        self.client.begin_transaction().expect("a transaction can be begun");
        self.produce(config, transaction).expect("the records are taken");
        self.client.flush(CALL_WITHIN).expect("the records are written");
    }

    fn produce(&self, config: &Config, transaction: &Transaction) -> Result<(), Failed> {
        let deadline = Instant::now() + CALL_WITHIN;
        let names = Topic::ALL.map(|topic| config.topic(topic));
        for (topic, partition, record) in &transaction.records {
            let name = &names[*topic as usize];
            let mut message =
                BaseRecord::to(name).partition(*partition as i32).key(&record.key).payload(&record.payload).headers(headers(record));
            while let Err((error, again)) = self.client.send(message) {
                let failure = Failure::from(&error);
                match failure.code {
                    // The brokers are slower than we are.
                    RDKafkaErrorCode::QueueFull if Instant::now() < deadline => {
                        message = again;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    RDKafkaErrorCode::MessageSizeTooLarge => {
                        self.abort()?;
                        let bytes = record.payload.len();
                        return Err(Failed::Refused(Error::TooLarge { key: record.key.clone(), bytes, limit: MAX_PAYLOAD_BYTES }));
                    }
                    _ => return Err(self.give_up(&failure)),
                }
            }
        }
        Ok(())
    }

    /// Aborts if that is possible, and says what it comes to.
    fn give_up(&self, failure: &Failure) -> Failed {
        if failure.fatal {
            return Failed::Unknown(failure.text.clone());
        }
        if let Err(unknown) = self.abort() {
            return unknown;
        }
        match failure.code {
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::RebalanceInProgress => Failed::Fenced(failure.text.clone()),
            _ if failure.abort || failure.retriable => Failed::Refused(Error::Unavailable(failure.text.clone())),
            _ => Failed::Unknown(failure.text.clone()),
        }
    }

    fn abort(&self) -> Result<(), Failed> {
        let deadline = Instant::now() + ABORT_WITHIN;
        loop {
            let Err(error) = self.call(|client| client.abort_transaction(ABORT_WITHIN)) else { return Ok(()) };
            let failure = Failure::from(&error);
            if !failure.retriable || failure.fatal || Instant::now() >= deadline {
                return Err(Failed::Unknown(failure.text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Not an error to librdkafka: the broker is there again. What was under way may still arrive.
    #[test]
    fn a_connection_that_breaks_and_is_made_again_at_once_is_noticed() {
        let cluster = MockCluster::new(1).expect("a cluster");
        let config = Config { brokers: cluster.bootstrap_servers(), ..Config::default() };
        let producer = Producer::new(&config, "engine", 0).expect("a producer");
        producer.open(PATIENCE).unwrap_or_else(|failure| panic!("{}", failure.text));
        producer.take_disturbed();
        cluster.broker_down(1).expect("its connections are closed");
        cluster.broker_up(1).expect("it takes new ones");
        let deadline = Instant::now() + PATIENCE;
        while !producer.take_disturbed() {
            assert!(Instant::now() < deadline, "a late EndTxn would commit a part of the next transaction");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
