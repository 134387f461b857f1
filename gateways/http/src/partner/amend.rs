//! `PATCH /partner/v1/orders/{id}`: something else is to be made.

use atelier_schemas::CommandData;
use axum::extract::{FromRequestParts, Request, State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::guard::Partner;
use super::new_order::{ModelBody, model_of};
use super::parts::Guarded;
use super::{TAG, account, partner};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, OrderId, OrderPath, Terms, expect_json, optional_object, parse_json, read_within};
use crate::item::NewItem;
use crate::problem::{Code, Refusal};
use crate::validate::Check;

/// What is to be another; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"item": {"material": "gold-585", "quantity": 1, "finish": "matte"}}))]
pub(crate) struct Amendment {
    /// As a whole.
    #[serde(default, deserialize_with = "optional_object")]
    item: Option<NewItem>,
    #[serde(default, deserialize_with = "optional_object")]
    model: Option<ModelBody>,
}

/// Amend an order
///
/// Possible from its submission until its price is approved. It is priced anew, and a limit agreed to with the
/// order holds for the new price too. Without `Idempotency-Key` a repetition is another amendment: send one, or
/// `If-Match`.
#[utoipa::path(
    patch, path = "/partner/v1/orders/{id}", operation_id = "partner_amend", tag = TAG, security(("partner" = [])),
    params(OrderPath, CommandParams), request_body = Amendment,
    responses((status = 200, description = "Amended; it waits for its new price", body = Accepted), Guarded, Refusals),
)]
pub(crate) async fn amend(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OrderId(id): OrderId,
    request: Request,
) -> Result<Settled, Refusal> {
    let (mut parts, body) = request.into_parts();
    let terms = Terms::from_request_parts(&mut parts, &gateway).await?;
    expect_json(&parts.headers)?;
    let bytes = read_within(&gateway, &parts.headers, body, super::new_order::BODY_MAX_BYTES).await?;
    let Amendment { item, model } = parse_json(&bytes)?;
    if item.is_none() && model.is_none() {
        return Err(Refusal::field(Code::Invalid, "body", "amends nothing", "Send `item`, `model`, or both.").order(id));
    }
    if let Some(item) = &item {
        let mut check = Check::new();
        item.check(&mut check);
        check.done()?;
    }
    // Nothing is stored for an order that is not this partner's.
    if gateway.app.queries.known(&account(&caller), id).await.map_err(crate::read::store_refusal)?.is_none() {
        return Err(Refusal::unknown_order(id));
    }
    let model = match model {
        Some(model) => Some(model_of(&gateway, &caller.partner, model, terms.dry_run).await?),
        None => None,
    };
    let data = CommandData::AmendOrder { item: item.map(Into::into), model };
    partner(&gateway, &caller, terms).send(Ask::new(id, "amend", data)).await
}
