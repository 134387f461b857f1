//! The bare loop: consume a batch, produce what our engine would, commit with the offsets. Nothing is decided.
//!
//! Partitions are assigned for good, so it does not even pay for a group's rebalancing. Each
//! thread has one partition, as one of our workers has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::raw::{consumer, name, producer};
use super::script::Script;
use super::watched::Window;
use super::{PARTITIONS, WORKERS, native};
use crate::harness::Outcome;

/// As many commands as our engine puts into one transaction.
pub(crate) const BATCH: usize = 1000;
const CALL_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// The command id lies behind ten bytes of frame and one of length.
const COMMAND_ID: std::ops::Range<usize> = 11..47;

/// A running bare loop.
pub(crate) struct Bare {
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Outcome<()>>>,
}

/// What one thread goes by.
struct Worker {
    brokers: String,
    /// Of the commands, and of what is written.
    from: String,
    to: String,
    number: u32,
    script: Arc<Script>,
    window: Option<Arc<Window>>,
    stopping: Arc<AtomicBool>,
}

impl Bare {
    /// Starts as many threads as our engine has workers.
    pub(crate) fn start(brokers: &str, from: &str, to: &str, script: &Arc<Script>, window: Option<&Arc<Window>>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let threads = (0..WORKERS).map(|number| {
            let worker = Worker {
                brokers: brokers.into(),
                from: from.into(),
                to: to.into(),
                number,
                script: script.clone(),
                window: window.cloned(),
                stopping: stopping.clone(),
            };
            std::thread::spawn(move || {
                let result = worker.run();
                if let (Err(_), Some(window)) = (&result, &worker.window) {
                    window.give_up();
                }
                result
            })
        });
        Self { threads: threads.collect(), stopping }
    }

    /// Stops it.
    ///
    /// # Errors
    /// What ended one of its threads before.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a thread of the bare loop panicked")??;
        }
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    fn run(&self) -> Outcome<()> {
        let commands = name(&self.from, Topic::Commands);
        let mut config = consumer(&self.brokers);
        config
            .set("group.id", format!("{}bare", self.to))
            .set("auto.offset.reset", "earliest")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "16384");
        let source: BaseConsumer = config.create()?;
        let mut mine = TopicPartitionList::new();
        for partition in (self.number..PARTITIONS).step_by(WORKERS as usize) {
            mine.add_partition_offset(&commands, partition as i32, Offset::Beginning)?;
        }
        source.assign(&mine)?;
        let mut config = producer(&self.brokers);
        config
            .set("transactional.id", format!("{}bare-{}", self.to, self.number))
            .set("retry.backoff.ms", "1")
            .set("retry.backoff.max.ms", "100");
        let sink: ThreadedProducer<DefaultProducerContext> = config.create()?;
        sink.init_transactions(CALL_WITHIN)?;
        while !self.stopping.load(Ordering::Relaxed) {
            let batch = take(&source)?;
            if batch.is_empty() {
                continue;
            }
            if let Some(window) = &self.window {
                window.gate.pass();
            }
            sink.begin_transaction()?;
            self.produce(&sink, &batch)?;
            let mut next = BTreeMap::new();
            for message in &batch {
                next.insert(message.partition(), message.offset() + 1);
            }
            let mut offsets = TopicPartitionList::new();
            for (partition, offset) in next {
                offsets.add_partition_offset(&commands, partition, Offset::Offset(offset))?;
            }
            let member = source.group_metadata().ok_or("the bare loop has no group")?;
            sink.send_offsets_to_transaction(&offsets, &member, CALL_WITHIN)?;
            native::commit(&sink, CALL_WITHIN)?;
            if let Some(window) = &self.window {
                window.committed(batch.len() as u64);
            }
        }
        Ok(())
    }

    fn produce(&self, sink: &ThreadedProducer<DefaultProducerContext>, batch: &[BorrowedMessage<'_>]) -> Outcome<()> {
        let topics = Topic::ALL.map(|topic| name(&self.to, topic));
        let mut buffer = Vec::new();
        for message in batch {
            let key = message.key().unwrap_or_default();
            let command_id = message.payload().and_then(|payload| payload.get(COMMAND_ID)).unwrap_or_default();
            for template in self.script.at(message.offset().unsigned_abs()) {
                let payload = template.fill(key, command_id, &mut buffer);
                let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: "type", value: Some(template.kind) });
                let record = BaseRecord::to(&topics[template.topic as usize])
                    .partition(message.partition())
                    .key(key)
                    .payload(payload)
                    .headers(headers);
                sink.send(record).map_err(|(error, _)| error)?;
            }
        }
        Ok(())
    }
}

fn take(source: &BaseConsumer) -> Outcome<Vec<BorrowedMessage<'_>>> {
    let mut batch = Vec::new();
    let mut wait = POLL;
    while batch.len() < BATCH {
        match source.poll(wait) {
            Some(message) => batch.push(message?),
            None => break,
        }
        wait = Duration::ZERO;
    }
    Ok(batch)
}
