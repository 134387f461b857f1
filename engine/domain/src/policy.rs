//! Policy as data: what is made, how long each stage may take, what happens when it takes longer, how often
//! pricing is tried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Channel, Order, Stage, TimeMs};

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
    /// Other limits for some orders. Of several that fit an order and set the same limit the last one counts.
    pub exceptions: Vec<Exception>,
    /// What follows a missed limit besides telling people, which always happens.
    pub on_missed: BTreeMap<Limit, OnMissed>,
    /// An order that stands where it is for so long after it was late is raised once more. `null`: never.
    pub escalate_after_ms: Option<TimeMs>,
    /// How long a dispatched pricing attempt waits for a worker; doubles with each dispatch nobody takes, up to an hour.
    pub pricing_accept_ms: TimeMs,
    /// How long a lease lasts without a heartbeat.
    pub pricing_lease_ms: TimeMs,
    /// Attempts that workers may take and not bring home before a person has to look.
    pub pricing_attempts: u32,
    /// How long the ledger lists a gap after it was closed. `null`: for ever.
    pub closed_gaps_kept_ms: Option<TimeMs>,
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
    /// Created → ended.
    pub total_ms: TimeMs,
}

/// The limits by name, as in [`StageLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Limit {
    #[serde(rename = "draft_ms")]
    Draft,
    #[serde(rename = "ready_ms")]
    Ready,
    #[serde(rename = "pricing_ms")]
    Pricing,
    #[serde(rename = "priced_ms")]
    Priced,
    #[serde(rename = "available_ms")]
    Available,
    #[serde(rename = "claimed_ms")]
    Claimed,
    #[serde(rename = "in_progress_ms")]
    InProgress,
    #[serde(rename = "completed_ms")]
    Completed,
    #[serde(rename = "packaging_ms")]
    Packaging,
    #[serde(rename = "shipped_ms")]
    Shipped,
    #[serde(rename = "total_ms")]
    Total,
}

impl Limit {
    /// The limit of a stage; none once the order has ended. All of pricing has one.
    pub const fn of(stage: Stage) -> Option<Limit> {
        Some(match stage {
            Stage::Draft => Limit::Draft,
            Stage::Ready => Limit::Ready,
            Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning | Stage::PricingFailed | Stage::PricingExpired => {
                Limit::Pricing
            }
            Stage::Priced => Limit::Priced,
            Stage::WorkAvailable => Limit::Available,
            Stage::WorkClaimed => Limit::Claimed,
            Stage::WorkInProgress | Stage::WorkRework => Limit::InProgress,
            Stage::Completed => Limit::Completed,
            Stage::Packaging => Limit::Packaging,
            Stage::Shipped => Limit::Shipped,
            Stage::Closed | Stage::Cancelled => return None,
        })
    }
}

/// Limits for the orders of a channel, of a material, or of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Orders of this channel; left out: of any.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Orders of this material; left out: of any.
    #[serde(default)]
    pub material: Option<String>,
    /// In milliseconds, by the names of [`StageLimits`].
    pub limits: BTreeMap<Limit, TimeMs>,
}

impl Exception {
    fn fits(&self, order: &Order) -> bool {
        self.channel.is_none_or(|channel| channel == order.channel)
            && self.material.as_deref().is_none_or(|material| *material == *order.item.material)
    }
}

/// What follows a missed limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissed {
    /// The piece goes back to the queue. For `claimed_ms` only.
    Release,
}

impl StageLimits {
    fn get(&self, limit: Limit) -> TimeMs {
        match limit {
            Limit::Draft => self.draft_ms,
            Limit::Ready => self.ready_ms,
            Limit::Pricing => self.pricing_ms,
            Limit::Priced => self.priced_ms,
            Limit::Available => self.available_ms,
            Limit::Claimed => self.claimed_ms,
            Limit::InProgress => self.in_progress_ms,
            Limit::Completed => self.completed_ms,
            Limit::Packaging => self.packaging_ms,
            Limit::Shipped => self.shipped_ms,
            Limit::Total => self.total_ms,
        }
    }

    fn all(&self) -> impl Iterator<Item = (Limit, TimeMs)> {
        use Limit::{Available, Claimed, Completed, Draft, InProgress, Packaging, Priced, Pricing, Ready, Shipped, Total};
        let limits = [Draft, Ready, Pricing, Priced, Available, Claimed, InProgress, Completed, Packaging, Shipped, Total];
        limits.into_iter().map(|limit| (limit, self.get(limit)))
    }
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
            total_ms: 90 * DAY,
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
            exceptions: Vec::new(),
            on_missed: BTreeMap::new(),
            escalate_after_ms: Some(DAY),
            pricing_accept_ms: 30 * SECOND,
            pricing_lease_ms: 30 * SECOND,
            pricing_attempts: 3,
            closed_gaps_kept_ms: Some(90 * DAY),
        }
    }
}

impl Policy {
    /// Whether it can be gone by.
    ///
    /// # Errors
    /// A sentence that names the field and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let positive = |name: String, value: TimeMs| if value > 0 { Ok(()) } else { Err(format!("{name} must be greater than zero")) };
        if self.version.trim().is_empty() {
            return Err("version must not be empty: the events name it".into());
        }
        if self.pricing_attempts == 0 {
            return Err("pricing_attempts must be at least 1".into());
        }
        if self.max_quantity == 0 {
            return Err("max_quantity must be at least 1".into());
        }
        positive("pricing_accept_ms".into(), self.pricing_accept_ms)?;
        positive("pricing_lease_ms".into(), self.pricing_lease_ms)?;
        positive("escalate_after_ms".into(), self.escalate_after_ms.unwrap_or(1))?;
        positive("closed_gaps_kept_ms".into(), self.closed_gaps_kept_ms.unwrap_or(1))?;
        for (limit, value) in self.limits.all() {
            positive(format!("limits: {limit:?}"), value)?;
        }
        for (number, exception) in self.exceptions.iter().enumerate() {
            for (limit, value) in &exception.limits {
                positive(format!("exceptions[{number}].limits: {limit:?}"), *value)?;
            }
        }
        match self.on_missed.keys().find(|limit| **limit != Limit::Claimed) {
            Some(limit) => Err(format!("on_missed: {limit:?} cannot be followed by a release; only claimed_ms can")),
            None => Ok(()),
        }
    }

    /// How long this order may take for what `limit` names.
    pub fn limit_ms(&self, order: &Order, limit: Limit) -> TimeMs {
        let fitting = self.exceptions.iter().rev().filter(|exception| exception.fits(order));
        fitting.filter_map(|exception| exception.limits.get(&limit)).next().copied().unwrap_or_else(|| self.limits.get(limit))
    }

    /// How long the dispatch waits that follows `unaccepted` dispatches nobody took.
    pub fn accept_within_ms(&self, unaccepted: u32) -> TimeMs {
        self.pricing_accept_ms.saturating_mul(1 << unaccepted.min(20)).min(HOUR.max(self.pricing_accept_ms))
    }
}
