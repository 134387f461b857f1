//! Faults on real processes and real servers, drawn from a seed: three Kafka nodes behind proxies, PostgreSQL, and two
//! of every role of the `atelier` binary, under load. After every fault everything has to move again within a bound,
//! and an independent reader holds the topics against the invariants; at checkpoints the audit has to balance too.

mod circumstances;
mod disk;
mod house;
mod inflict;
mod interrupt;
mod judge;
mod kept;
mod kind;
mod poison;
mod proxy;
mod run;

pub use interrupt::ends_everything;
pub use kind::Kind;
pub use run::{Options, run};

/// What could not be done at all, or a rule that was broken; a sentence for people.
pub type Outcome<T> = Result<T, String>;

/// Short for `map_err`.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
