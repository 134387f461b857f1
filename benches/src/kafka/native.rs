//! Committing a transaction as fast as librdkafka can: rdkafka's own call looks only every 100 ms
//! whether the records have arrived.
#![allow(unsafe_code, reason = "the call has no safe wrapper without that wait")]

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings::{rd_kafka_commit_transaction, rd_kafka_error_destroy, rd_kafka_error_string};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

use crate::harness::Outcome;

/// Commits the open transaction.
pub(super) fn commit(producer: &ThreadedProducer<DefaultProducerContext>, limit: Duration) -> Outcome<()> {
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the producer lives during the call and librdkafka is thread-safe; the error returned is ours,
    // read while it lives and destroyed once.
    unsafe {
        let error = rd_kafka_commit_transaction(producer.client().native_ptr(), limit_ms);
        if error.is_null() {
            return Ok(());
        }
        let text = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into_owned();
        rd_kafka_error_destroy(error);
        Err(format!("the bare loop cannot commit: {text}").into())
    }
}
