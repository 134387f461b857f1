//! `POST /shop/v1/orders`: a new order.

use atelier_schemas::CommandData;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{BASE, CHANNEL, TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, create_command_id, order_id_of};
use crate::extract::{CreateKey, CreateParams, Json, object};
use crate::item::{NewCustomer, NewItem};
use crate::problem::Refusal;
use crate::validate::Check;

/// What is ordered, and by whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "customer": {"name": "Jane Roe", "email": "jane@example.org"},
    "item": {"material": "silver-925", "quantity": 1, "finish": "polished"}
}))]
pub(crate) struct NewOrder {
    #[serde(deserialize_with = "object")]
    customer: NewCustomer,
    #[serde(deserialize_with = "object")]
    item: NewItem,
}

impl NewOrder {
    fn checked(self) -> Result<CommandData, Refusal> {
        let mut check = Check::new();
        self.customer.check(&mut check);
        self.item.check(&mut check);
        check.done()?;
        Ok(CommandData::CreateOrder {
            channel: CHANNEL.into(),
            client: CHANNEL.into(),
            reference: None,
            customer: Some(self.customer.into()),
            item: self.item.into(),
        })
    }
}

/// Create an order
///
/// `Idempotency-Key` is required. The same key and body give the same order and answer for ever; the
/// same key with another body is refused with 422.
#[utoipa::path(
    post, path = "/shop/v1/orders", operation_id = "shop_create", tag = TAG,
    params(CreateParams), request_body = NewOrder,
    responses(
        (status = 201, description = "Created; `Location` and `ETag` are set", body = Accepted),
        (status = 200, description = "Dry run: what would happen", body = Accepted),
        Refusals,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    CreateKey(key, terms): CreateKey,
    Json(body): Json<NewOrder>,
) -> Result<Response, Refusal> {
    let data = body.checked()?;
    let order_id = order_id_of(CHANNEL, &key);
    let ask = Ask::new(order_id, "create", data).with_command_id(create_command_id(order_id));
    Ok(customer(&gateway, terms).send(ask).await?.created(BASE))
}
