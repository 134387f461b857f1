//! Policy as data: what is made, how long each stage may take, how often pricing is tried.

use serde::{Deserialize, Serialize};

use crate::TimeMs;

const SECOND: TimeMs = 1000;
const MINUTE: TimeMs = 60 * SECOND;
const HOUR: TimeMs = 60 * MINUTE;
const DAY: TimeMs = 24 * HOUR;

/// What decisions go by besides the order itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Recorded in the events it causes.
    pub version: String,
    /// Materials that are made; empty: any.
    pub materials: Vec<String>,
    /// Finishes that are made; empty: any.
    pub finishes: Vec<String>,
    /// Most pieces in one order.
    pub max_quantity: u32,
    /// How long each stage may take.
    pub limits: StageLimits,
    /// How long a dispatched pricing attempt waits for a worker; doubles with each dispatch nobody takes, up to an hour.
    pub pricing_accept_ms: TimeMs,
    /// How long a lease lasts without a heartbeat.
    pub pricing_lease_ms: TimeMs,
    /// Attempts that workers may take and not bring home before a person has to look.
    pub pricing_attempts: u32,
}

/// How long an order may stand in each stage, in milliseconds. Time on hold does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageLimits {
    /// Created → model.
    pub draft_ms: TimeMs,
    /// Model → submitted.
    pub ready_ms: TimeMs,
    /// Submitted → priced.
    pub pricing_ms: TimeMs,
    /// Priced → approved.
    pub priced_ms: TimeMs,
    /// Approved → claimed.
    pub available_ms: TimeMs,
    /// Claimed → started.
    pub claimed_ms: TimeMs,
    /// Started → completed.
    pub in_progress_ms: TimeMs,
    /// Completed → packed.
    pub completed_ms: TimeMs,
    /// Packed → shipped.
    pub packaging_ms: TimeMs,
    /// Shipped → closed.
    pub shipped_ms: TimeMs,
}

impl Default for StageLimits {
    fn default() -> Self {
        Self {
            draft_ms: 30 * DAY,
            ready_ms: 30 * DAY,
            pricing_ms: HOUR,
            priced_ms: DAY,
            available_ms: DAY,
            claimed_ms: 4 * HOUR,
            in_progress_ms: 3 * DAY,
            completed_ms: DAY,
            packaging_ms: DAY,
            shipped_ms: 14 * DAY,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: "default-1".into(),
            materials: Vec::new(),
            finishes: ["polished", "matte", "raw"].map(String::from).into(),
            max_quantity: 1000,
            limits: StageLimits::default(),
            pricing_accept_ms: 30 * SECOND,
            pricing_lease_ms: 30 * SECOND,
            pricing_attempts: 3,
        }
    }
}

impl Policy {
    /// How long the dispatch waits that follows `unaccepted` dispatches nobody took.
    pub fn accept_within_ms(&self, unaccepted: u32) -> TimeMs {
        self.pricing_accept_ms.saturating_mul(1 << unaccepted.min(20)).min(HOUR.max(self.pricing_accept_ms))
    }
}
