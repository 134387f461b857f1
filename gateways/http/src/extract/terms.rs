//! What a command brings beside its body: expectation, idempotency key, trace, dry run.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterIn};
use uuid::Uuid;

use crate::app::Gateway;
use crate::extract::query;
use crate::problem::{Code, Refusal};

/// The longest idempotency key, in characters.
const KEY_MAX: usize = 200;

/// What a command brings beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// From `If-Match`.
    pub(crate) expected_version: Option<i64>,
    /// From `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// From `traceparent`, when it is a valid one.
    pub(crate) traceparent: Option<String>,
    /// From `X-Correlation-Id`.
    pub(crate) correlation_id: Option<Uuid>,
    /// From `?dry_run=true`.
    pub(crate) dry_run: bool,
}

/// The same where the key is required, because something is created under it.
pub(crate) struct CreateKey(pub(crate) String, pub(crate) Terms);

/// The `Idempotency-Key` of something made that is no order: it may be left out, and then nothing tells a repetition.
pub(crate) struct OnceKey(pub(crate) Option<String>);

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct OnceParams {
    /// 1 to 200 visible ASCII characters. The same request under the same key makes one, not two.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// For the document: the headers and the parameter of every command.
pub(crate) struct CommandParams;

impl IntoParams for CommandParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_commands()
    }
}

/// A function of its own, so that it is compiled once and not for every handler.
fn of_commands() -> Vec<Parameter> {
    let mut params = CommandHeaders::into_params(|| Some(ParameterIn::Header));
    params.extend(DryRun::into_params(|| Some(ParameterIn::Query)));
    params
}

/// For the document: the same where the key is required.
pub(crate) struct CreateParams;

impl IntoParams for CreateParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut params = of_commands();
        for key in params.iter_mut().filter(|param| param.name == "Idempotency-Key") {
            key.required = Required::True;
        }
        params
    }
}

/// For the document: the same where something else tells a repetition, so that no key is looked at.
pub(crate) struct KeylessParams;

impl IntoParams for KeylessParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_commands().into_iter().filter(|param| param.name != "Idempotency-Key").collect()
    }
}

/// For the document: what there is to say where neither version nor key nor correlation is the caller's to choose.
pub(crate) struct PlainParams;

impl IntoParams for PlainParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_commands().into_iter().filter(|param| ["traceparent", "dry_run"].contains(&param.name.as_str())).collect()
    }
}

#[derive(IntoParams)]
#[allow(dead_code)]
struct CommandHeaders {
    /// `"N"`: refuse with 412 unless the order is at version N.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// 1 to 200 visible ASCII characters. The same request under the same key is done once and answered alike.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// W3C trace context, passed on to everything this causes.
    traceparent: Option<String>,
    /// A UUID for the business request, passed on to everything this causes.
    #[param(rename = "X-Correlation-Id")]
    correlation_id: Option<Uuid>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct DryRun {
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

impl FromRequestParts<Gateway> for Terms {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refusal> {
        let DryRun { dry_run } = query::parse(&parts.uri)?;
        let headers = &parts.headers;
        Ok(Self {
            expected_version: header(headers, IF_MATCH.as_str())?.map(expected_version).transpose()?.flatten(),
            key: header(headers, "Idempotency-Key")?.map(key).transpose()?,
            // An invalid trace context is not an error: the specification has the receiver start a new trace.
            traceparent: headers
                .get("traceparent")
                .and_then(|value| value.to_str().ok())
                .filter(|text| is_traceparent(text))
                .map(str::to_owned),
            correlation_id: header(headers, "X-Correlation-Id")?.map(correlation_id).transpose()?,
            dry_run,
        })
    }
}

impl FromRequestParts<Gateway> for OnceKey {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refusal> {
        Ok(Self(header(&parts.headers, "Idempotency-Key")?.map(key).transpose()?))
    }
}

impl FromRequestParts<Gateway> for CreateKey {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let terms = Terms::from_request_parts(parts, gateway).await?;
        match &terms.key {
            Some(key) => Ok(Self(key.clone(), terms)),
            None => Err(Refusal::field(
                Code::Malformed,
                "Idempotency-Key",
                "is missing",
                "Send a key of your own for this order (1 to 200 visible ASCII characters); the same key again gives the same order.",
            )),
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut given = headers.get_all(name).iter();
    let first = given.next();
    if given.next().is_some() {
        return Err(Refusal::field(Code::Malformed, name, "is given twice", "Give it once."));
    }
    Ok(first.map(|value| value.as_bytes()))
}

fn key(given: &[u8]) -> Result<String, Refusal> {
    let visible = given.iter().all(|byte| (0x21..=0x7e).contains(byte));
    match std::str::from_utf8(given) {
        Ok(text) if visible && !text.is_empty() && text.len() <= KEY_MAX => Ok(text.to_owned()),
        _ => Err(Refusal::field(
            Code::Malformed,
            "Idempotency-Key",
            "is not usable",
            format!("Send 1 to {KEY_MAX} visible ASCII characters without spaces, for example a UUID."),
        )),
    }
}

/// A version in quotes, or `*` for any.
fn expected_version(given: &[u8]) -> Result<Option<i64>, Refusal> {
    let text = std::str::from_utf8(given).unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            Refusal::field(
                Code::Malformed,
                "If-Match",
                "is not an order's ETag",
                "Send the version in quotes as the ETag has it, for example `If-Match: \"3\"`.",
            )
        })
}

fn correlation_id(given: &[u8]) -> Result<Uuid, Refusal> {
    std::str::from_utf8(given)
        .ok()
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| Refusal::field(Code::Malformed, "X-Correlation-Id", "is not a UUID", "Send a UUID or leave the header out."))
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zeros (W3C Trace Context, version 00).
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return false };
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2) && !zero(trace) && !zero(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_version_is_a_strong_etag() {
        assert_eq!(expected_version(b"\"3\"").expect("an ETag"), Some(3));
        assert_eq!(expected_version(b"*").expect("any"), None);
        for bad in ["3", "W/\"3\"", "\"\"", "\"3\", \"4\"", "\"-1\"", "\"x\"", "\"99999999999999999999\"", ""] {
            assert_eq!(expected_version(bad.as_bytes()).expect_err(bad).problem().status, 400, "{bad}");
        }
    }

    #[test]
    fn a_key_is_visible_and_bounded() {
        assert_eq!(key(b"order-1").expect("a key"), "order-1");
        assert!(key(&[b'k'; 200]).is_ok());
        for bad in [&b""[..], b"two words", b"\xc3\xa9", b"tab\t", &[b'k'; 201]] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_trace_context_has_its_form() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
