//! `GET /mes/v1/orders/{id}`: the order as an operator sees it.

use atelier_projections::OrderView;
use axum::extract::State;
use axum::http::HeaderMap;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Bench, OrderId, OrderPath, Query};
use crate::problem::{Problem, Refusal};
use crate::read::{Found, WaitVersion, find};

/// Read an order
///
/// `allowed` lists what the caller may ask now.
#[utoipa::path(
    get, path = "/mes/v1/orders/{id}", operation_id = "mes_order", tag = TAG, security(("staff" = [])),
    params(OrderPath, WaitVersion),
    responses(
        (status = 200, description = "The order; its version is the `ETag`", body = OrderView),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away or has not seen the version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn order(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    Query(wait): Query<WaitVersion>,
    headers: HeaderMap,
) -> Result<Found, Refusal> {
    Ok(Found::new(find(&gateway, id, None, &wait).await?.seen_by(&actor.role), &headers))
}
