//! `POST /partner/v1/keys`: a second key, to change over to.

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use super::guard::{Partner, accounts_away};
use super::parts::Guarded;
use crate::app::Gateway;
use crate::extract::{JsonOrNothing, Nothing};
use crate::problem::{Code, Problem, Refusal};
use crate::stamp;

/// A new key.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewPartnerKey {
    /// The key itself. It is shown this once.
    #[schema(example = "atl_k7b2mq4xw3ah_…")]
    key: String,
    /// Its public part.
    key_id: String,
    /// RFC 3339.
    created_at: String,
}

/// Make a key
///
/// Two may live at once: make the second, change over, revoke the first. A third is refused with 409.
#[utoipa::path(
    post, path = "/partner/v1/keys", operation_id = "partner_key_create", tag = TAG, security(("partner" = [])),
    request_body = Option<Nothing>,
    responses(
        (status = 201, description = "Made; the only time the key is shown", body = NewPartnerKey),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Two keys live already", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not known", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    _: JsonOrNothing<Nothing>,
) -> Result<Response, Refusal> {
    let app = &gateway.app;
    let made = app.accounts.create_key(&caller.partner, None, &(app.random)(), (app.clock)()).await.map_err(|error| match error {
        error @ atelier_partners::Error::TooManyKeys { .. } => {
            Refusal::new(Code::TooManyKeys, format!("{error}: DELETE /partner/v1/keys/{{id}}."))
        }
        error => accounts_away(error),
    })?;
    let body = NewPartnerKey { key: made.key.reveal(), key_id: made.key.id().to_owned(), created_at: stamp::text(made.created_at) };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response())
}
