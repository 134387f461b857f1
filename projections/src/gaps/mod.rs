//! The ledger of gaps: which orders do not move or got lost, since when, who had them, what was expected.
//!
//! A gap is an order and a cause. The engine writes a missed deadline as an event, and every event says
//! what of the order needs a person (`after.attention`); gaps open and close with that and with nothing
//! else, so the ledger needs no clock and comes back from the log as it was. An order is in the sellers'
//! list of attention exactly while it has a gap open here.
//!
//! Five causes nobody can write down as an order's and are found when somebody asks: a record no read model could
//! understand (`parked`), a delivery of a parcel nobody knows (kept with the accounts), a read model that lacks records
//! of the log (`offsets`), messages that do not arrive (in the webhooks' store), and a deadline that has passed while its partition was
//! silent (`gap_partitions`, `outcome_partitions`); see `derived.rs` and `silent.rs`.
//!
//! A closed gap stays for as long as the policy says (`closed_gaps_kept_ms`), then `old.rs` takes it away. It comes
//! back when the ledger is made anew from the log, until it is taken away again.

mod apply;
mod cause;
mod derived;
mod gauge;
mod old;
mod query;
mod row;
mod silent;
mod view;

pub(crate) use apply::Gaps;
pub(crate) use cause::causes;
pub use cause::{Cause, UnknownCause};
pub use derived::{BEHIND_AFTER, Behind, Found, Undelivered, UnknownParcel, behind};
pub(crate) use gauge::keep_counting;
pub use old::Keep;
pub(crate) use old::take_away_old_ones;
pub use view::{Gap, GapFilter, GapState, LastEvent};
