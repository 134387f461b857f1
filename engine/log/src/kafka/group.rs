//! The consumer group that shares out the command partitions, as one of its members sees it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_schemas::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::config::{Config, create};
use super::context::{Watch, unavailable, watched, whole_ms};
use super::leaving::Leaving;
use super::name::instance_id;
use super::native;
use super::outside::{bounds, is_outside};
use super::progress::next_command;
use crate::{Error, Membership, Partition};

/// How long a consumer that was just given a partition may need until it can be set to an offset.
const SEEK_WITHIN: Duration = Duration::from_secs(5);
const SEEK_AGAIN: Duration = Duration::from_millis(2);

/// What the group changed, in the order of the changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Given(Vec<Partition>),
    Taken(Vec<Partition>),
}

/// What an error met while polling means.
#[derive(Debug)]
pub(super) enum Failure {
    /// To be told; the member goes on.
    Error(Error),
    /// A broker says that the next command is none of the log. See [`super::outside`].
    Outside,
    /// This member can do nothing more, for this reason.
    Ended(String),
    /// Nor can it here: another member has joined under its name. See [`super::name`].
    NameGone,
}

#[derive(Default)]
struct Context {
    watch: Watch,
    changes: Mutex<Vec<Change>>,
}
watched!(Context);

impl ConsumerContext for Context {
    /// Runs within a poll, on its thread, hence never during a transaction. Only takes note: librdkafka
    /// waits for the assignment, and what it takes to own a partition may need several tries.
    fn rebalance(&self, client: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let cooperative = matches!(client.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let numbers = partitions.elements().iter().map(|element| element.partition().unsigned_abs()).collect();
        let given = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let (change, result) = if given {
            // Where to go on is known only once the owner before is fenced, and until then at the beginning, for all that
            // is fetched in vain: librdkafka has to ask a broker where that is, and an answer that finds the partition
            // set to an offset meanwhile makes it ask once more, half a second later, and go there. From the
            // beginning the owner sees what it has seen already, and goes back. The end would pass over commands.
            let result = partitions.set_all_offsets(Offset::Beginning);
            (
                Change::Given(numbers),
                result.and_then(|()| if cooperative { client.incremental_assign(partitions) } else { client.assign(partitions) }),
            )
        } else {
            (Change::Taken(numbers), if cooperative { client.incremental_unassign(partitions) } else { client.unassign() })
        };
        if let Err(error) = result {
            tracing::warn!(%error, ?change, "the consumer group's change could not be followed");
        }
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// A member of the group.
pub(super) struct Group {
    client: Leaving<BaseConsumer<Context>>,
    commands: String,
    /// Name of a topic for which an offset says nothing; see [`Group::confirms`].
    genesis: String,
    name: String,
    apart_limit: Duration,
}

impl Group {
    /// Joins. The partitions come through [`Group::changes`] while polling.
    pub(super) fn join(config: &Config, membership: &Membership) -> Result<Self, Error> {
        let mut client = config.member(&membership.group);
        client.set("queued.min.messages", "20000").set("queued.max.messages.kbytes", "16384");
        let mut name = format!("worker {}", membership.worker);
        if let (Some(id), Some(instance)) = (instance_id(membership), &membership.instance) {
            client.set("group.instance.id", id);
            name = format!("{name} of {instance}");
        }
        let commands = config.topic(Topic::Commands);
        let client: BaseConsumer<Context> = create(&client, Context::default())?;
        client
            .subscribe(&[&commands])
            .map_err(|error| unavailable(&format!("{name} cannot join the group {}", membership.group), &error))?;
        Ok(Self { client: Leaving::new(client), commands, genesis: config.genesis_topic(), name, apart_limit: config.apart_limit() })
    }

    /// What the polls since the last call have brought.
    pub(super) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.client.context().changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next command of any partition.
    pub(super) fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        self.client.poll(whole_ms(timeout))
    }

    /// Under which membership to commit; `None` when this worker is not in the group at the moment.
    pub(super) fn member(&self) -> Option<ConsumerGroupMetadata> {
        let before = native::membership(&self.client)?;
        let metadata = self.client.group_metadata()?;
        // The metadata itself cannot be looked into. The same before and after is the same in between.
        (native::membership(&self.client)? == before).then_some(metadata)
    }

    /// Whether the group's coordinator still counts this worker in, under its present generation.
    ///
    /// A process that was stopped for long does not know that it lost its partitions. If it opened a
    /// producer on this belief it would fence the rightful owner. So it commits an offset that means
    /// nothing: the coordinator refuses that from anyone who is not a member.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: no answer.
    pub(super) fn confirms(&self) -> Result<bool, Error> {
        if native::membership(&self.client).is_none() {
            return Ok(false);
        }
        let mut offsets = TopicPartitionList::new();
        let what = format!("{} cannot be confirmed in its group", self.name);
        offsets.add_partition_offset(&self.genesis, 0, Offset::Offset(1)).map_err(|error| unavailable(&what, &error))?;
        match self.client.commit(&offsets, CommitMode::Sync) {
            Ok(()) => Ok(true),
            Err(error) => match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::RebalanceInProgress
                    | RDKafkaErrorCode::FencedInstanceId
                    | RDKafkaErrorCode::AssignmentLost
                    // The client has given up; why, the next poll tells.
                    | RDKafkaErrorCode::Fatal,
                ) => Ok(false),
                _ => Err(unavailable(&what, &error)),
            },
        }
    }

