//! `GET /metrics`: everything that is counted in this process.

use std::sync::PoisonError;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;

use super::TAG;
use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// Read the metrics
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = TAG,
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")),
)]
pub(crate) async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Refusal> {
    let mut text = String::with_capacity(16 * 1024);
    let written = encode(&mut text, &gateway.registry.lock().unwrap_or_else(PoisonError::into_inner));
    written.map_err(|_| Refusal::new(Code::Internal, "The metrics could not be written."))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"))], text).into_response())
}
