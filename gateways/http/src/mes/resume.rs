//! `POST /mes/v1/orders/{id}/resume`: it goes on where it stood.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Reason, Refusals, Settled};
use crate::extract::{Bench, CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Lift the hold of an order
#[utoipa::path(
    post, path = "/mes/v1/orders/{id}/resume", operation_id = "mes_resume", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Reason,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn resume(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    bench(&gateway, actor, terms).send(Ask::new(id, "resume", CommandData::ResumeOrder { reason })).await
}
