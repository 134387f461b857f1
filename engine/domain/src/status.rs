//! Public statuses, inner stages, and the one map between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What everybody outside sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Status {
    Initiated,
    FileUploaded,
    Submitted,
    PriceCalculated,
    ManufacturingApproved,
    ManufacturingStarted,
    ManufacturingCompleted,
    Packaging,
    Shipped,
    Closed,
    Cancelled,
}

impl Status {
    /// All of them, in the order of a life without trouble.
    pub const ALL: [Status; 11] = [
        Status::Initiated,
        Status::FileUploaded,
        Status::Submitted,
        Status::PriceCalculated,
        Status::ManufacturingApproved,
        Status::ManufacturingStarted,
        Status::ManufacturingCompleted,
        Status::Packaging,
        Status::Shipped,
        Status::Closed,
        Status::Cancelled,
    ];

    /// As it stands in answers, events and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Initiated => "INITIATED",
            Status::FileUploaded => "FILE_UPLOADED",
            Status::Submitted => "SUBMITTED",
            Status::PriceCalculated => "PRICE_CALCULATED",
            Status::ManufacturingApproved => "MANUFACTURING_APPROVED",
            Status::ManufacturingStarted => "MANUFACTURING_STARTED",
            Status::ManufacturingCompleted => "MANUFACTURING_COMPLETED",
            Status::Packaging => "PACKAGING",
            Status::Shipped => "SHIPPED",
            Status::Closed => "CLOSED",
            Status::Cancelled => "CANCELLED",
        }
    }

    /// Nothing happens to the order any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Status::Closed | Status::Cancelled)
    }
}

/// Where the order stands inside the house. Never leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Created, no model yet.
    Draft,
    /// A model is attached.
    Ready,
    /// A pricing attempt is dispatched, no worker has taken it.
    PricingRequested,
    /// A worker holds the lease.
    PricingAccepted,
    /// The worker has sent a heartbeat.
    PricingRunning,
    /// The last attempt failed and no other follows by itself.
    PricingFailed,
    /// The last attempt was lost and no other follows by itself.
    PricingExpired,
    /// Pricing done: there is a price.
    Priced,
    /// Approved, waiting for an operator.
    WorkAvailable,
    /// An operator has it.
    WorkClaimed,
    /// Being made.
    WorkInProgress,
    /// Being made again, for a defect.
    WorkRework,
    /// Made.
    Completed,
    /// Packed.
    Packaging,
    /// With the carrier.
    Shipped,
    /// Delivered, or closed by hand.
    Closed,
    /// Will not be made.
    Cancelled,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 17] = [
        Stage::Draft,
        Stage::Ready,
        Stage::PricingRequested,
        Stage::PricingAccepted,
        Stage::PricingRunning,
        Stage::PricingFailed,
        Stage::PricingExpired,
        Stage::Priced,
        Stage::WorkAvailable,
        Stage::WorkClaimed,
        Stage::WorkInProgress,
        Stage::WorkRework,
        Stage::Completed,
        Stage::Packaging,
        Stage::Shipped,
        Stage::Closed,
        Stage::Cancelled,
    ];

    /// The public status of this stage. A stage without a row here does not compile.
    #[rustfmt::skip]
    pub const fn status(self) -> Status {
        match self {
            Stage::Draft            => Status::Initiated,
            Stage::Ready            => Status::FileUploaded,
            Stage::PricingRequested => Status::Submitted,
            Stage::PricingAccepted  => Status::Submitted,
            Stage::PricingRunning   => Status::Submitted,
            Stage::PricingFailed    => Status::Submitted,
            Stage::PricingExpired   => Status::Submitted,
            Stage::Priced           => Status::PriceCalculated,
            Stage::WorkAvailable    => Status::ManufacturingApproved,
            Stage::WorkClaimed      => Status::ManufacturingApproved,
            Stage::WorkInProgress   => Status::ManufacturingStarted,
            Stage::WorkRework       => Status::ManufacturingStarted,
            Stage::Completed        => Status::ManufacturingCompleted,
            Stage::Packaging        => Status::Packaging,
            Stage::Shipped          => Status::Shipped,
            Stage::Closed           => Status::Closed,
            Stage::Cancelled        => Status::Cancelled,
        }
    }

    /// The name inside the house.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Draft => "draft",
            Stage::Ready => "ready",
            Stage::PricingRequested => "pricing_requested",
            Stage::PricingAccepted => "pricing_accepted",
            Stage::PricingRunning => "pricing_running",
            Stage::PricingFailed => "pricing_failed",
            Stage::PricingExpired => "pricing_expired",
            Stage::Priced => "priced",
            Stage::WorkAvailable => "work_available",
            Stage::WorkClaimed => "work_claimed",
            Stage::WorkInProgress => "work_in_progress",
            Stage::WorkRework => "work_rework",
            Stage::Completed => "completed",
            Stage::Packaging => "packaging",
            Stage::Shipped => "shipped",
            Stage::Closed => "closed",
            Stage::Cancelled => "cancelled",
        }
    }

    /// Whether pricing has the order.
    pub const fn is_pricing(self) -> bool {
        matches!(self.status(), Status::Submitted)
    }
}

/// A name that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a {1}")]
pub struct UnknownName(pub String, pub &'static str);

impl FromStr for Status {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownName(text.to_owned(), "status"))
    }
}

impl FromStr for Stage {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| UnknownName(text.to_owned(), "stage"))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
