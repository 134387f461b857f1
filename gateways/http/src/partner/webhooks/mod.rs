//! `/partner/v1/webhooks`: where a partner's messages go.
//!
//! What holds of endpoints and deliveries is in `atelier-webhooks`; here is how it is asked for.

mod create;
mod delete;
mod deliveries;
mod endpoint;
mod list;
mod resend;
mod rotate;
mod test;
mod update;

use atelier_webhooks::{Refused, Secret};
use axum::extract::FromRequestParts;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::TAG;
use crate::app::Gateway;
use crate::problem::{Code, Problem, Refusal};

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(endpoint::endpoint, update::update, delete::delete))
        .routes(routes!(rotate::rotate))
        .routes(routes!(test::test))
        .routes(routes!(deliveries::deliveries))
        .routes(routes!(resend::resend))
}

/// The `{id}` of an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct EndpointId(Uuid);

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct EndpointPath {
    /// The endpoint's id.
    id: Uuid,
}

impl FromRequestParts<Gateway> for EndpointId {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let text = axum::extract::Path::<String>::from_request_parts(parts, gateway).await.map(|path| path.0).unwrap_or_default();
        match Uuid::try_parse(&text) {
            Ok(id) if text.len() == 36 => Ok(Self(id)),
            _ => Err(refusal(Refused::Unknown)),
        }
    }
}

/// An endpoint's secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revealed {
    /// The endpoint.
    #[serde(flatten)]
    endpoint: atelier_webhooks::Endpoint,
    /// `whsec_…`: verify messages with it. Keep it, it is not shown again; but for a repetition of the request that made
    /// the endpoint, under its `Idempotency-Key` and within an hour. Null in a later one: rotate for another.
    secret: Option<String>,
}

/// What an address that takes a body can answer besides; for the document.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(crate) enum Bodied {
    /// Not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Not announced as JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
}

/// An answer that nothing on the way may keep: there is a secret in it.
fn revealed(status: StatusCode, endpoint: atelier_webhooks::Endpoint, secret: Option<&Secret>) -> Response {
    let body = Revealed { endpoint, secret: secret.map(Secret::reveal) };
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response()
}

/// What the partner cannot have.
fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Unknown => {
            Refusal::new(Code::UnknownEndpoint, "There is no such endpoint or message. `GET /partner/v1/webhooks` lists yours.")
        }
        Refused::Field { field, message, fix } => Refusal::field(Code::Invalid, field, message, fix),
        Refused::OtherRequest => {
            let fix = "Send the first request again exactly, or another key.";
            Refusal::field(Code::KeyReused, "Idempotency-Key", "was used before with another payload", fix)
        }
        Refused::TooMany(most) => {
            Refusal::new(Code::TooManyEndpoints, format!("You have {most} endpoints, which is the most. Delete one first."))
        }
        Refused::Disabled => {
            Refusal::new(Code::EndpointDisabled, "The endpoint is disabled. Enable it first; what has waited is sent then.")
        }
        Refused::BadCursor => Refusal::field(Code::Invalid, "cursor", "was not given out by this list", "Start again without one."),
        Refused::Busy => Refusal::new(Code::Busy, "Too many endpoints are being tried just now. Try again in a moment.").retry_after_s(5),
        Refused::Log(_) | Refused::Store(_) => {
            tracing::error!(error = %refused, "the webhooks' store or the log did not answer");
            Refusal::new(Code::Unavailable, "Webhooks cannot be managed just now. Messages are safe; ask again in a moment.")
                .retry_after_s(2)
        }
    }
}
