//! `POST /crm/v1/orders/{id}/resume`: it goes on where it stood.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, desk};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Reason, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Sales, Terms};
use crate::problem::Refusal;

/// Lift the hold of an order
#[utoipa::path(
    post, path = "/crm/v1/orders/{id}/resume", operation_id = "crm_resume", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Reason,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn resume(
    State(gateway): State<Gateway>,
    Sales(actor): Sales,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    desk(&gateway, actor, terms).send(Ask::new(id, "resume", CommandData::ResumeOrder { reason })).await
}
