//! `GET /openapi.json`: the document of the whole API, made from the code.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::TAG;

/// Every surface is in it, also those that this process does not serve.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(serde_json::to_vec(&crate::router::openapi()).unwrap_or_default()));

/// Read this document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = TAG,
    responses((status = 200, description = "OpenAPI 3.1", body = String, content_type = "application/json")),
)]
pub(crate) async fn document() -> Response {
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    (headers, DOCUMENT.clone()).into_response()
}
