//! Deterministic simulation: the whole spine under faults, and nothing but a seed.
//!
//! A [`Plan`] is a list of steps drawn from a seed: a client asks, an engine takes a turn, a commit is lost, the clock
//! goes back. [`run`] carries it out over the log in memory with a clock moved by hand, one step after the other,
//! without threads of its own and without waiting. After each step the [`watch`] reads what was written and holds it
//! against the invariants; after the last one the faults stop, time passes, and [`closing`] asks for the rest: that
//! everything moves, that a restored partition is the live one, that the read models say what the events say.
//!
//! What is real: `atelier_runtime::Worker` with its partitions, batches, restore and deadlines; the domain; the schemas
//! and their framing; the log in memory; the read models' own transaction ([`atelier_projections::Feed`]) on SQLite;
//! of the pricing worker its bookkeeping of claims and its commands and their ids.
//! What is modelled: gateways and people ([`clients`]), and when a pricing worker does what ([`pricing`]): the product's
//! own is a set of tasks and threads that wait in real time.
//!
//! Where a seed draws, [`explore`] tries everything, at small scope.
//!
//! The same seed gives the same trace, byte for byte. Steps carry their own random numbers and are resolved against
//! the state they find, so a plan with steps left out is a plan too: that is how [`shrink`] makes a failure small.

mod asking;
mod bed;
mod clients;
mod closing;
mod engines;
pub mod explore;
mod failure;
mod ledger;
mod plan;
mod pricing;
mod reading;
mod run;
mod shrink;
mod step;
mod tables;
mod trace;
mod watch;
mod world;

pub use bed::Bed;
pub use failure::Failure;
pub use plan::{Kind, Plan};
pub use run::{Run, run};
pub use shrink::shrink;
pub use step::Step;
