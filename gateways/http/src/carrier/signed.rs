//! Whether a request is a carrier's: signed with the shared secret, and recent.

use atelier_schemas::TimeMs;
use atelier_webhooks::signature;
use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// The longest id of a message, in characters.
const ID_MAX: usize = 200;

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct SignatureParams {
    /// Id of the message, the same at every repetition.
    #[param(rename = "webhook-id")]
    id: String,
    /// Seconds since 1970, within five minutes of our time.
    #[param(rename = "webhook-timestamp")]
    timestamp: String,
    /// `v1,<base64 of HMAC-SHA256 over id.timestamp.body>`; several separated by spaces.
    #[param(rename = "webhook-signature")]
    signature: String,
}

/// The id of the message, when it is believed. The signature is over its id, time and body; what has no body is signed
/// as the empty one.
///
/// # Errors
/// 401, naming the header at fault.
pub(super) fn believed(gateway: &Gateway, headers: &HeaderMap, body: &[u8], now: TimeMs) -> Result<String, Refusal> {
    let Some(secret) = &gateway.app.config.carrier_secret else {
        return Err(Refusal::new(
            Code::Unauthenticated,
            "No secret is agreed with a carrier here, so no delivery can be believed. Configure the carrier's secret first.",
        )
        .challenge("webhook-signature"));
    };
    let refused =
        |field: &str, message: &str, fix: &str| Refusal::field(Code::Unauthenticated, field, message, fix).challenge("webhook-signature");
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        value.ok_or_else(|| refused(name, "is missing", "Sign the message as the Standard Webhooks specification has it."))
    };
    let id = header("webhook-id")?;
    if id.len() > ID_MAX {
        return Err(refused("webhook-id", "is too long", "Send at most 200 characters."));
    }
    let timestamp = header("webhook-timestamp")?;
    let timestamp: i64 = timestamp.parse().map_err(|_| refused("webhook-timestamp", "is not a number", "Send seconds since 1970."))?;
    match signature::verify(secret, id, timestamp, body, header("webhook-signature")?, now.div_euclid(1000)) {
        Ok(()) => Ok(id.to_owned()),
        Err(error @ signature::Error::Time) => Err(refused(
            "webhook-timestamp",
            &error.to_string(),
            "Sign the message when you send it, also at a repetition, and keep your clock right.",
        )),
        Err(error @ signature::Error::Signature) => Err(refused(
            "webhook-signature",
            &error.to_string(),
            "Sign `id.timestamp.body` with the agreed secret, HMAC-SHA256, base64, after `v1,`.",
        )),
    }
}
