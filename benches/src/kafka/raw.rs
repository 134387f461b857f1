//! Plain clients with the settings our log uses.

use std::time::{Duration, Instant};

use atelier_schemas::{Command, Topic, partition_of};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::harness::Outcome;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// An idempotent producer, tuned as ours.
pub(super) fn producer(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("socket.nagle.disable", "true")
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("compression.type", "lz4")
        .set("message.max.bytes", "1048000")
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "524288");
    config
}

/// A consumer of committed records, tuned as ours.
pub(super) fn consumer(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("socket.nagle.disable", "true")
        .set("group.id", "bare")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.min.bytes", "1")
        .set("fetch.queue.backoff.ms", "5");
    config
}

/// The name of a topic of the log with this prefix.
pub(super) fn name(prefix: &str, topic: Topic) -> String {
    format!("{prefix}{}", topic.name())
}

/// Where the partition ends.
pub(super) fn watermark(client: &BaseConsumer, topic: &str, partition: u32) -> Outcome<i64> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    loop {
        match client.fetch_watermarks(topic, partition as i32, ANSWER_WITHIN) {
            Ok((_, high)) => return Ok(high),
            // A partition just made has no leader for a moment.
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads the topic's partitions from their beginning, with large fetches.
pub(crate) fn raw_reader(brokers: &str, prefix: &str, topic: Topic, partitions: u32) -> Outcome<BaseConsumer> {
    let mut config = consumer(brokers);
    config.set("fetch.message.max.bytes", "8388608").set("queued.min.messages", "100000").set("queued.max.messages.kbytes", "65536");
    let client: BaseConsumer = config.create()?;
    let mut from = TopicPartitionList::new();
    for partition in 0..partitions {
        from.add_partition_offset(&name(prefix, topic), partition as i32, Offset::Beginning)?;
    }
    client.assign(&from)?;
    Ok(client)
}

/// Appends commands in large batches; returns when all are in the log, in the order given.
pub(crate) fn flood(brokers: &str, prefix: &str, partitions: u32, commands: impl Iterator<Item = Command>) -> Outcome<u64> {
    let mut config = producer(brokers);
    config.set("linger.ms", "20");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    let topic = name(prefix, Topic::Commands);
    let mut count = 0;
    for command in commands {
        let record = atelier_log::client::record_of(&command);
        let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: "type", value: Some(record.kind) });
        let mut message = BaseRecord::to(&topic)
            .partition(partition_of(&command.order_id, partitions) as i32)
            .key(&record.key)
            .payload(&record.payload)
            .headers(headers);
        while let Err((error, again)) = producer.send(message) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            message = again;
            std::thread::sleep(Duration::from_millis(1));
        }
        count += 1;
    }
    producer.flush(ANSWER_WITHIN)?;
    Ok(count)
}
