//! `GET /shop/v1/orders/{id}`: the order as it stands.

use atelier_projections::OrderView;
use axum::extract::State;
use axum::http::HeaderMap;

use super::{CHANNEL, TAG};
use crate::app::Gateway;
use crate::extract::{OrderId, OrderPath, Query};
use crate::problem::{Problem, Refusal};
use crate::read::{Found, WaitVersion, find};

/// Read an order
///
/// `allowed` lists what the customer may ask now.
#[utoipa::path(
    get, path = "/shop/v1/orders/{id}", operation_id = "shop_order", tag = TAG,
    params(OrderPath, WaitVersion, ("If-None-Match" = Option<String>, Header, description = "Answer 304 when the order is still at this `ETag`")),
    responses(
        (status = 200, description = "The order; its version is the `ETag`", body = OrderView),
        (status = 304, description = "Still at the version in `If-None-Match`"),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away or has not seen the version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn order(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    Query(wait): Query<WaitVersion>,
    headers: HeaderMap,
) -> Result<Found, Refusal> {
    Ok(Found::new(find(&gateway, id, Some(CHANNEL), &wait).await?.seen_by("customer"), &headers))
}
