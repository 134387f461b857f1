//! One member's share of a topic that a group works off; offsets are committed when the caller says so.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::claims::discard;
use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Watch, unavailable, watched, whole_ms};
use super::leaving::Leaving;
use super::outside::{Outside, bounds, is_outside};
use super::record::record;
use crate::{Error, Partition, Record};

#[derive(Default)]
struct Share {
    partitions: BTreeSet<Partition>,
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
    /// Runs within a poll, on its thread.
    fn rebalance(&self, client: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let cooperative = matches!(client.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let numbers: Vec<Partition> = partitions.elements().iter().map(|element| element.partition().unsigned_abs()).collect();
        let mut share = self.share();
        let result = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            share.partitions.extend(numbers);
            begin(client, partitions)
                .and_then(|()| if cooperative { client.incremental_assign(partitions) } else { client.assign(partitions) })
                // A new partition knows nothing of the pause; one that was here before still has the one it left with.
                .and_then(|()| if share.paused { client.pause(partitions) } else { client.resume(partitions) })
        } else {
            share.partitions.retain(|partition| !numbers.contains(partition));
            if cooperative { client.incremental_unassign(partitions) } else { client.unassign() }
        };
        if let Err(error) = result {
            tracing::warn!(%error, paused = share.paused, "the consumer group's change could not be followed");
        }
    }
}

/// Sets what the group has never committed to the beginning. Librdkafka would do it by `auto.offset.reset`, and by that also go
/// back to the beginning, without a word, from a position that a broker calls outside of the log.
fn begin<C: ConsumerContext>(client: &BaseConsumer<C>, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
    // Without an answer the client asks once more by itself, and what is not committed is an error then.
    let Ok(committed) = client.committed_offsets(partitions.clone(), ANSWER_WITHIN) else { return Ok(()) };
    for element in committed.elements() {
        element.error()?;
        if element.offset() == Offset::Invalid {
            partitions.set_partition_offset(element.topic(), element.partition(), Offset::Beginning)?;
        }
    }
    Ok(())
}

/// A member.
pub(super) struct Subscription {
    config: ClientSettings,
    client: Leaving<BaseConsumer<Context>>,
    outside: Outside,
    /// Why a new client has to be made, where that failed.
    ended: Option<String>,
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
        client.set("queued.min.messages", "1000").set("queued.max.messages.kbytes", "16384");
        let config = ClientSettings { client, topic, name: config.topic(topic), apart_limit: config.apart_limit() };
        let client = config.join()?;
        Ok(Self { config, client, outside: Outside::default(), ended: None, failure: None })
    }

    /// Starts over with a new client, because the old one can do nothing more.
    fn join_again(&mut self, reason: &str) -> Error {
        match self.config.join() {
            Ok(client) => {
                client.context().share().paused = self.client.context().share().paused;
                discard(std::mem::replace(&mut self.client, client));
                Error::Unavailable(format!("{}: the group is joined again: {reason}", self.config.name))
            }
            Err(error) => {
                self.ended = Some(reason.to_owned());
                error
            }
        }
    }

    /// A broker calls a position outside of the log, or the group has none.
    fn said_outside(&mut self) -> Error {
        let name = self.config.name.clone();
        let mut confirmed = false;
        let partitions = self.client.context().share().partitions.clone();
        for partition in partitions {
            let (Some(next), Some((low, high))) = (self.committed(partition), bounds(&self.client, &name, partition)) else { continue };
            if next < low {
                // What lay between is gone, and a person has seen to that: brokers keep all of it.
                tracing::warn!(topic = name, partition, next, low, "the group goes on where the topic begins now");
                if let Err(error) = self.commit_offset(partition, low) {
                    return error;
                }
            }
            confirmed |= next > high;
        }
        let error = self.join_again("a broker says that a position does not exist; it is asked who leads");
        if self.outside.believed(confirmed, Instant::now()) {
            return Error::Mismatch(format!("the group stands behind the end of {name}: the topic was cut or made anew; restore it"));
        }
        error
    }

    /// Where the group goes on.
    fn committed(&self, partition: Partition) -> Option<u64> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.config.name, partition as i32);
        let committed = self.client.committed_offsets(asked, ANSWER_WITHIN).ok()?;
        match committed.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset.unsigned_abs()),
            _ => None,
        }
    }

    fn commit_offset(&self, partition: Partition, next: u64) -> Result<(), Error> {
        let name = &self.config.name;
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(name, partition as i32, Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX)))
            .and_then(|()| self.client.commit(&offsets, CommitMode::Sync))
            .map_err(|error| unavailable(&format!("the offset of {name} partition {partition} is not committed"), &error))
    }

    fn failure_of(&mut self, error: &KafkaError) -> Option<Error> {
        if let Some((_, reason)) = self.client.client().fatal_error() {
            return Some(self.join_again(&reason));
        }
        if is_outside(error) {
            return Some(self.said_outside());
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
        if let Some(reason) = self.ended.take() {
            return Err(self.join_again(&reason));
        }
        if let Some(standing) = self.client.context().watch.apart_for(self.config.apart_limit) {
            let reason = format!("no way into it was found for {} s ({standing})", self.config.apart_limit.as_secs_f32());
            tracing::warn!(topic = self.config.name, "{reason}; a new client is made");
            return Err(self.join_again(&reason));
        }
        let mut records = Vec::new();
        let mut wait = timeout;
        while records.len() < max {
            let error = match self.client.poll(whole_ms(wait)) {
                Some(Ok(message)) => {
                    records.push(record(self.config.topic, &message));
                    self.outside.forget();
                    None
                }
                Some(Err(error)) => Some(error),
                None => break,
            };
            if let Some(failure) = error.and_then(|error| self.failure_of(&error)) {
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
        // The coordinator checks the member, not the partition: the new owner's offset would be overwritten.
        if !self.client.context().share().partitions.contains(&partition) {
            let name = &self.config.name;
            let moved = "the partition has moved to another worker";
            return Err(Error::Unavailable(format!("the offset of {name} partition {partition} is not committed: {moved}")));
        }
        self.commit_offset(partition, next)
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
