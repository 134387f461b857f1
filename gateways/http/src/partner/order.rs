//! `GET /partner/v1/orders/{id}`: an order of the partner's.

use atelier_projections::PartnerOrder;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, account};
use crate::app::Gateway;
use crate::extract::{OrderId, OrderPath, Query};
use crate::problem::{Problem, Refusal};
use crate::read::{WaitVersion, fresh, store_refusal};

/// Read an order
///
/// `allowed` lists what the partner may ask now.
#[utoipa::path(
    get, path = "/partner/v1/orders/{id}", operation_id = "partner_order", tag = TAG, security(("partner" = [])),
    params(OrderPath, WaitVersion, ("If-None-Match" = Option<String>, Header, description = "Answer 304 when the order is still at this `ETag`")),
    responses(
        (status = 200, description = "The order; its version is the `ETag`", body = PartnerOrder),
        (status = 304, description = "Still at the version in `If-None-Match`"),
        (status = 404, description = "No order of this partner", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn order(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    Query(wait): Query<WaitVersion>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let limit = gateway.app.config.wait_version_limit;
    let wanted = wait.wait_version.unwrap_or(0);
    let found = gateway.app.queries.partner_order_at(&account(&caller), id, wanted, limit).await;
    let order: PartnerOrder = found.map_err(|error| store_refusal(error).order(id))?.ok_or_else(|| Refusal::unknown_order(id))?;
    Ok(fresh(&headers, order.version, axum::Json(order)).into_response())
}
