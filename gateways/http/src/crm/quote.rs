//! `POST /crm/v1/orders/{id}/quote`: where pricing could not, or should not.

use atelier_schemas::{CommandData, Money};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TAG, desk};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Sales, Terms, object};
use crate::money::MoneyBody;
use crate::problem::{Code, Refusal};
use crate::validate::{Check, REASON_MAX_CHARS};

/// A price for the whole order, all pieces, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"price": {"amount": "123.40", "currency": "EUR"}, "reason": "hand-set stones"}))]
pub(crate) struct ManualQuote {
    #[serde(deserialize_with = "object")]
    price: MoneyBody,
    /// 1 to 500 characters.
    reason: String,
}

impl ManualQuote {
    fn checked(&self) -> Result<Money, Refusal> {
        let mut check = Check::new();
        let price = self.price.checked("price", &mut check);
        check.text("reason", &self.reason, REASON_MAX_CHARS);
        check.done()?;
        price.ok_or_else(|| Refusal::field(Code::Invalid, "price", "is not an amount", "Send text like `\"123.40\"`."))
    }
}

/// Set the price of an order by hand
#[utoipa::path(
    post, path = "/crm/v1/orders/{id}/quote", operation_id = "crm_quote", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = ManualQuote,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn quote(
    State(gateway): State<Gateway>,
    Sales(actor): Sales,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<ManualQuote>,
) -> Result<Settled, Refusal> {
    let price = body.checked()?;
    desk(&gateway, actor, terms).send(Ask::new(id, "quote", CommandData::QuoteOrder { price, reason: body.reason })).await
}
