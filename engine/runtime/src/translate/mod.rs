//! Between what crosses the log and what the domain thinks in. Exhaustive both ways: a new command or
//! event does not compile until it is mapped.

mod command;
mod event;
pub(crate) mod values;

pub use command::{Untranslatable, command};
pub use event::{from_wire, to_wire};
pub(crate) use values::{item, model};
