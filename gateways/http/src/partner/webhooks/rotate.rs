//! `POST /partner/v1/webhooks/{id}/rotate`: another secret.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Bodied, EndpointId, EndpointPath, Revealed, TAG, refusal, revealed};
use crate::app::Gateway;
use crate::extract::{JsonOrNothing, NoParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// How the old secret ends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_s": 86400}))]
pub(crate) struct Rotation {
    /// Messages are signed with both secrets for so long: 0 to 604800, a day when left out.
    #[serde(default)]
    overlap_s: Option<i64>,
}

/// Change the secret of an endpoint
///
/// The new one is in this answer and is not shown again. Where an older secret is being signed with already, it goes on to
/// be until it was to end, or `overlap_s` says sooner, and the one in between ends: so a call whose answer was lost can be
/// repeated.
#[utoipa::path(
    post, path = "/partner/v1/webhooks/{id}/rotate", operation_id = "partner_webhooks_rotate", tag = TAG, security(("partner" = [])),
    params(EndpointPath), request_body = Option<Rotation>,
    responses(
        (status = 200, description = "The endpoint and its new secret", body = Revealed),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something in it is not taken", body = Problem, content_type = "application/problem+json"),
        Bodied,
        Guarded,
    ),
)]
pub(crate) async fn rotate(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    _: Query<NoParams>,
    JsonOrNothing(body): JsonOrNothing<Rotation>,
) -> Result<Response, Refusal> {
    let (endpoint, secret) = gateway.app.webhooks.rotate(&account(&caller), id, body.overlap_s).await.map_err(refusal)?;
    Ok(revealed(StatusCode::OK, endpoint, Some(&secret)))
}
