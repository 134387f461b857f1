//! `GET /partner/v1/webhooks/{id}`: one endpoint.

use atelier_webhooks::Endpoint;
use axum::extract::State;

use super::{EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// Read an endpoint
#[utoipa::path(
    get, path = "/partner/v1/webhooks/{id}", operation_id = "partner_webhook", tag = TAG, security(("partner" = [])),
    params(EndpointPath),
    responses(
        (status = 200, description = "The endpoint, and how it is doing", body = Endpoint),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn endpoint(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
) -> Result<axum::Json<Endpoint>, Refusal> {
    gateway.app.webhooks.get(&account(&caller), id).await.map(axum::Json).map_err(refusal)
}
