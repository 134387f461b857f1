//! `POST /partner/v1/orders/{id}/cancel`: it is not wanted any more.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, partner};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Reason, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Cancel an order
///
/// Possible until its price is approved.
#[utoipa::path(
    post, path = "/partner/v1/orders/{id}/cancel", operation_id = "partner_cancel", tag = TAG, security(("partner" = [])),
    params(OrderPath, CommandParams), request_body = Reason,
    responses((status = 200, description = "Cancelled", body = Accepted), Guarded, Refusals),
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    partner(&gateway, &caller, terms).send(Ask::new(id, "cancel", CommandData::CancelOrder { reason })).await
}
