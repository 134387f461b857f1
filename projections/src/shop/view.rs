//! What a buyer reads of an order.

use atelier_schemas::Item;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Price;

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderView {
    /// The order.
    #[schema(value_type = String, format = "uuid")]
    pub order_id: Uuid,
    /// Public status, for example `SUBMITTED`.
    pub status: String,
    /// 1, 2, 3 … ; the `ETag`.
    pub version: i64,
    /// On hold.
    pub held: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_reason: Option<String>,
    /// What needs a person, oldest first.
    pub attention: Vec<String>,
    /// What is made.
    pub item: ItemView,
    /// Where it came from: `shop` or `partner`.
    pub channel: String,
    /// The buyer's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The file it is made after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelView>,
    /// Once calculated.
    pub price: Option<Price>,
    /// Once shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Once shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// When the next step is due, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// What the reader may ask now; filled for a customer, see [`OrderView::seen_by`].
    pub allowed: Vec<String>,
    /// Inner stage; does not leave the house.
    #[serde(skip)]
    #[schema(ignore)]
    pub stage: String,
}

impl OrderView {
    /// What `role` (`customer`, `operator`, `seller` …) may ask now.
    pub fn allowed_for(&self, role: &str) -> Vec<String> {
        crate::allowed_for(&self.stage, self.held, role)
    }

    /// The same order with `allowed` filled for `role`.
    #[must_use]
    pub fn seen_by(mut self, role: &str) -> Self {
        self.allowed = self.allowed_for(role);
        self
    }
}

/// What is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemView {
    /// For example `silver-925`.
    pub material: String,
    /// Pieces.
    pub quantity: i64,
    /// `polished`, `matte` or `raw`.
    pub finish: String,
}

impl ItemView {
    pub(crate) fn of(item: &Item) -> Self {
        Self { material: item.material.clone(), quantity: item.quantity.into(), finish: item.finish.clone() }
    }
}

/// The file an order is made after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelView {
    /// Lower-case hex.
    pub sha256: String,
    /// `stl`, `obj`, `3mf` or `ring`.
    pub format: String,
    /// Of the file.
    pub size_bytes: i64,
}

/// One line of an order's history. Versions may jump: a pricing worker's heartbeats count as versions
/// and are not listed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// The order's version by this.
    pub version: i64,
    /// What happened, for example `OrderSubmitted`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// RFC 3339.
    pub at: String,
    /// `role:name`, never a customer's name; for the buyer the role alone.
    pub by: String,
    /// Public status right after.
    pub status: String,
    /// More, by type.
    #[schema(value_type = Object)]
    pub detail: Value,
}
