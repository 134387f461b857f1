//! `POST /partner/v1/webhooks`: a new endpoint.

use atelier_webhooks::Wish;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Bodied, Revealed, TAG, refusal, revealed};
use crate::app::Gateway;
use crate::extract::{Json, NoParams, OnceKey, OnceParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// A new endpoint.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://partner.example.org/atelier", "events": ["order.status_changed"], "description": "production"}))]
pub(crate) struct NewEndpoint {
    /// https, reachable from the internet, without user name, password and fragment; at most 2,048 bytes.
    url: String,
    /// `order.created`, `order.status_changed`, `order.price_changed`, `order.held`, `order.resumed`, `order.amended`; none: all.
    #[serde(default)]
    events: Vec<String>,
    /// For people, at most 200 characters.
    #[serde(default)]
    description: String,
}

/// Add an endpoint
///
/// It is sent what happens to your orders from now on, signed with the secret in this answer, which is not
/// shown again. At most 16. With an `Idempotency-Key` the same request makes one endpoint, however often it is sent, for as
/// long as that is not deleted; its secret is shown again for an hour.
#[utoipa::path(
    post, path = "/partner/v1/webhooks", operation_id = "partner_webhooks_create", tag = TAG, security(("partner" = [])),
    params(OnceParams), request_body = NewEndpoint,
    responses(
        (status = 201, description = "The endpoint and its secret", body = Revealed),
        (status = 409, description = "No more endpoints", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something in it is not taken, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        Bodied,
        Guarded,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    OnceKey(once): OnceKey,
    _: Query<NoParams>,
    Json(body): Json<NewEndpoint>,
) -> Result<Response, Refusal> {
    let wish = Wish { url: Some(body.url), events: Some(body.events), description: Some(body.description), enabled: None };
    let (webhooks, account) = (&gateway.app.webhooks, account(&caller));
    let Some(key) = once else {
        let (endpoint, secret) = webhooks.create(&account, wish).await.map_err(refusal)?;
        return Ok(revealed(StatusCode::CREATED, endpoint, Some(&secret)));
    };
    let made = webhooks.create_once(&account, &key, wish).await.map_err(refusal)?;
    let mut response = revealed(StatusCode::CREATED, made.endpoint, made.secret.as_ref());
    if made.repeated {
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    Ok(response)
}
