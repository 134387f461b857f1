//! `POST /shop/v1/orders/{id}/submit`: hand it in to be priced.

use atelier_schemas::CommandData;
use axum::extract::State;

use super::{TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, JsonOrNothing, Nothing, OrderId, OrderPath, Terms};
use crate::problem::Refusal;

/// Submit an order
///
/// It needs a model first. Pricing starts at once.
#[utoipa::path(
    post, path = "/shop/v1/orders/{id}/submit", operation_id = "shop_submit", tag = TAG,
    params(OrderPath, CommandParams), request_body = Option<Nothing>,
    responses((status = 200, description = "Submitted", body = Accepted), Refusals),
)]
pub(crate) async fn submit(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    terms: Terms,
    _: JsonOrNothing<Nothing>,
) -> Result<Settled, Refusal> {
    customer(&gateway, terms).send(Ask::new(id, "submit", CommandData::SubmitOrder {})).await
}
