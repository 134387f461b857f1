//! `POST /crm/v1/orders/{id}/approve`: it may be made.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, desk};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, OptionalReason, Refusals, Settled};
use crate::extract::{CommandParams, JsonOrNothing, OrderId, OrderPath, Sales, Terms};
use crate::problem::Refusal;

/// Approve an order
#[utoipa::path(
    post, path = "/crm/v1/orders/{id}/approve", operation_id = "crm_approve", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Option<OptionalReason>,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn approve(
    State(gateway): State<Gateway>,
    Sales(actor): Sales,
    OrderId(id): OrderId,
    terms: Terms,
    JsonOrNothing(body): JsonOrNothing<OptionalReason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    desk(&gateway, actor, terms).send(Ask::new(id, "approve", CommandData::ApproveOrder { reason })).await
}
