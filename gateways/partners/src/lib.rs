//! Partners: who they are, their keys, what they may ask how often.
//!
//! [`Accounts`] keeps partners, keys, uploads and the switch of their lane in tables of its own; unlike read
//! models they come back from nowhere, so a commit waits for the disk. [`key`] is the shape of a key.
//! [`Limiter`] and [`Places`] are the limits of one process, in memory, with the time as a parameter.
//!
//! What carriers say of parcels nobody knows yet waits in the same tables ([`Waiting`]): it comes from outside, and
//! from nowhere again.
//!
//! A key is shown once, when it is made. What is kept is its public id and the SHA-256 of its secret, which
//! has 260 random bits: there is nothing to guess, so nothing slow is needed to hash it.
//!
//! Deliberately absent: HTTP, orders, a cache of keys. Each request looks its key up, so a key that was
//! revoked opens nothing any more, in no process.

mod accounts;
mod class;
mod deliveries;
mod dismissals;
mod error;
pub mod key;
mod keys;
mod lane;
mod limiter;
mod places;
mod uploads;

pub use accounts::Accounts;
pub use class::{Class, Kind, Rate, UnknownClass};
pub use deliveries::{Keeping, Place as WaitingPlace, WAITING_MAX, Waiting};
pub use dismissals::Dismissal;
pub use error::Error;
pub use keys::{Caller, KeyInfo, LIVE_KEYS_MAX, Mode, NewKey};
pub use lane::{Intake, Lane, UnknownIntake};
pub use limiter::{Limiter, Taken};
pub use places::{Place, Places};
pub use uploads::Upload;
