//! Where the brokers are and how to talk to them; the settings of librdkafka that all our clients share.

use std::fmt;
use std::time::Duration;

use atelier_schemas::Topic;
use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use crate::Error;

/// The longest payload, in bytes. Brokers take batches of 1 MiB by default; key, headers and framing need the rest.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1_000_000;
/// How long `connect` and single questions wait for a broker.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A broker that owes an answer for so long is left, and the others are asked who leads now. One that hangs keeps its
/// connections: nothing else tells its clients that it was replaced, and the default is a minute.
const SILENT_LIMIT_MS: u32 = 10_000;

/// A log on Apache Kafka.
#[derive(Clone)]
pub struct Config {
    /// `host:port`, comma separated; one that answers is enough.
    pub brokers: String,
    /// Put before every topic, group and transactional id, so that several logs share a cluster.
    pub prefix: String,
    /// Partitions of every topic, fixed when the log is made. 0: as the log says, or
    /// [`Config::PARTITIONS`] for a new one.
    pub partitions: u32,
    /// Replicas of every topic of a new log. `None`: three, or as many as there are brokers.
    pub replication: Option<i32>,
    /// A worker that is silent for so long loses its partitions. Brokers allow 6,000 and more by default.
    pub session_timeout_ms: u32,
    /// A transaction that is open for so long is aborted by the broker. See [`Config::default`].
    pub transaction_timeout_ms: u32,
    /// More properties of librdkafka by name, for TLS and SASL: `security.protocol`, `ssl.ca.location`,
    /// `sasl.mechanisms`, `sasl.username`, `sasl.password`. Values are secret: they are never printed.
    /// What the log needs for its promises cannot be changed through them.
    pub extra: Vec<(String, String)>,
}

impl Config {
    /// Of a new log when nothing else is asked for.
    pub const PARTITIONS: u32 = 4;

    pub(super) fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    pub(super) fn genesis_topic(&self) -> String {
        format!("{}atelier.genesis", self.prefix)
    }

    pub(super) fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }

    /// What every client has in common.
    pub(super) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.extra {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "atelier")
            // Small requests wait for nobody.
            .set("socket.nagle.disable", "true")
            // A broker that comes back is found within a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.timeout.ms", SILENT_LIMIT_MS.to_string())
            // A client that has nothing to ask hears of a new leader all the same. Otherwise its first request goes to the one
            // that hangs, and what passes through several clients waits once for each. The default is five minutes.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// A member that has not been on its way into its group for so long starts over with a new client. By then the
    /// group has given its share to others.
    pub(super) fn apart_limit(&self) -> Duration {
        3 * Duration::from_millis(self.session_timeout_ms.into())
    }

    /// A client that asks a coordinator stays connected to every broker.
    ///
    /// A broker that a metadata answer leaves out is dropped by librdkafka (2.10 to 2.12.1), and what waits for it as
    /// coordinator looks for another one only when some connection comes up or breaks. A client that connects to those
    /// it needs has none that does, and would wait until it is ended.
    pub(super) fn coordinated(mut client: ClientConfig) -> ClientConfig {
        client.set("enable.sparse.connections", "false");
        client
    }

    /// An idempotent producer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("message.max.bytes", "1048000");
        config
    }

    /// A producer of transactions, whose coordinator it finds again. Blocked calls have limits of their own.
    pub(super) fn transactional(&self, id: &str) -> ClientConfig {
        let mut config = Self::coordinated(self.producer());
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", self.transaction_timeout_ms.to_string())
            .set("message.timeout.ms", self.transaction_timeout_ms.to_string())
            // Librdkafka refuses one that is longer than a transaction.
            .set("socket.timeout.ms", SILENT_LIMIT_MS.min(self.transaction_timeout_ms).to_string())
            // Right after a commit the coordinator answers "still busy with the last one" for a moment. The
            // default waits 100 ms before it asks again, and every transaction would take so long.
            .set("retry.backoff.ms", "1")
            .set("retry.backoff.max.ms", "100");
        config
    }

    /// A consumer of committed records that commits nothing by itself and never jumps.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.common();
        config
            .set("group.id", self.group(group))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.min.bytes", "1")
            // Defaults to a second: a reader that has filled its queue would stand still for so long.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100");
        config
    }

    /// A consumer that shares a topic with others of its group.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = Self::coordinated(self.consumer(group));
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            // Members learn of a change of the group from the answer to a heartbeat.
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 4).clamp(1, 500).to_string())
            .set("max.poll.interval.ms", "600000")
            // Tells how a member stands to its group; see `Watch::statistics`.
            .set("statistics.interval.ms", "1000");
        config
    }
}

impl Default for Config {
    /// `transaction_timeout_ms` is 30,000: longer than a broker's restart or a leader election, so that
    /// an outage of that length does not cost an owner its transaction; short enough for the case that
    /// no owner comes back to end it, because until then readers of the partition stand still. An owner
    /// that does come back ends it at once.
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            prefix: String::new(),
            partitions: 0,
            replication: None,
            session_timeout_ms: 6_000,
            transaction_timeout_ms: 30_000,
            extra: Vec::new(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.extra.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Config")
            .field("brokers", &self.brokers)
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("extra", &names)
            .finish()
    }
}

/// Makes a client. A wrong property is named without its value, which may be a secret.
pub(super) fn create<C, T>(config: &ClientConfig, context: C) -> Result<T, Error>
where
    C: rdkafka::ClientContext,
    T: FromClientConfigAndContext<C>,
{
    config.create_with_context(context).map_err(|error| match error {
        KafkaError::ClientConfig(_, _, key, _) => Error::Mismatch(format!(
            "the Kafka property {key} does not exist or does not take the value it was given; correct or remove it"
        )),
        KafkaError::ClientCreation(_) => Error::Mismatch(
            "the Kafka properties do not go together; check session and transaction timeouts, security.protocol, sasl.* and ssl.*".into(),
        ),
        other => Error::Unavailable(other.to_string()),
    })
}
