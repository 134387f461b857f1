//! Makes the topics of a new log and checks those of an old one.
//!
//! The genesis record is the first record of a topic of its own. It says how many partitions the log
//! has and how orders are spread over them: both are fixed for the log's life, because an order whose
//! partition moved would have two histories. Whoever starts reads it and refuses to go on if it does
//! not say the same. Creators that race all read the same first record, so they agree.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use atelier_schemas::{Topic, murmur2};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::append::Deliver;
use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Plain, unavailable, wait};
use crate::Error;

/// Version of the record below and of how the topics are used.
const FORMAT: u32 = 1;
const PARTITIONER: &str = "murmur2";
/// Its hash tells two implementations of the partitioner apart.
const HASHED: &str = "atelier.genesis";
/// Three replicas bear the loss of a broker while writes need two.
const REPLICAS: usize = 3;
/// Each step after the brokers have answered once. Making topics takes brokers that are busy a while.
const STEP_WITHIN: Duration = Duration::from_secs(30);
/// A fresh topic takes a moment until every broker knows it.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a log is, for its whole life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Genesis {
    pub(super) partitions: u32,
    pub(super) partitioner: String,
    pub(super) hash: String,
    pub(super) log_id: Uuid,
    pub(super) format: u32,
}

impl Genesis {
    fn new(partitions: u32) -> Self {
        Self { partitions, partitioner: PARTITIONER.into(), hash: hash(), log_id: Uuid::new_v4(), format: FORMAT }
    }
}

fn hash() -> String {
    format!("{:08x}", murmur2(HASHED.as_bytes()))
}

/// Finds the log, makes what is missing, and returns what it is.
pub(super) fn open(config: &Config) -> Result<Genesis, Error> {
    let client: BaseConsumer<Plain> = create(&config.consumer("genesis"), Plain::default())?;
    let cluster = look(config, &client)?;
    let topic = config.genesis_topic();
    make(config, &cluster, &[(topic.clone(), 1)])?;
    // Before anything else is asked about it: a client remembers for long that a topic was not there yet.
    check_partitions(&client, &topic, 1)?;
    let genesis = match first_record(&client, &topic)? {
        Some(genesis) => genesis,
        None => {
            let wanted = if config.partitions == 0 { Config::PARTITIONS } else { config.partitions };
            write(config, &topic, &Genesis::new(wanted))?;
            first_record(&client, &topic)?.ok_or_else(|| {
                Error::Unavailable(format!("{topic} is empty although its first record was written; is it being deleted?"))
            })?
        }
    };
    check(config, &genesis)?;
    let topics: Vec<(String, u32)> = Topic::ALL.iter().map(|topic| (config.topic(*topic), genesis.partitions)).collect();
    make(config, &cluster, &topics)?;
    for (topic, partitions) in &topics {
        check_partitions(&client, topic, *partitions)?;
    }
    Ok(genesis)
}

/// What there is before we begin.
struct Cluster {
    brokers: usize,
    topics: HashSet<String>,
}

fn look(config: &Config, client: &BaseConsumer<Plain>) -> Result<Cluster, Error> {
    match client.fetch_metadata(None, ANSWER_WITHIN) {
        Ok(metadata) => Ok(Cluster {
            brokers: metadata.brokers().len().max(1),
            topics: metadata.topics().iter().map(|topic| topic.name().to_owned()).collect(),
        }),
        Err(error) => {
            // Errors are handed out by poll.
            while client.poll(Duration::ZERO).is_some() {}
            let reason = client.context().watch.last().unwrap_or_else(|| error.to_string());
            Err(Error::Unavailable(format!(
                "no Kafka broker answered at {} within {} s ({reason}); check that it runs, that the address is right and that it is reachable from here",
                config.brokers,
                ANSWER_WITHIN.as_secs()
            )))
        }
    }
}

