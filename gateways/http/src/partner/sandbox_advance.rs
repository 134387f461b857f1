//! `POST /partner/v1/sandbox/orders/{id}/advance`: the partner plays the works.

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

/// Where to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": "next"}))]
pub(crate) struct Advance {
    to: Step,
}

/// Which step is taken.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// The next one of the works, or of the carrier: claim, start, complete, pack, ship, deliver.
    Next,
}

/// Play the works
///
/// With a key of the sandbox: the order takes the next step of the works, from its approval on, until it is delivered.
/// What happens is what would happen to a real order. A real order is refused with 409. Without `Idempotency-Key` a
/// repetition is another step.
#[utoipa::path(
    post, path = "/partner/v1/sandbox/orders/{id}/advance", operation_id = "partner_sandbox_advance", tag = TAG,
    security(("partner" = [])), params(OrderPath, CommandParams), request_body = Advance,
    responses((status = 200, description = "One step further", body = Accepted), Guarded, Refusals),
)]
pub(crate) async fn advance(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Advance>,
) -> Result<Settled, Refusal> {
    let Advance { to: Step::Next } = body;
    partner(&gateway, &caller, terms).send(Ask::new(id, "advance", CommandData::AdvanceOrder {})).await
}
