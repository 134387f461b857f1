//! What staff read of a gap.

use atelier_domain::{Channel, Status};
use atelier_schemas::TimeMs;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Cause;

/// An order that does not move or got lost, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// The same for ever.
    #[schema(value_type = String, format = "uuid")]
    pub gap_id: Uuid,
    /// Why.
    pub cause: Cause,
    /// The order; `None` where no single one is concerned. Of an unreadable record its key, whatever that is.
    pub order_id: Option<String>,
    /// `shop` or `partner`.
    pub channel: Option<String>,
    /// Public status; of a closed gap the one it stood in.
    pub status: Option<String>,
    /// At the works: `available`, `claimed`, `in_progress`, `rework`, `completed` (to pack) or `packed` (to ship).
    pub work: Option<String>,
    /// On hold: deadlines do not run, the gap stays.
    pub held: bool,
    /// Of the order, for `If-Match`.
    pub version: Option<i64>,
    /// In its stage since, RFC 3339; all of pricing counts as one.
    pub since: Option<String>,
    /// What should have happened.
    pub expected: String,
    /// By when, RFC 3339.
    pub expected_by: Option<String>,
    /// Who has it, or had it last: an operator, a pricing worker or a carrier.
    pub holder: Option<String>,
    /// Pricing attempts lost or failed since the order came to pricing.
    pub failures: i64,
    /// The last step that was not the engine's timer.
    pub last_event: Option<LastEvent>,
    /// What else there is to say, and what to do where `allowed` cannot help.
    pub detail: Option<String>,
    /// RFC 3339.
    pub opened_at: String,
    /// RFC 3339; `None` while it is open.
    pub closed_at: Option<String>,
    /// The type of the event that closed it.
    pub closed_by: Option<String>,
    /// From opening to closing, in milliseconds; `None` while it is open.
    pub open_ms: Option<i64>,
    /// What the asker may ask of the order now; `endpoint_enable` and `endpoint_resend` are for whoever has the command line.
    pub allowed: Vec<String>,
}

/// A step of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastEvent {
    /// For example `PricingRequested`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The order's version with it.
    pub version: i64,
    /// RFC 3339.
    pub at: String,
}

/// Open gaps or closed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapState {
    /// Still open.
    #[default]
    Open,
    /// Closed.
    Closed,
    /// Both.
    All,
}

/// Which gaps. Nothing set: all that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct GapFilter {
    /// `open` unless given.
    #[param(inline, value_type = Option<GapState>)]
    pub state: GapState,
    /// Of this cause only.
    #[param(inline)]
    pub cause: Option<Cause>,
    /// In this public status only.
    #[param(value_type = Option<String>, example = "SUBMITTED")]
    pub status: Option<Status>,
    /// That this operator, pricing worker or carrier has or had.
    pub holder: Option<String>,
    /// `shop` or `partner`.
    #[param(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// Of this order only.
    #[param(value_type = Option<String>, format = "uuid")]
    pub order: Option<Uuid>,
    /// Opened before this time, RFC 3339.
    #[serde(deserialize_with = "time")]
    #[param(value_type = Option<String>, format = "date-time")]
    pub opened_before: Option<TimeMs>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl GapFilter {
    /// Whether gaps of this cause may be among them.
    pub fn asks_for(&self, cause: Cause) -> bool {
        self.cause.is_none_or(|wanted| wanted == cause)
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeMs>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
    Ok(Some(time.timestamp_millis()))
}
