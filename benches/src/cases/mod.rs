//! One file per case.

mod accept;
mod audit;
mod detection;
mod embedded;
mod failover;
mod flood;
mod neighbour;
mod restore;
mod round_trip;
mod seeds;
mod size;
mod standing;
mod timers;
mod webhooks;

use crate::harness::{Outcome, Report, Settings};

type Case = fn(&Settings, &mut Report) -> Outcome<()>;

/// All cases by name, in the order in which they run.
pub(crate) const ALL: [(&str, Case); 13] = [
    ("flood", flood::run),
    ("round-trip", round_trip::run),
    ("embedded", embedded::run),
    ("accept", accept::run),
    ("neighbour", neighbour::run),
    ("restore", restore::run),
    ("failover", failover::run),
    ("audit", audit::run),
    ("detection", detection::run),
    ("timers", timers::run),
    ("seeds", seeds::run),
    ("webhooks", webhooks::run),
    ("size", size::run),
];
