//! `POST /mes/v1/orders/{id}/start`: an operator begins.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{Bench, CommandParams, JsonOrNothing, Nothing, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Start the work on an order
///
/// Only who has claimed it can.
#[utoipa::path(
    post, path = "/mes/v1/orders/{id}/start", operation_id = "mes_start", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Option<Nothing>,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn start(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    terms: Terms,
    _: JsonOrNothing<Nothing>,
) -> Result<Settled, Refusal> {
    bench(&gateway, actor, terms).send(Ask::new(id, "start", CommandData::StartWork {})).await
}
