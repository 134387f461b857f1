//! Records to and from Kafka's messages.

use atelier_schemas::Topic;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};

use crate::{CommandRecord, NewRecord, Record};

const TYPE: &str = "type";
const TRACEPARENT: &str = "traceparent";

/// The headers of a record.
pub(super) fn headers(record: &NewRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(2).insert(Header { key: TYPE, value: Some(record.kind) });
    match &record.traceparent {
        Some(traceparent) => headers.insert(Header { key: TRACEPARENT, value: Some(traceparent) }),
        None => headers,
    }
}

/// A message as a command.
pub(super) fn command(message: &BorrowedMessage<'_>) -> CommandRecord {
    CommandRecord {
        partition: message.partition().unsigned_abs(),
        offset: message.offset().unsigned_abs(),
        key: key(message),
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}

fn key(message: &BorrowedMessage<'_>) -> String {
    String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned()
}

/// A message as a record. What a foreign writer left out is empty: the reader of the payload decides
/// what to do with it.
pub(super) fn record(topic: Topic, message: &BorrowedMessage<'_>) -> Record {
    let mut kind = String::new();
    let mut traceparent = None;
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        let value = || String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
        match header.key {
            TYPE => kind = value(),
            TRACEPARENT => traceparent = Some(value()),
            _ => {}
        }
    }
    Record {
        topic,
        partition: message.partition().unsigned_abs(),
        offset: message.offset().unsigned_abs(),
        time: message.timestamp().to_millis().unwrap_or_default(),
        key: key(message),
        kind,
        traceparent,
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}
