//! `POST /shop/v1/orders/{id}/cancel`: the customer has changed their mind.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Reason, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Cancel an order
///
/// Possible until it is approved; a seller can cancel later.
#[utoipa::path(
    post, path = "/shop/v1/orders/{id}/cancel", operation_id = "shop_cancel", tag = TAG,
    params(OrderPath, CommandParams), request_body = Reason,
    responses((status = 200, description = "Cancelled", body = Accepted), Refusals),
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    customer(&gateway, terms).send(Ask::new(id, "cancel", CommandData::CancelOrder { reason })).await
}
