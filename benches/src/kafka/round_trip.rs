//! Command in, committed outcome out, at a fixed rate; one driver for both sides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use atelier_log::client::record_of;
use atelier_schemas::{Topic, partition_of};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::PARTITIONS;
use super::raw::{consumer, name, producer, watermark};
use crate::harness::{Block, Latencies, Mark, Outcome, ensure};
use crate::life;

/// What was not answered by then is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// Makes the orders of different drivers different.
static DRIVERS: AtomicU64 = AtomicU64::new(1_000);

/// Sends commands to one log and waits for their outcomes.
pub(crate) struct Driver {
    sink: ThreadedProducer<DefaultProducerContext>,
    source: BaseConsumer,
    commands: String,
    orders: Box<dyn Iterator<Item = uuid::Uuid> + Send>,
}

impl Driver {
    /// A driver for the log with this prefix, at its end.
    pub(crate) fn new(brokers: &str, prefix: &str) -> Outcome<Self> {
        let source: BaseConsumer = consumer(brokers).create()?;
        let outcomes = name(prefix, Topic::Outcomes);
        let mut from = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let end = watermark(&source, &outcomes, partition)?;
            from.add_partition_offset(&outcomes, partition as i32, Offset::Offset(end))?;
        }
        source.assign(&from)?;
        let salt = DRIVERS.fetch_add(1, Ordering::Relaxed);
        let orders = Box::new((0..).map(move |number| life::id(number, salt)));
        Ok(Self { sink: producer(brokers).create()?, source, commands: name(prefix, Topic::Commands), orders })
    }

    /// One block: `rate` commands a second for `seconds`, measured from the moment each was meant to be sent.
    ///
    /// # Errors
    /// An outcome that is missing, doubled or of nobody.
    pub(crate) fn block(&mut self, rate: f64, seconds: f64) -> Outcome<Block> {
        let count = ((rate * seconds) as usize).max(1);
        let orders: Vec<_> = self.orders.by_ref().take(count).collect();
        let places: HashMap<String, usize> = orders.iter().enumerate().map(|(index, order)| (order.to_string(), index)).collect();
        let mark = Mark::now();
        let start = Instant::now() + Duration::from_millis(20);
        let due = |index: usize| start + Duration::from_secs_f64(index as f64 / rate);
        let (sink, source, commands) = (&self.sink, &self.source, &self.commands);
        let mut latencies = std::thread::scope(|scope| -> Outcome<Latencies> {
            let sending = scope.spawn(move || -> Outcome<()> {
                for (index, order) in orders.iter().enumerate() {
                    let command = life::command(*order, 0);
                    let record = record_of(&command);
                    std::thread::sleep(due(index).saturating_duration_since(Instant::now()));
                    let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: "type", value: Some(record.kind) });
                    let message = BaseRecord::to(commands)
                        .partition(partition_of(order, PARTITIONS) as i32)
                        .key(&record.key)
                        .payload(&record.payload)
                        .headers(headers);
                    sink.send(message).map_err(|(error, _)| error)?;
                }
                Ok(())
            });
            let mut latencies = Latencies::default();
            let mut answered = vec![false; count];
            let deadline = due(count) + ANSWER_WITHIN;
            while latencies.len() < count && Instant::now() < deadline {
                let Some(message) = source.poll(POLL) else { continue };
                let message = message?;
                let now = Instant::now();
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                let index = *places.get(&key).ok_or_else(|| format!("an outcome of {key}, which was not asked for"))?;
                ensure(!std::mem::replace(&mut answered[index], true), || format!("{key} has two outcomes"))?;
                latencies.add(now.saturating_duration_since(due(index)));
            }
            sending.join().map_err(|_| "the sender panicked")??;
            ensure(latencies.len() == count, || format!("{} of {count} outcomes are missing", count - latencies.len()))?;
            Ok(latencies)
        })?;
        let (_, cpu_s) = Mark::now().since(&mark);
        Ok(Block {
            value: latencies.quantile_ms(0.5),
            cpu_s_per_1000: cpu_s / count as f64 * 1000.0,
            p99_ms: Some(latencies.quantile_ms(0.99)),
        })
    }
}
