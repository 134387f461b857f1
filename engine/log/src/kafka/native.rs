//! The calls that rdkafka's safe interface lacks: committing without its 100 ms slices, reading a consumer's
//! generation, asking who is in a group, connecting anew, and what became of a record. The only unsafe code of this crate.
#![allow(unsafe_code, reason = "five calls of librdkafka have no safe wrapper that can be used here")]

use std::ffi::{CStr, CString, c_char};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
    rd_kafka_ConsumerGroupDescription_error, rd_kafka_ConsumerGroupDescription_member, rd_kafka_ConsumerGroupDescription_member_count,
    rd_kafka_ConsumerGroupDescription_state, rd_kafka_DescribeConsumerGroups, rd_kafka_DescribeConsumerGroups_result_groups,
    rd_kafka_MemberDescription_consumer_id, rd_kafka_MemberDescription_group_instance_id, rd_kafka_brokers_add,
    rd_kafka_commit_transaction, rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id, rd_kafka_consumer_group_state_t as State,
    rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_fatal, rd_kafka_error_is_retriable, rd_kafka_error_string,
    rd_kafka_error_txn_requires_abort, rd_kafka_event_DescribeConsumerGroups_result, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_error_string, rd_kafka_event_t, rd_kafka_message_status, rd_kafka_msg_status_t, rd_kafka_queue_destroy,
    rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::{RDKafkaAdminOp, RDKafkaRespErr};

/// An error of a transactional call with the flags that say what to do.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
    /// The producer can do nothing more.
    pub(super) fatal: bool,
    /// The same call may be made again.
    pub(super) retriable: bool,
    /// The transaction must be aborted, the producer stays usable.
    pub(super) abort: bool,
}

impl From<&RDKafkaError> for Failure {
    fn from(error: &RDKafkaError) -> Self {
        Self {
            code: error.code(),
            text: error.string(),
            fatal: error.is_fatal(),
            retriable: error.is_retriable(),
            abort: error.txn_requires_abort(),
        }
    }
}

impl From<&KafkaError> for Failure {
    fn from(error: &KafkaError) -> Self {
        match error {
            KafkaError::Transaction(error) => error.into(),
            // Without flags nothing is known but that it failed.
            other => Self {
                code: other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
                text: other.to_string(),
                fatal: false,
                retriable: false,
                abort: false,
            },
        }
    }
}

/// Commits the open transaction; waits for its records first.
///
/// rdkafka's own `commit_transaction` looks every 100 ms whether the records have arrived; librdkafka
/// wakes up when they have. That needs someone else to take the delivery reports, which is why only a
/// `ThreadedProducer` is taken here.
pub(super) fn commit<C: ProducerContext>(producer: &ThreadedProducer<C>, limit: Duration) -> Result<(), Failure> {
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is of a live producer, which `producer` keeps alive during the call. librdkafka
    // is thread-safe. The error returned is ours: read while it lives, destroyed once, not used after.
    unsafe {
        let error = rd_kafka_commit_transaction(producer.client().native_ptr(), limit_ms);
        if error.is_null() {
            return Ok(());
        }
        let failure = Failure {
            code: rd_kafka_error_code(error).into(),
            text: CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into_owned(),
            fatal: rd_kafka_error_is_fatal(error) != 0,
            retriable: rd_kafka_error_is_retriable(error) != 0,
            abort: rd_kafka_error_txn_requires_abort(error) != 0,
        };
        rd_kafka_error_destroy(error);
        Err(failure)
    }
}

