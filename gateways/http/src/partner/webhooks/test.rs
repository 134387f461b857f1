//! `POST /partner/v1/webhooks/{id}/test`: try an endpoint.

use atelier_webhooks::Tested;
use axum::extract::State;

use super::{EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::extract::{NoParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// Send a test message
///
/// Of the type `webhook.test`, signed like any other, and wait for the answer, at most 15 s. It counts
/// neither for nor against the endpoint. Too many tests at once are refused with 503.
#[utoipa::path(
    post, path = "/partner/v1/webhooks/{id}/test", operation_id = "partner_webhooks_test", tag = TAG, security(("partner" = [])),
    params(EndpointPath),
    responses(
        (status = 200, description = "How it went", body = Tested),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is a parameter", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn test(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    _: Query<NoParams>,
) -> Result<axum::Json<Tested>, Refusal> {
    gateway.app.webhooks.test(&account(&caller), id).await.map(axum::Json).map_err(refusal)
}
