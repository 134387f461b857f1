//! Appending one record outside any transaction.

use std::sync::{Arc, Mutex, PoisonError};

use atelier_schemas::Topic;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, Message};
use tokio::sync::oneshot;

use super::config::{Config, MAX_PAYLOAD_BYTES, create};
use super::context::{Watch, unavailable, watched};
use super::native::may_be_written;
use super::record::headers;
use crate::{Appending, Error, NewRecord, Partition};

/// A record that no broker confirmed for so long is given up.
const DELIVER_WITHIN_MS: u32 = 10_000;
/// Records that wait for the brokers; more are refused as unavailable.
const WAITING_RECORDS: u32 = 100_000;
/// Their bytes, in KiB.
const WAITING_KIB: u32 = 256 * 1024;

type Delivered = Result<u64, Error>;

/// Takes the report on one record.
pub(super) struct Deliver(oneshot::Sender<Delivered>);

impl Deliver {
    pub(super) fn new() -> (Self, oneshot::Receiver<Delivered>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }
}

#[derive(Default)]
pub(super) struct Context {
    watch: Watch,
}
watched!(Context);

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Deliver>;

    fn delivery(&self, result: &DeliveryResult<'_>, deliver: Box<Deliver>) {
        let report = match result {
            Ok(message) => u64::try_from(message.offset()).map_err(|_| Error::Unconfirmed("the broker named no offset".into())),
            Err((error, message)) => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
                    self.watch.error(error, "a record cannot be delivered");
                }
                let refused = refused(error, message.key().unwrap_or_default(), message.payload_len());
                // Sent and not answered: it may lie there all the same.
                Err(match refused {
                    Error::Unavailable(reason) if may_be_written(message) => Error::Unconfirmed(reason),
                    refused => refused,
                })
            }
        };
        // Nobody waits when the caller is gone.
        let _ = deliver.0.send(report);
    }
}

type Client = ThreadedProducer<Context>;

/// The idempotent producer of this process.
pub(super) struct Appender {
    config: ClientConfig,
    client: Mutex<Arc<Client>>,
}

impl Appender {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let mut config = config.producer();
        config
            .set("message.timeout.ms", DELIVER_WITHIN_MS.to_string())
            .set("queue.buffering.max.messages", WAITING_RECORDS.to_string())
            .set("queue.buffering.max.kbytes", WAITING_KIB.to_string());
        let client = Mutex::new(Arc::new(create(&config, Context::default())?));
        Ok(Self { config, client })
    }

    pub(super) fn append(&self, config: &Config, topic: Topic, partition: Partition, record: &NewRecord) -> Appending {
        if record.payload.len() > MAX_PAYLOAD_BYTES {
            return refuse(Error::TooLarge { key: record.key.clone(), bytes: record.payload.len(), limit: MAX_PAYLOAD_BYTES });
        }
        let (deliver, delivered) = Deliver::new();
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return refuse(error),
        };
        let name = config.topic(topic);
        let message = BaseRecord::with_opaque_to(&name, Box::new(deliver))
            .partition(partition as i32)
            .key(&record.key)
            .payload(&record.payload)
            .headers(headers(record));
        if let Err((error, message)) = client.send(message) {
            drop(message);
            return refuse(refused(&error, record.key.as_bytes(), record.payload.len()));
        }
        Box::pin(async move {
            // The client lives until its records are reported on.
            let _client = client;
            delivered.await.unwrap_or_else(|_| Err(Error::Unconfirmed("the connection to Kafka was closed".into())))
        })
    }

    /// The producer; a new one when the old one cannot go on (an idempotent producer gives up when a broker
    /// has forgotten its sequence).
    fn client(&self) -> Result<Arc<Client>, Error> {
        use rdkafka::producer::Producer;
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.context().watch.is_fatal() {
            tracing::warn!("the Kafka producer of this process cannot go on and is replaced");
            *client = Arc::new(create(&self.config, Context::default())?);
        }
        Ok(client.clone())
    }
}

fn refuse(error: Error) -> Appending {
    Box::pin(std::future::ready(Err(error)))
}

fn refused(error: &KafkaError, key: &[u8], bytes: usize) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            Error::TooLarge { key: String::from_utf8_lossy(key).into_owned(), bytes, limit: MAX_PAYLOAD_BYTES }
        }
        Some(RDKafkaErrorCode::QueueFull) => {
            Error::Unavailable("too many records already wait for the brokers; try again in a moment".into())
        }
        Some(RDKafkaErrorCode::MessageTimedOut) => {
            Error::Unavailable(format!("no broker confirmed the record within {} s", DELIVER_WITHIN_MS / 1000))
        }
        _ => unavailable("the record was not taken", error),
    }
}
