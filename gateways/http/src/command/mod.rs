//! Asking the engine: a command goes to the log, its outcome comes back as an answer.

mod answer;
mod ask;
mod ids;
mod later;
mod reason;

pub use answer::{Accepted, Pending};
pub use ids::order_id_of;

pub(crate) use answer::{Refusals, Settled, etag};
pub(crate) use ask::{Ask, Surroundings, resend};
pub(crate) use ids::{carrier_command_id, create_command_id, key_request_id};
pub(crate) use later::{CommandState, Sight, command_state};
pub(crate) use reason::{OptionalReason, Reason, checked as checked_reason};
