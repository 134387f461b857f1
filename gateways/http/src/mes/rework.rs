//! `POST /mes/v1/orders/{id}/rework`: the piece has a defect.

use atelier_schemas::CommandData;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled, checked_reason};
use crate::extract::{Bench, CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// What is wrong with the piece.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"defect": "porous casting at the seam"}))]
pub(crate) struct Defect {
    /// 1 to 500 characters.
    defect: String,
}

/// Make an order again
#[utoipa::path(
    post, path = "/mes/v1/orders/{id}/rework", operation_id = "mes_rework", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Defect,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn rework(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Defect>,
) -> Result<Settled, Refusal> {
    let defect = checked_reason("defect", body.defect)?;
    bench(&gateway, actor, terms).send(Ask::new(id, "rework", CommandData::ReworkOrder { defect })).await
}
