//! Query parameters: unknown ones are refused by name, like unknown fields.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::Gateway;
use crate::problem::{Code, FieldError, Refusal};

/// The query string.
pub(crate) struct Query<T>(pub(crate) T);

/// No parameters. What acts and knows none asks for these all the same: `?dry_run=true` must never act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParams {}

impl<T: DeserializeOwned> FromRequestParts<Gateway> for Query<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refusal> {
        parse(&parts.uri).map(Self)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    axum::extract::Query::<T>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|rejection| Refusal::fields(Code::Invalid, vec![field_error(&rejection.body_text())]))
}

/// The text is `…: name: words`, or `…: words` where no parameter is to blame.
fn field_error(text: &str) -> FieldError {
    let words = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    if let Some((_, rest)) = words.split_once("unknown field `") {
        let (name, known) = rest.split_once('`').unwrap_or((rest, ""));
        let known =
            known.trim_start_matches([',', ' ']).replace("expected", "known here:").replace("there are no fields", "none is known here");
        return FieldError {
            field: name.to_owned(),
            message: "is not a parameter of this address".into(),
            fix: format!("Leave it out; {known}."),
        };
    }
    if let Some((_, rest)) = words.split_once("duplicate field `") {
        return FieldError { field: rest.trim_end_matches('`').to_owned(), message: "is given twice".into(), fix: "Give it once.".into() };
    }
    match words.split_once(": ") {
        Some((name, _)) if !name.contains(' ') => FieldError {
            field: name.to_owned(),
            message: "has a value that is not taken".into(),
            fix: "See /openapi.json for what it may be.".into(),
        },
        _ => FieldError { field: "query".into(), message: "cannot be read".into(), fix: "See /openapi.json for the parameters.".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Params {
        #[serde(default)]
        dry_run: bool,
        limit: Option<u32>,
    }

    #[test]
    fn an_error_names_the_parameter() {
        for (query, field) in [("?dry_run=maybe", "dry_run"), ("?limit=-3", "limit"), ("?wat=1", "wat"), ("?limit=1&limit=2", "limit")] {
            let uri: Uri = format!("/x{query}").parse().expect("a uri");
            let problem = parse::<Params>(&uri).expect_err(query).into_problem();
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field), "{problem:?}");
        }
    }
}
