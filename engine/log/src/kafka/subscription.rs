//! One member's share of a topic that a group works off; offsets are committed when the caller says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::claims::discard;
use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Watch, unavailable, watched, whole_ms};
use super::leaving::Leaving;
use super::outside::Outside;
use super::record::record;
use crate::{Error, Partition, Record};

#[derive(Default)]
struct Share {
    partitions: BTreeSet<Partition>,
    /// Behind the last record of each that was handed out.
    next: BTreeMap<Partition, u64>,
    paused: bool,
}

#[derive(Default)]
struct Context {
    watch: Watch,
    share: Mutex<Share>,
}
watched!(Context);

impl Context {
    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |partitions: &TopicPartitionList| {
            partitions.elements().iter().map(|element| element.partition().unsigned_abs()).collect::<Vec<_>>()
        };
        let mut share = self.share();
        match rebalance {
            Rebalance::Assign(partitions) => {
                let given = numbers(partitions);
                share.next.retain(|partition, _| !given.contains(partition));
                share.partitions.extend(given);
                // A new partition knows nothing of the pause; one that was here before still has the one it left with.
                if let Err(error) = if share.paused { client.pause(partitions) } else { client.resume(partitions) } {
                    tracing::warn!(%error, paused = share.paused, "a partition that was just assigned could not be paused or resumed");
                }
            }
            Rebalance::Revoke(partitions) => {
                let gone = numbers(partitions);
                share.partitions.retain(|partition| !gone.contains(partition));
                share.next.retain(|partition, _| !gone.contains(partition));
            }
            Rebalance::Error(_) => {}
        }
    }
}

/// A member.
pub(super) struct Subscription {
    config: ClientSettings,
    client: Leaving<BaseConsumer<Context>>,
    outside: Outside,
    failure: Option<Error>,
}

/// What it takes to join again.
struct ClientSettings {
    client: rdkafka::ClientConfig,
    topic: Topic,
    name: String,
    apart_limit: Duration,
}

impl ClientSettings {
    fn join(&self) -> Result<Leaving<BaseConsumer<Context>>, Error> {
        let client: BaseConsumer<Context> = create(&self.client, Context::default())?;
        client.subscribe(&[&self.name]).map_err(|error| unavailable(&self.name, &error))?;
        Ok(Leaving::new(client))
    }
}

impl Subscription {
    pub(super) fn new(config: &Config, topic: Topic, group: &str) -> Result<Self, Error> {
        let mut client = config.member(group);
        // A group that never committed works off everything.
        client.set("auto.offset.reset", "earliest").set("queued.min.messages", "1000").set("queued.max.messages.kbytes", "16384");
        let config = ClientSettings { client, topic, name: config.topic(topic), apart_limit: config.apart_limit() };
        let client = config.join()?;
        Ok(Self { config, client, outside: Outside::default(), failure: None })
    }

    /// Starts over with a new client, because the old one can do nothing more.
    fn join_again(&mut self, reason: &str) -> Error {
        match self.config.join() {
            Ok(client) => {
                client.context().share().paused = self.client.context().share().paused;
                discard(std::mem::replace(&mut self.client, client));
                Error::Unavailable(format!("{}: the group is joined again: {reason}", self.config.name))
            }
            Err(error) => error,
        }
    }

    /// Takes a record in, unless it lies before where the group stands. A client whose position a broker calls outside of the
    /// log goes back to its beginning without a word, and all work of before would be done again.
    fn take(&mut self, record: &Record) -> Result<(), Error> {
        let (partition, offset) = (record.partition, record.offset);
        let known = self.client.context().share().next.get(&partition).copied();
        let next = match known {
            Some(next) => next,
            None => self.committed(partition)?,
        };
        if offset < next && !self.outside.believed(Instant::now()) {
            return Err(self.join_again(&format!("a broker says that offset {next} of partition {partition} does not exist")));
        }
        self.client.context().share().next.insert(partition, offset + 1);
        Ok(())
    }

