//! What can happen next.

use std::fmt;

use atelier_log::memory::Fault;
use atelier_schemas::CommandData;

/// One step of a run. Numbers that are too large wrap around; a `pick` is a random number the step is resolved with.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A client makes up its mind about an order and puts the command into its outbox. One to which nothing comes to
    /// mind leaves it to the next.
    Ask {
        /// Which client.
        client: usize,
        /// What it asks.
        pick: u64,
    },
    /// A client puts exactly this command into its outbox; for runs written by hand.
    Tell {
        /// Which client.
        client: usize,
        /// Of the `n`th order.
        order: usize,
        /// What it asks.
        data: Box<CommandData>,
    },
    /// The oldest command of the client's outbox reaches the log; the next client's where it is empty. One whose append
    /// fails stays in the outbox.
    Send {
        /// Which client.
        client: usize,
    },
    /// A client that missed an answer asks the very same again.
    Again {
        /// Which client.
        client: usize,
        /// Which of its commands.
        pick: u64,
    },
    /// A client asks something else under an id it has used.
    Reuse {
        /// Which client.
        client: usize,
        /// Which of its commands.
        pick: u64,
    },
    /// Every worker of an engine takes a turn, also those of its former life that do not know it is over.
    Engine {
        /// Which engine.
        engine: usize,
    },
    /// An engine starts. One that runs is started a second time under its name.
    Start {
        /// Which engine.
        engine: usize,
    },
    /// An engine's process is gone, with all it had in memory.
    Crash {
        /// Which engine.
        engine: usize,
    },
    /// An engine's process dies in its next commit.
    DieInCommit {
        /// Which engine.
        engine: usize,
        /// The commit reached the log.
        written: bool,
    },
    /// The next append or commit goes wrong.
    Fault(Fault),
    /// An engine nobody sees takes a partition.
    Steal {
        /// Which partition.
        partition: u32,
    },
    /// It gives it back.
    GiveBack {
        /// Which partition.
        partition: u32,
    },
    /// A pricing worker does the next thing.
    Work {
        /// Which worker.
        worker: usize,
        /// How well, by its last two digits. While it measures: below 30 a heartbeat, below 50 nothing, below 60 a
        /// failure, otherwise the result. Without an answer: below 50 it asks again. Refused: below 15 it goes on.
        pick: u64,
    },
    /// A pricing worker dies and comes back under its name, knowing nothing.
    WorkerDies {
        /// Which worker.
        worker: usize,
    },
    /// The result of an attempt a worker had once arrives late.
    LateResult {
        /// Which worker.
        worker: usize,
        /// Which attempt.
        pick: u64,
    },
    /// The clock moves.
    Clock {
        /// Forward, or back when negative.
        by_ms: i64,
    },
    /// A feed of a read model reads, or commits what it has read.
    Read {
        /// Which model.
        model: usize,
        /// Which of its two feeds.
        feed: usize,
    },
    /// A feed dies, also between reading and committing.
    FeedDies {
        /// Which model.
        model: usize,
        /// Which of its two feeds.
        feed: usize,
    },
    /// The store fails in the middle of a feed's transaction.
    StoreFails {
        /// Which model.
        model: usize,
        /// Which of its two feeds.
        feed: usize,
    },
    /// A checkpoint of a partition is made.
    Checkpoint {
        /// Which partition.
        partition: u32,
    },
    /// An object of a checkpoint is cut off, altered, exchanged or lost.
    BreakCheckpoint {
        /// Which, and how.
        pick: u64,
    },
    /// A record that is no good command reaches the topic of commands.
    Poison {
        /// What is wrong with it.
        pick: u64,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What a command carries is long and may be about a person.
            Step::Tell { client, order, data } => write!(f, "Tell {{ client: {client}, order: {order}, {} }}", data.type_name()),
            other => write!(f, "{other:?}"),
        }
    }
}
