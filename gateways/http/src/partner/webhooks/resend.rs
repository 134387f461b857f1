//! `POST /partner/v1/webhooks/{id}/resend`: send again.

use atelier_webhooks::Resend;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Bodied, EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::extract::{Json, NoParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Code, Problem, Refusal};
use crate::stamp;

/// Which messages: one by `event_id`, or all since a time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-01-02T03:04:05Z", "failed_only": true}))]
pub(crate) struct Again {
    /// The event of one message.
    #[serde(default)]
    event_id: Option<Uuid>,
    /// Of events at this time and later. RFC 3339.
    #[serde(default)]
    #[schema(format = "date-time")]
    since: Option<String>,
    /// With `since`: only those that were given up.
    #[serde(default)]
    failed_only: bool,
}

/// What is sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Resent {
    /// Messages.
    count: u64,
}

/// Send messages again
///
/// Under the same ids, of an order one after the other; what is pending anyway is sent now, also where nothing was
/// sent for a while because the endpoint failed. Old messages so come after newer ones: go by `sequence`. While one of
/// them does not arrive, its order's later ones wait behind it.
#[utoipa::path(
    post, path = "/partner/v1/webhooks/{id}/resend", operation_id = "partner_webhooks_resend", tag = TAG, security(("partner" = [])),
    params(EndpointPath), request_body = Again,
    responses(
        (status = 202, description = "They will be sent", body = Resent),
        (status = 404, description = "No endpoint or message of yours", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The endpoint is disabled", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something in it is not taken", body = Problem, content_type = "application/problem+json"),
        Bodied,
        Guarded,
    ),
)]
pub(crate) async fn resend(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    _: Query<NoParams>,
    Json(body): Json<Again>,
) -> Result<(axum::http::StatusCode, axum::Json<Resent>), Refusal> {
    let count = gateway.app.webhooks.resend(&account(&caller), id, which(&body)?).await.map_err(refusal)?;
    Ok((axum::http::StatusCode::ACCEPTED, axum::Json(Resent { count })))
}

fn which(body: &Again) -> Result<Resend, Refusal> {
    match (body.event_id, &body.since) {
        (Some(event_id), None) if !body.failed_only => Ok(Resend::One(event_id)),
        (None, Some(since)) => {
            let refused = || Refusal::field(Code::Invalid, "since", "is not a time", "Send RFC 3339, for example `2026-01-02T03:04:05Z`.");
            let since = stamp::parse(since).ok_or_else(refused)?;
            Ok(if body.failed_only { Resend::Failed(since) } else { Resend::Since(since) })
        }
        _ => Err(Refusal::field(
            Code::Invalid,
            "event_id",
            "or `since` must be given",
            "Send one of the two; `failed_only` goes with `since`.",
        )),
    }
}
