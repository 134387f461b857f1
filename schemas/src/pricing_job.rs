//! The hint that an order wants a price.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Item, Model, TimeMs};

/// Topic `pricing.jobs`. A hint only: a worker owns the job once its `AcceptPricing` is accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricingJob {
    /// The order to price.
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// 1, 2, 3 … per order; results of older attempts are refused.
    pub attempt: i32,
    /// What to measure.
    pub model: Model,
    /// What to price it as.
    pub item: Item,
    /// When the engine asked.
    pub requested_at: TimeMs,
    /// Of the business request.
    #[serde(with = "uuid::serde::hyphenated")]
    pub correlation_id: Uuid,
    /// W3C trace context.
    #[serde(default)]
    pub traceparent: Option<String>,
}
