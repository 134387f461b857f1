//! Which order is due next.

use std::collections::BTreeSet;

use atelier_domain::TimeMs;
use uuid::Uuid;

/// The deadlines of a partition's open orders, soonest first. Derived from their state, so it is rebuilt
/// with it; one entry per order that has a deadline.
#[derive(Debug, Default)]
pub struct Timers {
    by_time: BTreeSet<(TimeMs, Uuid)>,
}

impl Timers {
    /// The order's deadline was `before` and is `after`.
    pub fn moved(&mut self, id: Uuid, before: Option<TimeMs>, after: Option<TimeMs>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.by_time.remove(&(at, id));
        }
        if let Some(at) = after {
            self.by_time.insert((at, id));
        }
    }

    /// The deadlines of all orders at once.
    pub fn all(deadlines: impl Iterator<Item = (TimeMs, Uuid)>) -> Self {
        Self { by_time: deadlines.collect() }
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<TimeMs> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The orders due at `now`, longest overdue first, at most `limit`.
    pub fn due(&self, now: TimeMs, limit: usize) -> Vec<Uuid> {
        self.by_time.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect()
    }
}
