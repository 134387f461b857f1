//! From an outcome to an answer.

use axum::http::header::{CACHE_CONTROL, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use atelier_schemas::{Outcome, OutcomeResult};

use crate::problem::{Code, FieldError, Problem, Refusal};

/// An accepted command: it is durable and decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The order.
    pub order_id: Uuid,
    /// Its public status after the command.
    #[schema(example = "INITIATED")]
    pub status: String,
    /// Its version after the command; the `ETag`.
    pub version: i64,
    /// Only for a dry run: nothing was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Only for a dry run: what would happen, by type of event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// A command that is durable and not decided yet. It will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Ask for it at the `Location` of this answer; the same request again gives the same answer.
    pub command_id: Uuid,
    /// The order.
    pub order_id: Uuid,
}

/// How a command can be answered other than with success; for the document.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(crate) enum Refusals {
    /// Durable, not decided within the time: ask at `Location` later.
    #[response(status = 202)]
    Pending(Pending),
    /// Malformed header or JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No such order.
    #[response(status = 404, content_type = "application/problem+json")]
    UnknownOrder(Problem),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// Not allowed in this status; `allowed` says what is.
    #[response(status = 409, content_type = "application/problem+json")]
    NotAllowed(Problem),
    /// The order has moved on from the version in `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    Version(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body has a content type that is not taken here.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// A field is not valid, or the key was used for another request.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The log cannot be reached: nothing was accepted.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What came of a command, on its way out.
#[derive(Debug)]
pub(crate) enum Settled {
    Accepted { accepted: Accepted, repeated: bool },
    Pending { pending: Pending, base: &'static str },
}

impl Settled {
    /// The answer to a command that creates: 201 and where the order is.
    pub(crate) fn created(self, base: &str) -> Response {
        match &self {
            Settled::Accepted { accepted, .. } if !accepted.dry_run => {
                let at = location(&format!("{base}/orders/{}", accepted.order_id));
                let mut response = self.into_response();
                *response.status_mut() = StatusCode::CREATED;
                response.headers_mut().extend(at);
                response
            }
            _ => self.into_response(),
        }
    }
}

impl IntoResponse for Settled {
    fn into_response(self) -> Response {
        match self {
            Settled::Accepted { accepted, repeated } => {
                let mut response = axum::Json(&accepted).into_response();
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if !accepted.dry_run {
                    headers.insert(ETAG, etag(accepted.version));
                }
                if repeated {
                    // The body is the first answer again, to the byte; only this tells the two apart.
                    headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
                }
                response
            }
            Settled::Pending { pending, base } => {
                let at = location(&format!("{base}/commands/{}", pending.command_id));
                let mut response = (StatusCode::ACCEPTED, axum::Json(pending)).into_response();
                response.headers_mut().extend(at);
                response
            }
        }
    }
}

/// An order's version as a strong entity tag.
pub(crate) fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

fn location(path: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(path).ok().map(|value| (LOCATION, value))
}

/// An outcome as an answer: what was accepted, or the refusal it stands for.
pub(crate) fn settle(outcome: Outcome) -> Result<Settled, Refusal> {
    let order_id = outcome.order_id;
    match outcome.result {
        OutcomeResult::Accepted { status, version, events, repeated, dry_run } => {
            let events = if dry_run { events } else { Vec::new() };
            Ok(Settled::Accepted { accepted: Accepted { order_id, status, version, dry_run, events }, repeated })
        }
        OutcomeResult::Refused { code, detail, field, fix, status, version, allowed, .. } => {
            let known = Code::of(&code).unwrap_or_else(|| {
                tracing::warn!(%code, "the engine refused with a code this gateway does not know; it is newer");
                Code::NotAllowed
            });
            let fix_clause = if fix.is_empty() { String::new() } else { format!("; {fix}") };
            let sentence = format!("Order {order_id}: {detail}{fix_clause}.");
            let mut refusal = Refusal::new(known, sentence).order(order_id).stands(status, version, allowed);
            if let Some(field) = field {
                refusal = refusal.with_error(FieldError { field, message: detail, fix });
            }
            Err(refusal)
        }
    }
}
