//! `POST /partner/v1/keys`: a second key, to change over to, or one of the sandbox.

use atelier_partners::Mode;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::guard::{Partner, accounts_away};
use super::parts::Guarded;
use super::{TAG, account};
use crate::app::Gateway;
use crate::command::key_request_id;
use crate::extract::{JsonOrNothing, NoParams, OnceKey, OnceParams, Query};
use crate::problem::{Code, Problem, Refusal};
use crate::stamp;

/// What the key is to open.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"sandbox": true}))]
pub(crate) struct KeyWish {
    /// The sandbox: its orders are priced and never made. Left out: what the key of this request opens.
    sandbox: Option<bool>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewPartnerKey {
    /// The key itself. It is shown this once.
    #[schema(example = "atl_k7b2mq4xw3ah_…")]
    key: String,
    /// Its public part.
    key_id: String,
    /// It opens the sandbox only.
    sandbox: bool,
    /// RFC 3339.
    created_at: String,
}

/// Make a key
///
/// Two may live at once, and two of the sandbox: make the second, change over, revoke the first. A third is refused with
/// 409. A key of the sandbox makes keys of the sandbox only. A key cannot be shown again: where the answer was lost, the same
/// request under the same `Idempotency-Key` revokes what it has made and makes another, unless that was used meanwhile.
#[utoipa::path(
    post, path = "/partner/v1/keys", operation_id = "partner_key_create", tag = TAG, security(("partner" = [])),
    params(OnceParams), request_body = Option<KeyWish>,
    responses(
        (status = 201, description = "Made; the only time the key is shown", body = NewPartnerKey),
        (status = 400, description = "Malformed header or JSON", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A key of the sandbox asks for one that opens more", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Two keys live already", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not known, or the request has made a key that is in use", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OnceKey(once): OnceKey,
    _: Query<NoParams>,
    JsonOrNothing(wish): JsonOrNothing<KeyWish>,
) -> Result<Response, Refusal> {
    let app = &gateway.app;
    let mode = wish.sandbox.map_or(caller.mode, Mode::of);
    if caller.mode.is_sandbox() && !mode.is_sandbox() {
        let fix = "Ask with a key that opens more, or leave it out.";
        return Err(Refusal::field(Code::Forbidden, "sandbox", "is false, and this key opens the sandbox only", fix));
    }
    let (random, now) = ((app.random)(), (app.clock)());
    let made = match once.map(|key| key_request_id(&account(&caller), &key).to_string()) {
        Some(request) => app.accounts.create_key_once(&caller.partner, mode, &request, &random, now).await,
        None => app.accounts.create_key(&caller.partner, mode, None, &random, now).await,
    };
    let made = made.map_err(|error| match error {
        error @ atelier_partners::Error::TooManyKeys { .. } => {
            Refusal::new(Code::TooManyKeys, format!("{error}: DELETE /partner/v1/keys/{{id}}."))
        }
        atelier_partners::Error::KeyInUse { key_id } => {
            let fix = "Go on with that key, or send another `Idempotency-Key` for one more.";
            Refusal::field(Code::KeyReused, "Idempotency-Key", format!("has made the key {key_id}, which is in use"), fix)
        }
        error => accounts_away(error),
    })?;
    let (sandbox, key_id) = (made.mode.is_sandbox(), made.key.id().to_owned());
    let body = NewPartnerKey { key: made.key.reveal(), key_id, sandbox, created_at: stamp::text(made.created_at) };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response())
}
