//! What an operator reads.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// An order at the works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueItem {
    /// The order.
    #[schema(value_type = String, format = "uuid")]
    pub order_id: Uuid,
    /// Public status.
    pub status: String,
    /// 1, 2, 3 …
    pub version: i64,
    /// `available`, `claimed`, `in_progress`, `rework`, `completed` (to pack) or `packed` (to ship).
    pub work: String,
    /// The operator who has it; `None` when nobody does.
    pub holder: Option<String>,
    /// For example `silver-925`.
    pub material: String,
    /// Pieces.
    pub quantity: i64,
    /// `polished`, `matte` or `raw`.
    pub finish: String,
    /// When this step is due, RFC 3339; `None` when the step has no deadline.
    pub due_at: Option<String>,
    /// On hold.
    pub held: bool,
    /// Of the file it is made after.
    pub model_sha256: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// What an operator may ask now.
    pub allowed: Vec<String>,
    /// Inner stage; does not leave the house.
    #[serde(skip)]
    #[schema(ignore)]
    pub stage: String,
}

/// Where an order of the queue comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueLane {
    /// A partner.
    External,
    /// The maker's own shop.
    Own,
}

/// Which part of the queue. Nothing set: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct QueueFilter {
    /// `available`, `claimed`, `in_progress`, `rework`, `completed` or `packed`.
    pub work: Option<String>,
    /// Of this operator only.
    pub holder: Option<String>,
    /// Of this material only.
    pub material: Option<String>,
    /// On hold, or not.
    pub held: Option<bool>,
    /// `external`: orders of partners; `own`: those of the shop.
    #[param(inline)]
    pub lane: Option<QueueLane>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}
