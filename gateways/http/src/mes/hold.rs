//! `POST /mes/v1/orders/{id}/hold`: it waits, for a reason.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Reason, Refusals, Settled};
use crate::extract::{Bench, CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Put an order on hold
#[utoipa::path(
    post, path = "/mes/v1/orders/{id}/hold", operation_id = "mes_hold", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Reason,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn hold(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    bench(&gateway, actor, terms).send(Ask::new(id, "hold", CommandData::HoldOrder { reason })).await
}
