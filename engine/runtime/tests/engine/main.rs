//! The engine over the memory log: exactly-once under faults, poison, deadlines, recovery.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;
mod checkpoints;
mod deadlines;
mod faults;
mod memory_budget;
mod poison;
mod recovery;
mod translation;
