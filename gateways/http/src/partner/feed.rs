//! `GET /partner/v1/feed`: every change of the partner's orders, to catch up with.

use std::time::Duration;

use atelier_projections::{FeedCursor, FeedEntry};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, account};
use crate::app::Gateway;
use crate::extract::Query;
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;
use crate::validate::Check;

/// Entries at once unless asked for fewer.
const DEFAULT: u32 = 100;
const MOST: u32 = 500;
/// The longest wait for something to happen.
const WAIT_MAX_S: u32 = 30;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedParams {
    /// `next` of the answer before; left out: from the first order on.
    cursor: Option<String>,
    /// 1 to 500, 100 when not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Where there is nothing new, wait so many seconds for it, at most 30.
    #[param(minimum = 0, maximum = 30)]
    wait_s: Option<u32>,
}

/// What happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeedPage {
    /// Those of one order in their order; of several, as they were told.
    items: Vec<FeedEntry>,
    /// Where to go on, also when there was nothing. Keep it with what was done about the items.
    next: String,
}

/// Catch up
///
/// The same changes as the webhooks, under the same ids: whoever lost some reads them here. Nothing is ever skipped. An
/// entry comes again to whoever asks with the same cursor again and, should the works have to restore what they show, to
/// others too, under the same `event_id`.
#[utoipa::path(
    get, path = "/partner/v1/feed", operation_id = "partner_feed", tag = TAG, security(("partner" = [])),
    params(FeedParams),
    responses(
        (status = 200, description = "The changes after the cursor", body = FeedPage),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn feed(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    Query(params): Query<FeedParams>,
) -> Result<axum::Json<FeedPage>, Refusal> {
    let (limit, wait_s) = (params.limit.unwrap_or(DEFAULT), params.wait_s.unwrap_or(0));
    let mut check = Check::new();
    check.range("limit", limit, 1, MOST);
    check.range("wait_s", wait_s, 0, WAIT_MAX_S);
    check.done()?;
    let cursor = params.cursor.as_deref().map_or_else(|| Ok(FeedCursor::default()), FeedCursor::decode).map_err(store_refusal)?;
    let wait = Duration::from_secs(wait_s.into());
    let account = account(&caller);
    let asked = gateway.app.queries.feed(&account, &cursor, limit as usize, wait);
    let (items, next) = tokio::select! {
        found = asked => found.map_err(store_refusal)?,
        // A process that ends does not keep its callers waiting.
        () = gateway.app.stop.cancelled() => (Vec::new(), cursor),
    };
    Ok(axum::Json(FeedPage { items, next: next.encode() }))
}
