//! The calls that rdkafka's safe interface lacks: committing without its 100 ms slices, and reading a
//! consumer's generation. The only unsafe code of this crate.
#![allow(unsafe_code, reason = "two calls of librdkafka have no safe wrapper that can be used here")]

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_commit_transaction, rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id, rd_kafka_error_code,
    rd_kafka_error_destroy, rd_kafka_error_is_fatal, rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_txn_requires_abort,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};

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
