//! Reading committed records from given offsets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::claims::discard;
use super::config::{Config, create};
use super::context::{Plain, unavailable, whole_ms};
use super::outside::{Outside, bounds, is_outside};
use super::record::record;
use crate::{Error, Partition, Record};

/// A reader of some partitions of one topic.
pub(super) struct Reader {
    settings: ClientConfig,
    client: BaseConsumer<Plain>,
    topic: Topic,
    name: String,
    positions: BTreeMap<Partition, u64>,
    outside: Outside,
    /// The client reads no more, and another one has to take the positions up.
    ended: bool,
    /// Met after records that had to be handed out first.
    failure: Option<Error>,
}

impl Reader {
    pub(super) fn new(config: &Config, topic: Topic, from: &[(Partition, u64)]) -> Result<Self, Error> {
        // It never joins its group; librdkafka wants a name for one.
        let mut settings = config.consumer("reader");
        settings
            // Whole segments at a time when there is much to catch up on; what is there at once when not.
            .set("fetch.message.max.bytes", "8388608")
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "65536")
            // An answer has to be there whole before its broker counts as silent.
            .set("fetch.max.bytes", "16777216");
        let (name, positions) = (config.topic(topic), from.iter().copied().collect());
        let client = take_up(&settings, &name, &positions)?;
        Ok(Self { settings, client, topic, name, positions, outside: Outside::default(), ended: false, failure: None })
    }

    /// A broker calls a position outside of the log.
    fn said_outside(&mut self) -> Error {
        self.ended = true;
        let lost = self.lost();
        if self.outside.believed(lost.is_some(), Instant::now())
            && let Some(lost) = lost
        {
            return lost;
        }
        Error::Unavailable(format!("a broker says that a position in {} does not exist; it is asked who leads", self.name))
    }

    /// Ends of transactions take offsets too, and so do records of aborted ones. The client has passed
    /// them when it has handed out everything before them.
    fn pass_markers(&mut self) {
        let Ok(positions) = self.client.position() else { return };
        for element in positions.elements() {
            if let (Offset::Offset(offset), Some(position)) =
                (element.offset(), self.positions.get_mut(&element.partition().unsigned_abs()))
            {
                *position = (*position).max(offset.unsigned_abs());
            }
        }
    }

    /// Names the partition whose position the leader, too, calls outside of the log.
    fn lost(&self) -> Option<Error> {
        for (partition, position) in &self.positions {
            if let Some((low, high)) = bounds(&self.client, &self.name, *partition)
                && !(low..=high).contains(position)
            {
                return Some(Error::Mismatch(format!(
                    "offset {position} of {} partition {partition} does not exist: the log has {low} to {high}. It was cut or made anew; rebuild what reads it from 0, or restore the topic.",
                    self.name
                )));
            }
        }
        None
    }

    fn failure_of(&mut self, error: &KafkaError) -> Option<Error> {
        if is_outside(error) {
            return Some(self.said_outside());
        }
        match error.rdkafka_error_code() {
            // The client connects again by itself, and says so when no broker is left.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => None,
            _ => Some(unavailable(&format!("{} cannot be read", self.name), error)),
        }
    }
}

/// A client that goes on at the positions.
fn take_up(settings: &ClientConfig, name: &str, positions: &BTreeMap<Partition, u64>) -> Result<BaseConsumer<Plain>, Error> {
    let client: BaseConsumer<Plain> = create(settings, Plain::default())?;
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in positions {
        let offset = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
        assignment.add_partition_offset(name, *partition as i32, offset).map_err(|error| unavailable(name, &error))?;
    }
    client.assign(&assignment).map_err(|error| unavailable(name, &error))?;
    Ok(client)
}

impl crate::Reader for Reader {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.ended {
            discard(std::mem::replace(&mut self.client, take_up(&self.settings, &self.name, &self.positions)?));
            self.ended = false;
        }
        let mut records = Vec::new();
        let mut wait = timeout;
        while records.len() < max {
            match self.client.poll(whole_ms(wait)) {
                Some(Ok(message)) => {
                    let record = record(self.topic, &message);
                    self.positions.insert(record.partition, record.offset + 1);
                    self.outside.forget();
                    records.push(record);
                }
                Some(Err(error)) => {
                    if let Some(failure) = self.failure_of(&error) {
                        if records.is_empty() {
                            return Err(failure);
                        }
                        self.failure = Some(failure);
                        break;
                    }
                }
                None => {
                    self.pass_markers();
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }

    fn position(&self, partition: Partition) -> u64 {
        self.positions.get(&partition).copied().unwrap_or(0)
    }
}
