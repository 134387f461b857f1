//! The port: what the rest of the house may ask of a log.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use atelier_schemas::{TimeMs, Topic};

/// Number of a partition, from 0. The count is fixed for the life of a log.
pub type Partition = u32;

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub topic: Topic,
    /// Where it lies.
    pub partition: Partition,
    /// Where it lies; grows within a partition, may have holes.
    pub offset: u64,
    /// When the log took it.
    pub time: TimeMs,
    /// The order id as text.
    pub key: String,
    /// The `type` header.
    pub kind: String,
    /// The `traceparent` header.
    pub traceparent: Option<String>,
    /// Framed Avro.
    pub payload: Vec<u8>,
}

/// A command as its owner takes it: no more than deciding needs. Of what a record has besides, the headers alone cost
/// about as much to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRecord {
    /// Where it lies.
    pub partition: Partition,
    /// Where it lies; grows within a partition, may have holes.
    pub offset: u64,
    /// The order id as text.
    pub key: String,
    /// Framed Avro.
    pub payload: Vec<u8>,
}

impl From<Record> for CommandRecord {
    fn from(Record { partition, offset, key, payload, .. }: Record) -> Self {
        Self { partition, offset, key, payload }
    }
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The order id as text.
    pub key: String,
    /// The `type` header.
    pub kind: &'static str,
    /// The `traceparent` header.
    pub traceparent: Option<String>,
    /// Framed Avro.
    pub payload: Vec<u8>,
}

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written; the same call may work later.
    #[error("the log is not reachable: {0}")]
    Unavailable(String),
    /// Nobody can say whether it was written.
    #[error("the log has not confirmed it: {0}")]
    Unconfirmed(String),
    /// Nothing was written; the medium is full.
    #[error("the log has no space left: {0}")]
    Full(String),
    /// Nothing was written and it never will be.
    #[error("the record of {key} has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// Of the record.
        key: String,
        /// Of the record.
        bytes: usize,
        /// Of this log.
        limit: usize,
    },
    /// Another process has the folder, or this one has no right to it.
    #[error("{0}")]
    InUse(String),
    /// The log is not the one this configuration describes, or it is damaged.
    #[error("{0}")]
    Mismatch(String),
}

/// Why a transaction was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The partition belongs to a newer owner, or nobody can say whether the commit happened. Drop what
    /// you believe about the partition; it comes back through [`Polled::Assigned`] if it is still yours.
    #[error("the partition is no longer ours: {0}")]
    Lost(String),
    /// Certainly nothing was written; the same transaction may be committed again later.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// Resolves to the offset once the record is durable.
pub type Appending = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

/// Who joins the owners of the command partitions.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group's name, for example `engine`.
    pub group: String,
    /// A stable name of this process. A process that comes back under its name resumes at once.
    pub instance: Option<String>,
    /// This worker, `0..workers`.
    pub worker: u32,
    /// Workers of this process.
    pub workers: u32,
}

/// The log.
pub trait Log: Send + Sync + 'static {
    /// The partition count of every topic.
    fn partitions(&self) -> u32;

    /// The largest payload a record may have.
    fn max_payload_bytes(&self) -> usize;

    /// Appends one record outside any transaction. Order is kept per caller and partition.
    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending;

    /// Joins the owners of the command partitions.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, Error>;

    /// Reads committed records of `topic` from the given offsets (a partition that is not named is not read).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, Error>;

    /// Shares `topic` among the subscriptions of `group`; starts where the group's commits left off.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, Error>;

    /// The offset the next record of the partition will get or pass (the high watermark).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, Error>;

    /// The offset of the first command that the partition's owner has not yet consumed, as last
    /// committed by any owner of `group`; 0 before the first commit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn committed(&self, group: &str, partition: Partition) -> Result<u64, Error>;
}

/// What an owner is told.
#[derive(Debug)]
pub enum Polled {
    /// These partitions are now ours: older owners are fenced and their open transactions ended.
    /// Restore their state before the next poll; their commands follow from the committed offset.
    Assigned(Vec<Partition>),
    /// These are no longer ours. Forget their state.
    Revoked(Vec<Partition>),
    /// Commands, in order within each partition, at most as many as asked for. Whoever lost a partition and has not been
    /// told yet may be handed some of it, too; what it decides on them is refused.
    Commands(Vec<CommandRecord>),
    /// Nothing within the time.
    Idle,
}

/// One worker's ownership of some command partitions. A thread of its own drives it.
pub trait Owner: Send {
    /// Waits at most `timeout` for the first command or a change of ownership, then takes what has
    /// arrived, at most `max`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: poll again later. [`Error::InUse`]: another process took this instance's
    /// name; end.
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Polled, Error>;

    /// Every command of `partition` below this offset is consumed or has been returned by `poll`; 0 where that is not
    /// known (yet).
    fn position(&self, partition: Partition) -> u64;

    /// From here on [`Log::end`] of the partition's events is what its leader says, as it is when a partition has been
    /// assigned. To be called before the state of one that was ours all the time is restored once more: a broker that
    /// stood still may believe to lead it. Does nothing where the log is one voice.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again later.
    fn ask_leader(&mut self, _partition: Partition) -> Result<(), Error> {
        Ok(())
    }

    /// Writes a transaction: all of it, and the consumed offset, or nothing.
    ///
    /// # Errors
    /// See [`CommitError`].
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError>;
}

/// What a partition's owner writes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The command partition it is about; the fence is checked for it.
    pub partition: Partition,
    /// In this order within each topic and partition.
    pub records: Vec<(Topic, Partition, NewRecord)>,
    /// The offset after the last command consumed; always given, also when only timers fired.
    pub next_command: u64,
}

/// Reads committed records.
pub trait Reader: Send {
    /// Waits at most `timeout` for the first record, then takes what is there, at most `max`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: poll again later, nothing is skipped. [`Error::Mismatch`]: the position
    /// does not exist (any more). Before that is said of a log on Kafka, its brokers are asked for 20 s who leads, which takes
    /// longer than `timeout`.
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error>;

    /// Every committed record below this offset has been returned by `poll`.
    fn position(&self, partition: Partition) -> u64;
}

/// One member's share of a topic that a group works off. At least once: what was not committed comes again.
pub trait Subscription: Send {
    /// Waits at most `timeout` for the first record, then takes what is there, at most `max`. Must be
    /// called at least every few seconds, also when paused.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: poll again later. [`Error::Mismatch`]: the group stands behind the end of the topic.
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error>;

    /// While paused, `poll` returns nothing new. What was returned stays returned.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log cannot be reached.
    fn pause(&mut self, paused: bool) -> Result<(), Error>;

    /// Everything of `partition` before `next` is done with.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it may come again.
    fn commit(&mut self, partition: Partition, next: u64) -> Result<(), Error>;
}
