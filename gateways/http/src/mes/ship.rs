//! `POST /mes/v1/orders/{id}/ship`: the parcel leaves the house.

use atelier_schemas::CommandData;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{Bench, CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::Refusal;
use crate::validate::Check;

/// The parcel.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"carrier": "dhl", "tracking": "JD014600003"}))]
pub(crate) struct Parcel {
    /// Short name in lower case, as the carrier uses in its messages.
    carrier: String,
    /// The carrier's number of the parcel, 1 to 100 characters.
    tracking: String,
}

/// Hand an order to a carrier
///
/// The carrier's message about this parcel closes the order.
#[utoipa::path(
    post, path = "/mes/v1/orders/{id}/ship", operation_id = "mes_ship", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Parcel,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn ship(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Parcel>,
) -> Result<Settled, Refusal> {
    let mut check = Check::new();
    check.slug("carrier", &body.carrier, "dhl");
    check.text("tracking", &body.tracking, 100);
    check.done()?;
    bench(&gateway, actor, terms)
        .send(Ask::new(id, "ship", CommandData::ShipOrder { carrier: body.carrier, tracking: body.tracking }))
        .await
}
