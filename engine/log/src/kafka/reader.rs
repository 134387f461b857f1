//! Reading committed records from given offsets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Plain, unavailable, whole_ms};
use super::outside::{Outside, is_outside};
use super::record::record;
use crate::{Error, Partition, Record};

/// Before a position is taken up again that a broker calls outside of the log.
const TAKE_UP_AGAIN: Duration = Duration::from_millis(200);

/// A reader of some partitions of one topic.
pub(super) struct Reader {
    client: BaseConsumer<Plain>,
    topic: Topic,
    name: String,
    positions: BTreeMap<Partition, u64>,
    outside: Outside,
    /// Met after records that had to be handed out first.
    failure: Option<Error>,
}

impl Reader {
    pub(super) fn new(config: &Config, topic: Topic, from: &[(Partition, u64)]) -> Result<Self, Error> {
        // It never joins its group; librdkafka wants a name for one.
        let mut client = config.consumer("reader");
        client
            // Whole segments at a time when there is much to catch up on; what is there at once when not.
            .set("fetch.message.max.bytes", "8388608")
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "65536");
        let client: BaseConsumer<Plain> = create(&client, Plain::default())?;
        let (name, positions) = (config.topic(topic), from.iter().copied().collect());
        let reader = Self { client, topic, name, positions, outside: Outside::default(), failure: None };
        reader.take_up()?;
        Ok(reader)
    }

    /// Goes on at the positions.
    fn take_up(&self) -> Result<(), Error> {
        let name = &self.name;
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in &self.positions {
            let offset = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
            assignment.add_partition_offset(name, *partition as i32, offset).map_err(|error| unavailable(name, &error))?;
        }
        self.client.assign(&assignment).map_err(|error| unavailable(name, &error))
    }

    /// A broker calls a position outside of the log. Waits for `wait` at most.
    fn said_outside(&mut self, wait: Duration) -> Result<(), Error> {
        if self.outside.believed(Instant::now()) {
            return Err(self.lost());
        }
        tracing::debug!(topic = self.name, "a broker says that a position does not exist; it is taken up again");
        std::thread::sleep(wait.min(TAKE_UP_AGAIN));
        self.take_up()
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

    /// Names the partition whose position is outside of the log.
    fn lost(&self) -> Error {
        for (partition, position) in &self.positions {
            if let Ok((low, high)) = self.client.fetch_watermarks(&self.name, *partition as i32, ANSWER_WITHIN)
                && !(low.unsigned_abs()..=high.unsigned_abs()).contains(position)
            {
                return Error::Mismatch(format!(
                    "offset {position} of {} partition {partition} does not exist: the log has {low} to {high}. It was cut or made anew; rebuild what reads it from 0, or restore the topic.",
                    self.name
                ));
            }
        }
        Error::Mismatch(format!("a position in {} does not exist (any more); restore the topic or read from 0", self.name))
    }

    fn failure_of(&self, error: &KafkaError) -> Option<Error> {
        match error.rdkafka_error_code() {
            // The client connects again by itself, and says so when no broker is left.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => None,
            _ => Some(unavailable(&format!("{} cannot be read", self.name), error)),
        }
    }
}

impl crate::Reader for Reader {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut records = Vec::new();
        let mut wait = timeout;
        while records.len() < max {
            match self.client.poll(whole_ms(wait)) {
                Some(Ok(message)) => {
                    let record = record(self.topic, &message);
                    self.positions.insert(record.partition, record.offset + 1);
                    records.push(record);
                }
                Some(Err(error)) if is_outside(&error) => {
                    self.failure = self.said_outside(wait).err();
                    break;
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
