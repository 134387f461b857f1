//! The crate as a whole: from events in a log to what a receiver has seen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod aside;
mod bed;
mod clients;
mod guarded;
mod hour;
mod lanes;
mod managing;
mod migrated;
mod places;
mod receiver;
mod reconciled;
mod stalled;
