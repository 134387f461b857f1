//! The engine over the memory log: exactly-once under faults, poison, deadlines, recovery.

mod bed;
mod deadlines;
mod faults;
mod memory_budget;
mod poison;
mod recovery;
mod translation;
