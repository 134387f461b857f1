//! The order aggregate.
//!
//! [`decide`] turns an order, a command, a time and a policy into events or a [`Rejection`];
//! [`evolve`] turns an order and an event into the next order. Both are pure: no clock, no
//! randomness, no I/O (`clippy.toml` beside this crate enforces it). The same inputs give the same
//! events on every machine, which is what replay, recovery and simulation stand on.
//!
//! Where to look: all legal moves are rows of [`table::TABLE`]; public statuses and the inner stages
//! behind them are in [`status`]; deadlines in [`policy`] and [`deadline`].
//!
//! Deliberately absent: ids of events, offsets, serialisation to the log, who waits for an answer.

mod command;
mod deadline;
mod decide;
mod event;
mod evolve;
mod order;
mod policy;
mod rejection;
mod role;
mod sandbox;
pub mod status;
pub mod table;
pub mod testing;
mod values;

pub use command::Command;
pub use deadline::{Deadline, DeadlineKind, deadline, due, on_deadline};
pub use decide::{Decision, Request, decide};
pub use event::{Event, MissedAction};
pub use evolve::{advance, evolve, remember};
pub use order::{Attention, Holding, Order, Pricing, REMEMBERED_COMMANDS, Seen, Shipment};
pub use policy::{Exception, Limit, OnMissed, Policy, StageLimits};
pub use rejection::Rejection;
pub use role::{Role, UnknownRole};
pub use sandbox::CLOCK_LEAP_MAX_MS;
pub use status::{Stage, Status};
pub use table::{Action, allowed};
pub use values::{Channel, Customer, Item, Measures, Model, Money, NotASha256, Quote, QuoteLine, Sha256, TimeMs};

#[cfg(test)]
mod tests;