    /// Where the group goes on; 0 where it has not begun.
    fn committed(&mut self, partition: Partition) -> Result<u64, Error> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.config.name, partition as i32);
        match self.client.committed_offsets(asked, ANSWER_WITHIN) {
            Ok(answer) => Ok(match answer.elements().first().map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset.unsigned_abs(),
                _ => 0,
            }),
            // The record that it is asked for has been handed out, and a new client will bring it again.
            Err(error) => Err(self.join_again(&format!("nobody says where it stands: {error}"))),
        }
    }

    fn failure_of(&mut self, error: &KafkaError) -> Option<Error> {
        if let Some((_, reason)) = self.client.client().fatal_error() {
            return Some(self.join_again(&reason));
        }
        let name = &self.config.name;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve | RDKafkaErrorCode::PollExceeded) => None,
            _ => Some(unavailable(&format!("{name} cannot be read"), error)),
        }
    }
}

impl crate::Subscription for Subscription {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(standing) = self.client.context().watch.apart_for(self.config.apart_limit) {
            let reason = format!("no way into it was found for {} s ({standing})", self.config.apart_limit.as_secs_f32());
            tracing::warn!(topic = self.config.name, "{reason}; a new client is made");
            return Err(self.join_again(&reason));
        }
        let mut records = Vec::new();
        let mut wait = timeout;
        while records.len() < max {
            let polled = self.client.poll(whole_ms(wait)).map(|polled| polled.map(|message| record(self.config.topic, &message)));
            let failure = match polled {
                Some(Ok(record)) => match self.take(&record) {
                    Ok(()) => {
                        records.push(record);
                        None
                    }
                    Err(failure) => Some(failure),
                },
                Some(Err(error)) => self.failure_of(&error),
                None => break,
            };
            if let Some(failure) = failure {
                if records.is_empty() {
                    return Err(failure);
                }
                self.failure = Some(failure);
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }

    fn pause(&mut self, paused: bool) -> Result<(), Error> {
        let failed = |error| unavailable(&format!("{} cannot be paused or resumed", self.config.name), &error);
        let mut share = self.client.context().share();
        let mut partitions = TopicPartitionList::new();
        for partition in &share.partitions {
            partitions.add_partition(&self.config.name, *partition as i32);
        }
        if paused { self.client.pause(&partitions) } else { self.client.resume(&partitions) }.map_err(failed)?;
        share.paused = paused;
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: u64) -> Result<(), Error> {
        let name = &self.config.name;
        let what = format!("the offset of {name} partition {partition} is not committed");
        // The coordinator checks the member, not the partition: the new owner's offset would be overwritten.
        if !self.client.context().share().partitions.contains(&partition) {
            return Err(Error::Unavailable(format!("{what}: the partition has moved to another worker")));
        }
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(name, partition as i32, Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX)))
            .and_then(|()| self.client.commit(&offsets, CommitMode::Sync))
            .map_err(|error| unavailable(&what, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::Subscription as _;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn until(what: &str, mut look: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !look() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
        }
    }

    #[test]
    fn a_member_that_finds_no_coordinator_starts_over_and_is_back_when_there_is_one() {
        let cluster = MockCluster::new(1).expect("a cluster");
        // The cluster waits three seconds for more members.
        let config = Config { brokers: cluster.bootstrap_servers(), session_timeout_ms: 4000, ..Config::default() };
        cluster.create_topic(&config.topic(Topic::PricingJobs), 1, 1).expect("a topic");
        let mut member = Subscription::new(&config, Topic::PricingJobs, "pricing").expect("a member");
        let poll = |member: &mut Subscription| member.poll(10, Duration::from_millis(50));
        until("it has its share", || poll(&mut member).is_ok() && !member.client.context().share().partitions.is_empty());
        cluster.broker_down(1).expect("it is away");
        until("a new client is made", || matches!(poll(&mut member), Err(error) if error.to_string().contains("joined again")));
        assert!(member.client.context().share().partitions.is_empty());
        cluster.broker_up(1).expect("it is back");
        until("it has its share again", || poll(&mut member).is_ok() && !member.client.context().share().partitions.is_empty());
    }
}
