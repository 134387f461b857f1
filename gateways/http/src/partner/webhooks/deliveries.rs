//! `GET /partner/v1/webhooks/{id}/deliveries`: what was sent, and what came of it.

use atelier_webhooks::{Deliveries, DeliveryFilter};
use axum::extract::State;

use super::{EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::extract::Query;
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// List the messages to an endpoint
///
/// The latest message first, with the last answer to each. Delivered ones are kept for 30 days.
#[utoipa::path(
    get, path = "/partner/v1/webhooks/{id}/deliveries", operation_id = "partner_webhooks_deliveries", tag = TAG, security(("partner" = [])),
    params(EndpointPath, DeliveryFilter),
    responses(
        (status = 200, description = "A page", body = Deliveries),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn deliveries(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    Query(filter): Query<DeliveryFilter>,
) -> Result<axum::Json<Deliveries>, Refusal> {
    gateway.app.webhooks.deliveries(&account(&caller), id, &filter).await.map(axum::Json).map_err(refusal)
}
