//! `DELETE /partner/v1/webhooks/{id}`: remove an endpoint.

use axum::extract::State;
use axum::http::StatusCode;

use super::{EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::extract::{NoParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// Delete an endpoint
///
/// With everything that waits for it and its log. A message under way may still arrive.
#[utoipa::path(
    delete, path = "/partner/v1/webhooks/{id}", operation_id = "partner_webhooks_delete", tag = TAG, security(("partner" = [])),
    params(EndpointPath),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is a parameter", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    _: Query<NoParams>,
) -> Result<StatusCode, Refusal> {
    gateway.app.webhooks.delete(&account(&caller), id).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}