/// Whether a record that was not delivered may lie in the log all the same: it was sent, and no answer came.
pub(super) fn may_be_written(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message is alive during the call, which only reads it.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status != rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

/// A producer, for calls from the callbacks that its own thread makes.
pub(super) struct Handle(AtomicPtr<rd_kafka_t>);

impl Handle {
    /// Of no producer yet.
    pub(super) const fn none() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// `producer` must be the one in whose context this is kept.
    pub(super) fn set<C: ProducerContext>(&self, producer: &ThreadedProducer<C>) {
        self.0.store(producer.client().native_ptr(), Ordering::Release);
    }

    /// Connects once more to `brokers`, as to those it began with. A connection that comes up makes librdkafka look
    /// again at everything that waits for a coordinator.
    pub(super) fn add_brokers(&self, brokers: &str) {
        let (handle, Ok(brokers)) = (self.0.load(Ordering::Acquire), CString::new(brokers)) else { return };
        if !handle.is_null() {
            // SAFETY: the pointer is of the producer whose context holds it. Its callbacks, the only place this is
            // called from, end before the producer does. The list is copied.
            unsafe { rd_kafka_brokers_add(handle, brokers.as_ptr()) };
        }
    }
}

/// The generation and member id under which a consumer is in its group at this moment; `None` when it is
/// not in it. A broker takes offsets that name no member from anybody, so such a commit would not be fenced.
pub(super) fn membership<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<(i32, String)> {
    // SAFETY: the pointer is of a live consumer, which `consumer` keeps alive during the calls. The
    // metadata is a copy made for us: read while it lives, destroyed once, not used after.
    unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member = rd_kafka_consumer_group_metadata_member_id(metadata);
        let member = if member.is_null() { String::new() } else { CStr::from_ptr(member).to_string_lossy().into_owned() };
        rd_kafka_consumer_group_metadata_destroy(metadata);
        (generation >= 0 && !member.is_empty()).then_some((generation, member))
    }
}

/// Who is in a group, as its coordinator tells.
pub(super) struct Members {
    /// It does not rebalance at the moment.
    pub(super) settled: bool,
    /// Of the members with an instance id: that, and the id the coordinator gave the member.
    pub(super) by_instance: Vec<(String, String)>,
}

/// Asks a group's coordinator for its members. A group that does not exist has none.
///
/// # Errors
/// No answer within `limit`, or a refusal, in librdkafka's words.
pub(super) fn describe<C: ConsumerContext>(client: &BaseConsumer<C>, group: &str, limit: Duration) -> Result<Members, String> {
    let group = CString::new(group).map_err(|error| error.to_string())?;
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is of a live client, which `client` keeps alive during the calls. Options, queue and event
    // are ours: used while they live, destroyed once, not used after. Group and names are copied by the call that takes
    // them. An answer that comes after the queue is gone is dropped by librdkafka. Destroying a null event is allowed.
    unsafe {
        let handle = client.client().native_ptr();
        let options = rd_kafka_AdminOptions_new(handle, RDKafkaAdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
        let mut reason = [0 as c_char; 256];
        rd_kafka_AdminOptions_set_request_timeout(options, limit_ms, reason.as_mut_ptr(), reason.len());
        let queue = rd_kafka_queue_new(handle);
        let mut groups = [group.as_ptr()];
        rd_kafka_DescribeConsumerGroups(handle, groups.as_mut_ptr(), groups.len(), options, queue);
        let event = rd_kafka_queue_poll(queue, limit_ms);
        let members = if event.is_null() { Err("no answer in time".into()) } else { members(event) };
        rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        members
    }
}

/// What the answer to a question for one group says.
///
/// # Safety
/// `event` is that answer and alive.
unsafe fn members(event: *mut rd_kafka_event_t) -> Result<Members, String> {
    // SAFETY: everything read here belongs to the event and lives as long; text is copied. Of groups and members
    // no more are read than there are.
    unsafe {
        let text = |text: *const c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
        if rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(rd_kafka_event_error_string(event)).unwrap_or_default());
        }
        let result = rd_kafka_event_DescribeConsumerGroups_result(event);
        let mut count = 0;
        let groups =
            if result.is_null() { std::ptr::null_mut() } else { rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count) };
        if groups.is_null() || count == 0 {
            return Err("the answer names no group".into());
        }
        let group = *groups;
        let error = rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() && rd_kafka_error_code(error) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(text(rd_kafka_error_string(error)).unwrap_or_default());
        }
        let by_instance = (0..rd_kafka_ConsumerGroupDescription_member_count(group)).filter_map(|number| {
            let member = rd_kafka_ConsumerGroupDescription_member(group, number);
            let instance = text(rd_kafka_MemberDescription_group_instance_id(member)).filter(|instance| !instance.is_empty())?;
            Some((instance, text(rd_kafka_MemberDescription_consumer_id(member)).unwrap_or_default()))
        });
        let settled = rd_kafka_ConsumerGroupDescription_state(group) == State::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
        Ok(Members { settled, by_instance: by_instance.collect() })
    }
}
