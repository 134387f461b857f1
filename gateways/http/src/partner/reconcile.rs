//! `POST /partner/v1/reconcile`: what the partner believes against what is so.

use atelier_projections::feed::{Difference, Given, Known};
use axum::extract::{FromRequestParts, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::guard::Partner;
use super::parts::{Guarded, REFERENCE_MAX};
use super::{TAG, account};
use crate::app::Gateway;
use crate::extract::{NoParams, Query, expect_json, parse_json, read_within};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;
use crate::stamp;
use crate::validate::Check;

/// Orders in one question.
const ORDERS_MAX: usize = 1000;
/// Each has an id or a reference and a version.
const BODY_MAX_BYTES: usize = 512 * 1024;

/// What the partner believes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"orders": [{"reference": "PO-2026-0017", "version": 4}], "since": "2026-11-01T00:00:00Z"}))]
pub(crate) struct Beliefs {
    /// At most 1000.
    #[schema(max_items = 1000)]
    orders: Vec<Belief>,
    /// Also name orders created then or later that are not in the list, RFC 3339.
    #[serde(default)]
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// One order.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Belief {
    /// The order, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<Uuid>,
    /// the partner's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// The version seen last, as the feed, a webhook or an answer gave it.
    version: i64,
}

/// An order as it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fact {
    order_id: Uuid,
    reference: Option<String>,
    status: String,
    /// Of the last change that was shown: the version the partner should know.
    version: i64,
}

/// Where the two sides disagree.
#[derive(Serialize, ToSchema)]
pub(crate) struct Disagreement {
    /// As given.
    yours: Belief,
    ours: Fact,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reconciliation {
    /// Another version is the last one.
    differing: Vec<Disagreement>,
    /// No orders of this partner.
    unknown: Vec<Belief>,
    /// Orders the partner did not name, created since `since`; oldest first, at most 1000.
    missing: Vec<Fact>,
    /// There may be more missing: ask again with a later `since`.
    missing_cut: bool,
}

/// Reconcile
///
/// Up to 1000 orders with the versions seen last; the answer names what differs. An order agrees when the
/// version is that of its last change shown, or a later one.
#[utoipa::path(
    post, path = "/partner/v1/reconcile", operation_id = "partner_reconcile", tag = TAG, security(("partner" = [])),
    request_body = Beliefs,
    responses(
        (status = 200, description = "The differences", body = Reconciliation),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not valid, or there are more than 1000 orders", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn reconcile(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    request: Request,
) -> Result<axum::Json<Reconciliation>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Query(NoParams {}) = Query::from_request_parts(&mut parts, &gateway).await?;
    expect_json(&parts.headers)?;
    let bytes = read_within(&gateway, &parts.headers, body, BODY_MAX_BYTES).await?;
    let beliefs: Beliefs = parse_json(&bytes)?;
    let since = beliefs.checked()?;
    let given = beliefs.orders.into_iter().map(Given::from).collect();
    let found = gateway.app.queries.reconcile(&account(&caller), given, since).await.map_err(store_refusal)?;
    Ok(axum::Json(Reconciliation {
        differing: found.differing.into_iter().map(Disagreement::from).collect(),
        unknown: found.unknown.into_iter().map(Belief::from).collect(),
        missing: found.missing.into_iter().map(Fact::from).collect(),
        missing_cut: found.missing_cut,
    }))
}

impl Beliefs {
    /// The time of `since`, if all is well.
    fn checked(&self) -> Result<Option<i64>, Refusal> {
        let mut check = Check::new();
        if self.orders.len() > ORDERS_MAX {
            check.fault("orders", format!("has {} orders", self.orders.len()), format!("Send at most {ORDERS_MAX} at a time."));
        }
        for (at, belief) in self.orders.iter().take(ORDERS_MAX).enumerate() {
            match (&belief.order_id, &belief.reference) {
                (Some(_), None) => {}
                (None, Some(reference)) => check.text(&format!("orders[{at}].reference"), reference, REFERENCE_MAX),
                _ => check.fault(&format!("orders[{at}]"), "does not name one order", "Send either `order_id` or `reference`."),
            }
        }
        let since = self.since.as_deref().map(stamp::parse);
        if since == Some(None) {
            check.fault("since", "is not a time", "Send RFC 3339, for example `2026-11-01T00:00:00Z`.");
        }
        check.done().map(|()| since.flatten())
    }
}

impl From<Belief> for Given {
    fn from(belief: Belief) -> Self {
        Self { order_id: belief.order_id, reference: belief.reference, version: belief.version }
    }
}

impl From<Given> for Belief {
    fn from(given: Given) -> Self {
        Self { order_id: given.order_id, reference: given.reference, version: given.version }
    }
}

impl From<Known> for Fact {
    fn from(known: Known) -> Self {
        Self { order_id: known.order_id, reference: known.reference, status: known.status, version: known.seen_version }
    }
}

impl From<Difference> for Disagreement {
    fn from(difference: Difference) -> Self {
        Self { yours: difference.given.into(), ours: difference.known.into() }
    }
}
