//! JSON bodies: bounded, strict, and refused field by field.

use std::marker::PhantomData;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::app::Gateway;
use crate::problem::{Code, FieldError, Refusal};

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that may be left out.
pub(crate) struct JsonOrNothing<T>(pub(crate) T);

/// The body of a command that needs no words: `{}` or none at all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl<T: DeserializeOwned> FromRequest<Gateway> for Json<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let bytes = read_all(gateway, &parts.headers, body).await?;
        if bytes.is_empty() {
            return Err(Refusal::new(Code::Malformed, "The body is empty. Send a JSON object; /openapi.json describes it."));
        }
        Ok(Self(parse(&bytes)?))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Gateway> for JsonOrNothing<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read_all(gateway, &parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        expect_json(&parts.headers)?;
        Ok(Self(parse(&bytes)?))
    }
}

/// # Errors
/// 415 unless the body is announced as JSON.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let message = if essence.is_empty() { "is missing" } else { "is not JSON" };
    Err(Refusal::field(Code::MediaType, "Content-Type", message, "Send JSON with `Content-Type: application/json`."))
}

/// The whole body, at most the limit of the gateway for JSON, within its time.
pub(crate) async fn read_all(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    read_within(gateway, headers, body, gateway.app.config.body_limit_bytes).await
}

/// The whole body, at most `limit` bytes of it, within the gateway's time.
pub(crate) async fn read_within(gateway: &Gateway, headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(Code::TooLarge, format!("The body is longer than the {limit} bytes taken here. Send a shorter one."));
    if announced_bytes(headers).is_some_and(|bytes| bytes > limit as u64) {
        return Err(too_large());
    }
    let collect = async {
        let mut chunks = body.into_data_stream();
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refusal::new(Code::Malformed, "The body broke off before its end. Send the request again."))?;
            if whole.len() + chunk.len() > limit {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    match tokio::time::timeout(gateway.app.config.body_idle_limit, collect).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::new(Code::Slow, "The body did not arrive in time. Send the request again.")),
    }
}

/// What `Content-Length` says.
pub(crate) fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a JSON object; an error names the field. What is no JSON at all is said first.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| refusal(".", &error))?;
    let mut path = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    object(serde_path_to_error::Deserializer::new(&mut json, &mut path)).map_err(|error| refusal(&path.path().to_string(), &error))
}

/// Takes an object only. Serde would also take a list, as the fields in their order. For every field whose type
/// is a struct: `#[serde(deserialize_with = "object")]`.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Object(PhantomData))
}

/// The same for a field that may be left out or null; with `#[serde(default)]`.
pub(crate) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Whole<T>(T);
    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Whole<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            object(deserializer).map(Self)
        }
    }
    Ok(Option::<Whole<T>>::deserialize(deserializer)?.map(|Whole(value)| value))
}

fn refusal(path: &str, error: &serde_json::Error) -> Refusal {
    use serde_json::error::Category;
    let text = error.to_string();
    // The place is of use in malformed JSON only; the field says more elsewhere.
    let words = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        Category::Data => Refusal::fields(Code::Invalid, vec![field_error(path, words)]),
        Category::Syntax | Category::Eof | Category::Io => {
            Refusal::new(Code::Malformed, format!("The body is not JSON: {text}. Mend it there and send it again."))
        }
    }
}

fn field_error(path: &str, words: &str) -> FieldError {
    let inside = if path == "." { "" } else { path };
    if let Some(rest) = words.strip_prefix("unknown field `") {
        let (name, known) = rest.split_once('`').unwrap_or((rest, ""));
        let known = known.trim_start_matches([',', ' ']);
        let known =
            if known == "there are no fields" { "no fields are known here".to_owned() } else { known.replace("expected", "known here:") };
        return FieldError { field: join(inside, name), message: "is not known".into(), fix: format!("Leave it out; {known}.") };
    }
    if let Some(rest) = words.strip_prefix("missing field `") {
        let name = rest.trim_end_matches('`');
        return FieldError { field: join(inside, name), message: "is missing".into(), fix: "Add it.".into() };
    }
    if let Some(rest) = words.strip_prefix("duplicate field `") {
        let name = rest.trim_end_matches('`');
        return FieldError { field: join(inside, name), message: "is given twice".into(), fix: "Give it once.".into() };
    }
    let field = if inside.is_empty() { "body".to_owned() } else { inside.to_owned() };
    // What was sent is not repeated: it may be personal.
    let expected = words.rsplit_once("expected ").map(|(_, expected)| expected);
    match (words.starts_with("invalid type"), expected) {
        (true, Some(expected)) => FieldError { field, message: "has the wrong type".into(), fix: format!("Send {}.", plain(expected)) },
        (false, Some(expected)) => {
            FieldError { field, message: "has a value that is not taken".into(), fix: format!("Send {}.", plain(expected)) }
        }
        (_, None) => FieldError { field, message: "cannot be read".into(), fix: "See /openapi.json for what it may be.".into() },
    }
}

/// `path` names the field already when the deserializer stood on it.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else if path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The names of Rust's types in the words of JSON.
fn plain(expected: &str) -> String {
    match expected {
        "i32" | "i64" | "u32" | "u64" => "a whole number".into(),
        "f64" | "f32" => "a number".into(),
        "a sequence" => "a list".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        #[serde(deserialize_with = "object")]
        inner: Inner,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: i32,
        name: String,
    }

    fn refused(json: &str) -> crate::problem::Problem {
        parse::<Outer>(json.as_bytes()).expect_err(json).into_problem()
    }

    #[test]
    fn an_error_names_the_field_and_the_fix() {
        for (json, field, message) in [
            (r#"{"inner":{"count":1,"name":"n","more":2}}"#, "inner.more", "is not known"),
            (r#"{"inner":{"count":1}}"#, "inner.name", "is missing"),
            (r#"{"inner":{"count":1,"count":2,"name":"n"}}"#, "inner.count", "is given twice"),
            (r#"{"inner":{"count":"many","name":"n"}}"#, "inner.count", "has the wrong type"),
            (r#"{"inner":{"count":99999999999,"name":"n"}}"#, "inner.count", "has a value that is not taken"),
            (r#"{"inner":3}"#, "inner", "has the wrong type"),
            (r#"{"inner":[1,"n"]}"#, "inner", "has the wrong type"),
            (r#"[]"#, "body", "has the wrong type"),
            (r#"[{"count":1,"name":"n"}]"#, "body", "has the wrong type"),
            (r#"7"#, "body", "has the wrong type"),
        ] {
            let problem = refused(json);
            assert_eq!(problem.status, 422, "{json}: {problem:?}");
            assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].message.as_str()), (field, message), "{json}: {problem:?}");
            assert!(!problem.errors[0].fix.is_empty());
        }
    }

    #[test]
    fn malformed_json_says_where() {
        for json in ["{", "{\"inner\":", "nonsense", "{}}", "{\"inner\":{\"count\":1,\"name\":\"n\"}} x", "\u{0}", "{\"unknown\": 1"] {
            let problem = refused(json);
            assert_eq!(problem.status, 400, "{json}: {problem:?}");
        }
        assert!(refused("{\"inner\": nonsense}").detail.contains("line 1 column"));
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        let problem = refused(r#"{"inner":{"count":"Jane Roe","name":"n"}}"#);
        assert!(!serde_json::to_string(&problem).expect("json").contains("Jane"));
    }
}
