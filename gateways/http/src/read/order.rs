//! One order and its history.

use atelier_projections::{Error, OrderView, SANDBOX, TimelineEntry};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::store_refusal;
use crate::app::Gateway;
use crate::command::etag;
use crate::problem::Refusal;

/// Read your own writes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitVersion {
    /// Wait until the read model has seen this version of the order, as the command's answer gave it.
    #[param(minimum = 1)]
    pub(crate) wait_version: Option<i64>,
}

/// The order, for whoever may see orders of `channel` (`None`: of any but partners' sandboxes).
///
/// # Errors
/// 404 when there is none, or none the caller may see; 503 when the read model is away, or has not
/// seen the version asked for. Of an order out of sight none ever has, and it is waited for as long: it looks
/// like one that is not there.
pub(crate) async fn find(gateway: &Gateway, order_id: Uuid, channel: Option<&str>, wait: &WaitVersion) -> Result<OrderView, Refusal> {
    let app = &gateway.app;
    let end = Instant::now() + app.config.wait_version_limit;
    let found = match wait.wait_version {
        Some(version) => app.queries.order_at(order_id, version, app.config.wait_version_limit).await,
        None => app.queries.order(order_id).await,
    };
    let hidden = match &found {
        Ok(Some(order)) => !in_sight(order, channel),
        Err(Error::Behind { have: 1.., .. }) => {
            let order = app.queries.order(order_id).await;
            !order.is_ok_and(|order| order.is_some_and(|order| in_sight(&order, channel)))
        }
        Ok(None) | Err(_) => false,
    };
    match (found, wait.wait_version) {
        (_, Some(wanted @ 1..)) if hidden => {
            tokio::time::sleep_until(end).await;
            Err(store_refusal(Error::Behind { wanted, have: 0 }).order(order_id))
        }
        (Ok(Some(order)), _) if !hidden => Ok(order),
        (Ok(_), _) => Err(Refusal::unknown_order(order_id)),
        (Err(error), _) => Err(store_refusal(error).order(order_id)),
    }
}

/// Whether it is one of the orders of `channel`, or, for `None`, of any but partners' sandboxes.
fn in_sight(order: &OrderView, channel: Option<&str>) -> bool {
    channel.map_or(order.channel != SANDBOX, |channel| order.channel == channel)
}

/// An order's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    order_id: Uuid,
    /// Oldest first; of more than 1,000 the newest.
    items: Vec<TimelineEntry>,
    /// Always null: there are no pages.
    next: Option<String>,
}

impl History {
    pub(crate) fn new(order_id: Uuid, items: Vec<TimelineEntry>) -> Self {
        Self { order_id, items, next: None }
    }
}

/// What happened to the order, oldest first.
pub(crate) async fn timeline(gateway: &Gateway, order_id: Uuid) -> Result<Vec<TimelineEntry>, Refusal> {
    gateway.app.queries.timeline(order_id).await.map_err(|error| store_refusal(error).order(order_id))
}

/// Nothing happens to an order in this status any more.
pub(crate) fn is_final(status: &str) -> bool {
    matches!(status, "CLOSED" | "CANCELLED")
}

/// An order as an answer: with its `ETag`, or 304 when the caller has this version.
pub(crate) struct Found(Response);

impl Found {
    pub(crate) fn new(order: OrderView, headers: &HeaderMap) -> Self {
        Self(fresh(headers, order.version, axum::Json(order)))
    }
}

/// The answer with the version as its `ETag`, or 304 when the caller has this version.
pub(crate) fn fresh(headers: &HeaderMap, version: i64, answer: impl IntoResponse) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|tags| names(tags, version));
    let tagged = [(ETAG, etag(version)), (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if known { (StatusCode::NOT_MODIFIED, tagged).into_response() } else { (tagged, answer).into_response() }
}

/// Whether a list of tags names the version; comparison is weak, as RFC 9110 has it for `If-None-Match`.
fn names(tags: &str, version: i64) -> bool {
    let tag = format!("\"{version}\"");
    tags.split(',').map(str::trim).any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

impl IntoResponse for Found {
    fn into_response(self) -> Response {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn tags_are_compared_weakly() {
        for (tags, known) in
            [("\"3\"", true), ("W/\"3\"", true), ("\"1\", \"3\"", true), ("*", true), ("\"33\"", false), ("3", false), ("", false)]
        {
            assert_eq!(names(tags, 3), known, "{tags}");
        }
    }
}
