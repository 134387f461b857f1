//! One partition's writer.
//!
//! A [`Worker`] owns command partitions, on a thread of its own. For each it keeps the state of the open orders in
//! memory ([`partition`]), restores it from the events when the partition comes ([`restore`]; a [`checkpoint`] spares
//! it most of them), decides
//! whatever commands have arrived as one batch, and commits events, outcomes, pricing jobs and the
//! consumed offset in one transaction. Deadlines that have passed are written the same way.
//!
//! Invariants, each with a test:
//!
//! * A decision is visible only when its transaction is: on any doubt about a commit the partition's
//!   state is dropped and restored from the log.
//! * Each command offset gets exactly one outcome, also a record that nobody can read.
//! * What cannot be understood stops its order, never its partition.
//!
//! Deliberately absent: Kafka, SQL, HTTP, and any clock but the one passed in.

pub mod checkpoint;
mod closed;
mod engine;
mod metrics;
mod partition;
mod policy;
mod refused;
mod restore;
mod timers;
pub mod translate;
mod worker;

pub use engine::{Engine, EngineHandle, Failed, Settings as EngineSettings};
pub use metrics::Metrics;
pub use partition::{PartitionState, Settings};
pub use policy::PolicyInForce;
pub use restore::{Restored, restore};
pub use timers::Timers;
pub use worker::{Fatal, GROUP, Turn, Worker};

/// Tells the time in milliseconds since 1970. Passed in, so that tests and simulation can hold it.
pub type Clock = std::sync::Arc<dyn Fn() -> atelier_domain::TimeMs + Send + Sync>;
