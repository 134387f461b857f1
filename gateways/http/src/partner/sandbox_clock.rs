//! `POST /partner/v1/sandbox/orders/{id}/clock`: time passes for one order.

use atelier_schemas::CommandData;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, partner};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// How long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"by_seconds": 86400}))]
pub(crate) struct Leap {
    /// 1 to 31622400: a year.
    #[schema(minimum = 1, maximum = 31622400)]
    by_seconds: u32,
}

/// Let time pass
///
/// With a key of the sandbox: whatever happened to the order is so much longer ago, and deadlines that pass by it are
/// missed as those of a real order would be. A real order is refused with 409. Without `Idempotency-Key` a repetition is
/// another leap.
#[utoipa::path(
    post, path = "/partner/v1/sandbox/orders/{id}/clock", operation_id = "partner_sandbox_clock", tag = TAG,
    security(("partner" = [])), params(OrderPath, CommandParams), request_body = Leap,
    responses((status = 200, description = "So much later; what follows from that is written in a moment", body = Accepted), Guarded, Refusals),
)]
pub(crate) async fn clock(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Leap>,
) -> Result<Settled, Refusal> {
    let by_ms = i64::from(body.by_seconds) * 1000;
    partner(&gateway, &caller, terms).send(Ask::new(id, "clock", CommandData::AdvanceClock { by_ms })).await
}