    /// The first command of the partition that the group has not consumed.
    pub(super) fn next_command(&self, config: &Config, partition: Partition) -> Result<u64, Error> {
        next_command(config, &self.client, partition)
    }

    /// Behind everything of the partition that was handed out since it was given or set to an offset, and behind the ends
    /// of transactions that followed. Nothing yet: `None`.
    pub(super) fn position(&self, partition: Partition) -> Option<u64> {
        match self.client.position().ok()?.find_partition(&self.commands, partition as i32)?.offset() {
            Offset::Offset(offset) => Some(offset.unsigned_abs()),
            _ => None,
        }
    }

    /// The consumed offset as part of a transaction.
    pub(super) fn consumed(&self, partition: Partition, next: u64) -> Result<TopicPartitionList, KafkaError> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.commands, partition as i32, Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX)))?;
        Ok(offsets)
    }

    /// Makes the command at `next` the partition's next one. What was fetched before is forgotten.
    pub(super) fn go_to(&self, partition: Partition, next: u64) -> Result<(), Error> {
        let deadline = Instant::now() + SEEK_WITHIN;
        let what = || format!("{} partition {partition} cannot be set to offset {next}", self.commands);
        loop {
            let target = self.consumed(partition, next).map_err(|error| unavailable(&what(), &error))?;
            let result = self
                .client
                .seek_partitions(target, SEEK_WITHIN)
                .and_then(|done| done.elements().iter().try_for_each(|element| element.error()));
            match result {
                Ok(()) => return Ok(()),
                // It has not begun to fetch the partition it was just given.
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State) && Instant::now() < deadline => {
                    std::thread::sleep(SEEK_AGAIN);
                }
                Err(error) => return Err(unavailable(&what(), &error)),
            }
        }
    }

    /// What an error met while polling means; `None` when it mends itself.
    pub(super) fn failure_of(&self, error: &KafkaError) -> Option<Failure> {
        if let Some((code, reason)) = self.client.client().fatal_error() {
            let fenced = code == RDKafkaErrorCode::FencedInstanceId;
            return Some(if fenced { Failure::NameGone } else { Failure::Ended(format!("{} left its group: {reason}", self.name)) });
        }
        if is_outside(error) {
            return Some(Failure::Outside);
        }
        match error.rdkafka_error_code() {
            // The client connects again by itself, and says so when no broker is left. A member that was too
            // slow learns through a change what it lost.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve | RDKafkaErrorCode::PollExceeded) => None,
            _ => Some(Failure::Error(unavailable(&format!("{} cannot be read", self.commands), error))),
        }
    }

    /// Why this member has to start over although nothing has failed: it does not get into its group.
    pub(super) fn apart(&self) -> Option<String> {
        let standing = self.client.context().watch.apart_for(self.apart_limit)?;
        Some(format!("{} has not found the way into its group for {} s ({standing})", self.name, self.apart_limit.as_secs_f32()))
    }

    /// Whether the leader, too, says that a command is none of the log.
    pub(super) fn is_outside(&self, partition: Partition, next: u64) -> bool {
        bounds(&self.client, &self.commands, partition).is_some_and(|(low, high)| !(low..=high).contains(&next))
    }

    /// What follows once that is believed.
    pub(super) fn outside(&self) -> Error {
        let commands = &self.commands;
        Error::Mismatch(format!(
            "the next command of {commands} does not exist: the topic was cut or made anew; restore it, or use another prefix"
        ))
    }

    /// This worker as messages name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
