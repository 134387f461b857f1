//! The one shape of every refusal: `application/problem+json` (RFC 9457).

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Before the code.
const TYPE_PREFIX: &str = "urn:atelier:problem:";

/// What is wrong with one field, header or parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, for example `item.quantity`; the name of the header or parameter.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

/// A refusal, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:atelier:problem:<code>`; the code is stable.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The same for every problem of the type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to which order, and what to do.
    pub detail: String,
    /// Field by field.
    pub errors: Vec<FieldError>,
    /// The order asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Uuid>,
    /// Where the order stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_status: Option<String>,
    /// The order's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What may be asked instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
}

macro_rules! codes {
    ($($variant:ident $text:literal $status:ident $title:literal;)+) => {
        /// The kinds of problems: code, HTTP status, title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($variant),+ }

        impl Code {
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status),+ }
            }
            const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }
            /// The kind of a refusal by the engine, by its code in the outcome.
            pub(crate) fn of(text: &str) -> Option<Self> {
                match text { $($text => Some(Code::$variant),)+ _ => None }
            }
        }
    };
}
codes! {
    // Refused by the engine.
    UnknownOrder     "unknown_order"          NOT_FOUND              "There is no such order";
    NotAllowed       "not_allowed"            CONFLICT               "Not allowed in this status";
    Held             "held"                   CONFLICT               "The order is on hold";
    Version          "version"                PRECONDITION_FAILED    "The order has moved on";
    Invalid          "invalid"                UNPROCESSABLE_ENTITY   "Something in the request is not valid";
    KeyReused        "key_reused"             UNPROCESSABLE_ENTITY   "The idempotency key was used for another request";
    StaleAttempt     "stale_attempt"          CONFLICT               "A later attempt has taken over";
    NotHolder        "not_holder"             CONFLICT               "Somebody else has this work";
    SandboxOrder     "sandbox_order"          CONFLICT               "The order is one of a sandbox";
    LiveOrder        "live_order"             CONFLICT               "The order is a real one";
    Forbidden        "forbidden"              FORBIDDEN              "Not yours to ask";
    TooLarge         "too_large"              PAYLOAD_TOO_LARGE      "Too large";
    Unreadable       "unreadable"             UNPROCESSABLE_ENTITY   "The command could not be read";
    Parked           "parked"                 CONFLICT               "The order is set aside";
    NotParked        "not_parked"             CONFLICT               "The order is not set aside";
    // Refused by the gateway.
    Malformed        "malformed"              BAD_REQUEST            "The request cannot be read";
    Unauthenticated  "unauthenticated"        UNAUTHORIZED           "Say who you are";
    UnknownMessage   "unknown_message"        NOT_FOUND              "There is no such message";
    UnknownRecord    "unknown_record"         NOT_FOUND              "There is no such record";
    UnknownEndpoint  "unknown_endpoint"       NOT_FOUND              "There is no such endpoint";
    TooManyEndpoints "too_many_endpoints"     CONFLICT               "As many endpoints as there may be";
    EndpointDisabled "endpoint_disabled"      CONFLICT               "The endpoint is disabled";
    UnknownCommand   "unknown_command"        NOT_FOUND              "There is no such command";
    NoPreview        "no_preview"             NOT_FOUND              "There is no preview";
    NothingToDo      "nothing_to_do"          NOT_FOUND              "There is nothing to do";
    UnknownRoute     "unknown_route"          NOT_FOUND              "There is nothing at this address";
    MethodNotAllowed "method_not_allowed"     METHOD_NOT_ALLOWED     "This address does not take this method";
    MediaType        "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "This content type is not taken here";
    Slow             "timeout"                REQUEST_TIMEOUT        "The request took too long to arrive";
    Unavailable      "unavailable"            SERVICE_UNAVAILABLE    "Not available right now";
    Behind           "behind"                 SERVICE_UNAVAILABLE    "The read model has not seen that version";
    UnknownKey       "unknown_key"            NOT_FOUND              "There is no such key";
    TooManyKeys      "too_many_keys"          CONFLICT               "As many keys as may live do";
    RateLimited      "rate_limited"           TOO_MANY_REQUESTS      "Too many requests";
    Quota            "quota"                  TOO_MANY_REQUESTS      "As many orders as may be open are";
    IntakePaused     "intake_paused"          SERVICE_UNAVAILABLE    "No orders of partners are taken for now";
    Busy             "busy"                   SERVICE_UNAVAILABLE    "All places are taken";
    Internal         "internal"               INTERNAL_SERVER_ERROR  "Something went wrong on our side";
}

/// A refusal on its way out: what every handler and extractor returns as its error.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem {
                type_uri: format!("{TYPE_PREFIX}{}", code.as_str()),
                title: code.title().to_owned(),
                status: code.status().as_u16(),
                detail: detail.into(),
                errors: Vec::new(),
                order_id: None,
                order_status: None,
                version: None,
                allowed: None,
            }),
            headers: Vec::new(),
        }
    }

    /// One field at fault; the detail says the same in a sentence.
    pub(crate) fn field(code: Code, field: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let (message, fix) = (message.into(), fix.into());
        Self::new(code, format!("`{field}` {message}. {fix}")).with_error(FieldError { field: field.to_owned(), message, fix })
    }

    /// Several fields at fault.
    pub(crate) fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("`{}` {}. {}", error.field, error.message, error.fix)).collect::<Vec<_>>().join(" ");
        let mut refusal = Self::new(code, detail);
        refusal.problem.errors = errors;
        refusal
    }

    /// There is no such order, or it is none of the caller's: the two must look alike.
    pub(crate) fn unknown_order(order_id: Uuid) -> Self {
        Self::new(
            Code::UnknownOrder,
            format!("There is no order {order_id}. Check the id; an order just created may take a moment to show."),
        )
        .order(order_id)
    }

    pub(crate) fn with_error(mut self, error: FieldError) -> Self {
        self.problem.errors.push(error);
        self
    }

    pub(crate) fn order(mut self, order_id: Uuid) -> Self {
        self.problem.order_id = Some(order_id);
        self
    }

    pub(crate) fn stands(mut self, status: Option<String>, version: Option<i64>, allowed: Vec<String>) -> Self {
        self.problem.order_status = status;
        self.problem.version = version;
        self.problem.allowed = Some(allowed);
        self
    }

    pub(crate) fn retry_after_s(mut self, seconds: u32) -> Self {
        self.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    pub(crate) fn challenge(mut self, scheme: &'static str) -> Self {
        self.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(scheme)));
        self
    }

    /// Whether it is one of this kind.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.problem.type_uri.strip_prefix(TYPE_PREFIX) == Some(code.as_str())
    }

    /// The engine refused because of how the order stands: another order may do.
    pub(crate) fn is_about_the_order(&self) -> bool {
        [Code::Version, Code::NotAllowed, Code::Held, Code::NotHolder, Code::SandboxOrder, Code::Parked, Code::UnknownOrder]
            .iter()
            .any(|code| self.problem.type_uri.strip_prefix(TYPE_PREFIX) == Some(code.as_str()))
    }

    /// What happened, in a sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.problem.detail
    }

    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }

    #[cfg(test)]
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
