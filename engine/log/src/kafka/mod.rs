//! The log on Apache Kafka: exactly-once through transactions, one process or many.
//!
//! Every topic has the same number of partitions, fixed when the log is made. An order's records lie in
//! the partition that murmur2 of its id names, in every topic; the partition is always set explicitly.
//! Owners of command partitions are the members of a consumer group; see [`owner`].

mod append;
mod barrier;
mod claims;
mod config;
mod context;
mod group;
mod leaving;
mod name;
mod native;
mod outside;
mod owner;
mod progress;
mod reader;
mod record;
mod subscription;
mod topics;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};

pub use config::Config;

use crate::{Appending, Error, Log, Membership, NewRecord, Owner, Partition, Reader, Subscription};
use append::Appender;
use barrier::Floors;
use config::{ANSWER_WITHIN, MAX_PAYLOAD_BYTES, create};
use context::{Plain, unavailable};
use topics::Genesis;

type Client = BaseConsumer<Plain>;

/// For one answer of a partition's leader before it is asked whether there is another.
const LEADER_WITHIN: Duration = Duration::from_secs(2);
/// Between two questions while there is none.
const LEADER_AGAIN: Duration = Duration::from_millis(50);

/// A log on Kafka.
pub struct Kafka {
    config: Arc<Config>,
    genesis: Genesis,
    appender: Appender,
    /// For questions about the end of partitions. It must see uncommitted records: for others the end is
    /// the first open transaction.
    ends: Client,
    floors: Arc<Floors>,
    /// For questions about what groups have consumed; one per group.
    groups: Mutex<HashMap<String, Arc<Client>>>,
}

impl Kafka {
    /// Finds the log, or makes it when there is none. Blocks: up to 10 s for a first answer of a broker, and up
    /// to half a minute for each of the few steps after it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no broker answers within 10 s; [`Error::Mismatch`] when the log is not
    /// the one `config` describes, or a property in [`Config::extra`] is wrong.
    pub fn connect(config: Config) -> Result<Self, Error> {
        let genesis = topics::open(&config)?;
        let mut ends = config.consumer("ends");
        ends.set("isolation.level", "read_uncommitted");
        Ok(Self {
            appender: Appender::new(&config)?,
            ends: create(&ends, Plain::default())?,
            floors: Arc::default(),
            groups: Mutex::default(),
            config: Arc::new(config),
            genesis,
        })
    }

    /// The name given to this log when it was made.
    pub fn id(&self) -> uuid::Uuid {
        self.genesis.log_id
    }

    fn group(&self, group: &str) -> Result<Arc<Client>, Error> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = groups.get(group) {
            return Ok(client.clone());
        }
        let client: Arc<Client> = Arc::new(create(&self.config.consumer(group), Plain::default())?);
        groups.insert(group.to_owned(), client.clone());
        Ok(client)
    }
}

impl Log for Kafka {
    fn partitions(&self) -> u32 {
        self.genesis.partitions
    }

    fn max_payload_bytes(&self) -> usize {
        MAX_PAYLOAD_BYTES
    }

    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        self.appender.append(&self.config, topic, partition, &record)
    }

    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error> {
        Ok(Box::new(owner::Owner::new(self.config.clone(), self.floors.clone(), membership)?))
    }

    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(reader::Reader::new(&self.config, topic, from)?))
    }

    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(subscription::Subscription::new(&self.config, topic, group)?))
    }

    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error> {
        let name = self.config.topic(topic);
        let floor = self.floors.of(topic, partition);
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let result = self.ends.fetch_watermarks(&name, partition as i32, LEADER_WITHIN);
            quieten(&self.ends);
            match result {
                Ok((_, high)) if high.unsigned_abs() >= floor => return Ok(high.unsigned_abs()),
                // A client that reads nothing asks the leader it once heard of, for ever, also when that is dead or leads no
                // more. Of another one it hears when it asks.
                _ if Instant::now() < deadline => {
                    if let Err(error) = self.ends.fetch_metadata(Some(&name), LEADER_WITHIN) {
                        tracing::debug!(%error, topic = name, "nobody says who leads it");
                    }
                    std::thread::sleep(LEADER_AGAIN);
                }
                Ok((_, high)) => {
                    return Err(Error::Unavailable(format!(
                        "the end of {name} partition {partition} is not known: a broker that leads it no more says {high}, and it is {floor} or more"
                    )));
                }
                Err(error) => return Err(unavailable(&format!("the end of {name} partition {partition} is not known"), &error)),
            }
        }
    }

    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error> {
        let client = self.group(group)?;
        let result = progress::next_command(&self.config, &client, partition);
        quieten(&client);
        result
    }
}

/// A client that is only asked questions still collects log lines and errors; takes some of them out.
fn quieten(client: &Client) {
    for _ in 0..16 {
        let _ = client.poll(Duration::ZERO);
    }
}
