//! What a partner reads.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{ItemView, Price};

/// An order of one partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartnerOrder {
    /// The order.
    #[schema(value_type = String, format = "uuid")]
    pub order_id: Uuid,
    /// The partner's own name for it.
    pub reference: Option<String>,
    /// Public status.
    pub status: String,
    /// 1, 2, 3 …
    pub version: i64,
    /// Version of the change before the last one in the feed: another status, price or hold, or an amendment; 0 when
    /// there was one only.
    pub previous_version: i64,
    /// On hold.
    pub held: bool,
    /// What needs a person at the works, oldest first.
    pub attention: Vec<String>,
    /// What is made.
    pub item: ItemView,
    /// Once calculated.
    pub price: Option<Price>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// What the partner may ask now.
    pub allowed: Vec<String>,
    /// Inner stage; does not leave the house.
    #[serde(skip)]
    #[schema(ignore)]
    pub stage: String,
}

/// Which orders. Nothing set: all of the partner's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PartnerFilter {
    /// A public status.
    pub status: Option<String>,
    /// Exactly this reference.
    pub reference: Option<String>,
    /// Created then or later, RFC 3339.
    #[serde(deserialize_with = "crate::show::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub created_since: Option<i64>,
    /// Changed then or later, RFC 3339. With it the list is by the time of the last change, oldest first; an
    /// order that changes meanwhile comes again, at its new place.
    #[serde(deserialize_with = "crate::show::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub updated_since: Option<i64>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}
