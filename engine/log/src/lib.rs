//! The event log: one port, three implementations.
//!
//! * [`kafka`]: topics on Apache Kafka, exactly-once through transactions, one process or many;
//! * [`embedded`]: SQLite in a folder, durable, one process;
//! * [`memory`]: for tests and simulation, with faults on request.
//!
//! All three promise the same and one conformance suite holds them to it (`tests/conformance`):
//!
//! 1. Records of a partition keep their order and are numbered by growing offsets (Kafka's may have
//!    holes: transaction markers take offsets too).
//! 2. A transaction is visible as a whole or not at all, the consumed offset with it.
//! 3. Readers see committed records only.
//! 4. Of two owners of a partition, the older one cannot commit.
//! 5. What `append` or `commit` confirmed survives a crash of the process.
//!
//! The port is blocking where the work is (owners, readers: a thread each) and a future where
//! somebody waits (`append`).

pub mod client;
pub mod embedded;
pub mod kafka;
pub mod memory;

mod local;
mod port;

pub use port::{
    Appending, CommandRecord, CommitError, Error, Log, Membership, NewRecord, Owner, Partition, Polled, Reader, Record, Subscription,
    Transaction,
};
