//! `POST /partner/v1/orders/{id}/accept`: the price is approved.

use atelier_schemas::CommandData;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, partner};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Terms, object};
use crate::money::MoneyBody;
use crate::problem::Refusal;
use crate::validate::Check;

/// The price the partner has seen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"price": {"amount": "123.40", "currency": "EUR"}}))]
pub(crate) struct Acceptance {
    #[serde(deserialize_with = "object")]
    price: MoneyBody,
}

/// Accept the price
///
/// The order is made from now on. The price accepted must be the order's: one that changed meanwhile is
/// refused with 422.
#[utoipa::path(
    post, path = "/partner/v1/orders/{id}/accept", operation_id = "partner_accept", tag = TAG, security(("partner" = [])),
    params(OrderPath, CommandParams), request_body = Acceptance,
    responses((status = 200, description = "Approved", body = Accepted), Guarded, Refusals),
)]
pub(crate) async fn accept(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Acceptance>,
) -> Result<Settled, Refusal> {
    let mut check = Check::new();
    let price = body.price.checked("price", &mut check);
    check.done()?;
    let Some(price) = price else { return Err(Refusal::unknown_order(id)) };
    partner(&gateway, &caller, terms).send(Ask::new(id, "accept", CommandData::AcceptQuote { price })).await
}
