//! One file per case.

mod accept;
mod audit;
mod embedded;
mod flood;
mod restore;
mod round_trip;
mod size;
mod webhooks;

use crate::harness::{Outcome, Report, Settings};

type Case = fn(&Settings, &mut Report) -> Outcome<()>;

/// All cases by name, in the order in which they run.
pub(crate) const ALL: [(&str, Case); 8] = [
    ("flood", flood::run),
    ("round-trip", round_trip::run),
    ("embedded", embedded::run),
    ("accept", accept::run),
    ("restore", restore::run),
    ("audit", audit::run),
    ("webhooks", webhooks::run),
    ("size", size::run),
];