/// Creates the topics that do not exist. Asks for nothing when all do: a process that only works on a log
/// needs no right to create topics.
fn make(config: &Config, cluster: &Cluster, topics: &[(String, u32)]) -> Result<(), Error> {
    let missing: Vec<&(String, u32)> = topics.iter().filter(|(name, _)| !cluster.topics.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let replicas = match config.replication {
        Some(replicas) => replicas,
        None => i32::try_from(cluster.brokers.min(REPLICAS)).expect("at most three"),
    };
    let admin: AdminClient<Plain> = create(&config.common(), Plain::default())?;
    let in_sync = if replicas >= 3 { "2" } else { "1" };
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|(name, partitions)| {
            let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
            NewTopic::new(name, partitions, TopicReplication::Fixed(replicas))
                .set("cleanup.policy", "delete")
                .set("retention.ms", "-1")
                .set("retention.bytes", "-1")
                .set("min.insync.replicas", in_sync)
                .set("unclean.leader.election.enable", "false")
                // The brokers' clock: a client's wrong one must not age records.
                .set("message.timestamp.type", "LogAppendTime")
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(STEP_WITHIN)).operation_timeout(Some(STEP_WITHIN));
    let results = wait(admin.create_topics(&new, &options)).map_err(|error| unavailable("the topics could not be created", &error))?;
    for result in results {
        match result {
            // One that takes longer is made all the same; it is waited for when it is checked.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::RequestTimedOut)) => {}
            Err((topic, RDKafkaErrorCode::InvalidReplicationFactor)) => {
                return Err(Error::Mismatch(format!(
                    "the topic {topic} cannot have {replicas} replicas: there are too few brokers; ask for fewer"
                )));
            }
            Err((topic, code)) => return Err(unavailable(&format!("the topic {topic} could not be created"), &KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// The first record of the genesis topic; `None` while it is empty.
fn first_record(client: &BaseConsumer<Plain>, topic: &str) -> Result<Option<Genesis>, Error> {
    let deadline = Instant::now() + STEP_WITHIN;
    let (_, high) =
        client.fetch_watermarks(topic, 0, STEP_WITHIN).map_err(|error| unavailable(&format!("{topic} cannot be read"), &error))?;
    if high == 0 {
        return Ok(None);
    }
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)
        .and_then(|()| client.assign(&from))
        .map_err(|error| unavailable(topic, &error))?;
    let mut found = None;
    while found.is_none() && Instant::now() < deadline {
        if let Some(Ok(message)) = client.poll(ASK_AGAIN) {
            found = Some(message.payload().unwrap_or_default().to_vec());
        }
    }
    client.unassign().map_err(|error| unavailable(topic, &error))?;
    let payload = found.ok_or_else(|| Error::Unavailable(format!("{topic} could not be read within {} s", STEP_WITHIN.as_secs())))?;
    serde_json::from_slice(&payload).map(Some).map_err(|error| {
        Error::Mismatch(format!(
            "the first record of {topic} is not a genesis record ({error}); this is not a log of ours: choose another --topic-prefix"
        ))
    })
}

fn write(config: &Config, topic: &str, genesis: &Genesis) -> Result<(), Error> {
    let (deliver, delivered) = Deliver::new();
    let producer: ThreadedProducer<super::append::Context> =
        create(config.producer().set("message.timeout.ms", "30000"), super::append::Context::default())?;
    let payload = serde_json::to_vec(genesis).expect("a record without maps is JSON");
    let record = BaseRecord::with_opaque_to(topic, Box::new(deliver)).partition(0).key("genesis").payload(&payload);
    producer.send(record).map_err(|(error, _)| unavailable(&format!("{topic} cannot be written"), &error))?;
    producer.flush(STEP_WITHIN).map_err(|error| unavailable(&format!("{topic} cannot be written"), &error))?;
    wait(delivered).map_or_else(|_| Err(Error::Unavailable(format!("{topic} cannot be written"))), |offset| offset.map(|_| ()))
}

fn check(config: &Config, found: &Genesis) -> Result<(), Error> {
    let prefix = &config.prefix;
    if found.format != FORMAT {
        return Err(Error::Mismatch(format!(
            "the log with prefix '{prefix}' has format {}, this program knows format {FORMAT}; use the version that made it",
            found.format
        )));
    }
    if found.partitioner != PARTITIONER || found.hash != hash() {
        return Err(Error::Mismatch(format!(
            "the log with prefix '{prefix}' spreads orders by {} ({}), this program by {PARTITIONER} ({}); use the version that made it",
            found.partitioner,
            found.hash,
            hash()
        )));
    }
    if config.partitions != 0 && config.partitions != found.partitions {
        return Err(Error::Mismatch(format!(
            "the log with prefix '{prefix}' was made with {} partitions and {} are configured; the count is fixed for its life: configure {0}, or another prefix for a new log",
            found.partitions, config.partitions
        )));
    }
    Ok(())
}

fn check_partitions(client: &BaseConsumer<Plain>, topic: &str, expected: u32) -> Result<(), Error> {
    let deadline = Instant::now() + STEP_WITHIN;
    loop {
        let metadata = client.fetch_metadata(Some(topic), STEP_WITHIN).map_err(|error| unavailable(topic, &error))?;
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        let led = partitions.iter().filter(|partition| partition.leader() >= 0).count();
        if partitions.len() == expected as usize && led == partitions.len() {
            return Ok(());
        }
        if !partitions.is_empty() && partitions.len() != expected as usize {
            return Err(Error::Mismatch(format!(
                "the topic {topic} has {} partitions and the genesis record says {expected}; somebody changed it: orders would have two histories. Restore the topic or use another prefix.",
                partitions.len()
            )));
        }
        if Instant::now() > deadline {
            return Err(Error::Unavailable(format!("{led} of the {expected} partitions of {topic} have a leader; are brokers missing?")));
        }
        std::thread::sleep(ASK_AGAIN);
    }
}
