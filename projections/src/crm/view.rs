//! What a seller reads.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{Cause, Price};

/// An order in the sellers' lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CrmOrder {
    /// The order.
    #[schema(value_type = String, format = "uuid")]
    pub order_id: Uuid,
    /// Public status.
    pub status: String,
    /// 1, 2, 3 …
    pub version: i64,
    /// `shop` or `partner`.
    pub channel: String,
    /// The buyer's own name for it.
    pub reference: Option<String>,
    /// Personal data; partners' orders have none.
    pub customer: Option<CustomerView>,
    /// Once calculated.
    pub price: Option<Price>,
    /// On hold.
    pub held: bool,
    /// Why.
    pub hold_reason: Option<String>,
    /// What needs a person, oldest first.
    pub attention: Vec<String>,
    /// Since when without a break, RFC 3339.
    pub attention_since: Option<String>,
    /// The same as causes of the gaps it has open in the ledger.
    pub gaps: Vec<Cause>,
    /// When the next step is due, RFC 3339.
    pub due: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// What a seller may ask now.
    pub allowed: Vec<String>,
    /// Inner stage; does not leave the house.
    #[serde(skip)]
    #[schema(ignore)]
    pub stage: String,
}

/// Personal data. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerView {
    /// As given.
    pub name: String,
    /// As given.
    pub email: String,
}

impl std::fmt::Debug for CustomerView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomerView(redacted)")
    }
}

/// Which orders. Nothing set: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CrmFilter {
    /// A public status.
    pub status: Option<String>,
    /// `shop` or `partner`.
    pub channel: Option<String>,
    /// On hold, or not.
    pub held: Option<bool>,
    /// Part of the reference, upper and lower case alike; or a whole order id.
    pub text: Option<String>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}
