//! `POST /partner/v1/uploads`: a file before its order.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use super::guard::{Partner, accounts_away};
use super::parts::Guarded;
use crate::app::Gateway;
use crate::extract::{NoParams, Query, announced_bytes};
use crate::problem::{Problem, Refusal};
use crate::stamp;
use crate::upload::{self, format_of, too_large};

/// A file that is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct Uploaded {
    /// Name it in an order. The same file again has the same id.
    upload_id: Uuid,
    /// Of the bytes that arrived.
    sha256: String,
    /// How many.
    size_bytes: i64,
    /// Until when an order may name it, RFC 3339.
    expires_at: String,
}

/// Upload a file
///
/// The body is the file, at most 64 MiB; it is streamed to the object store.
#[utoipa::path(
    post, path = "/partner/v1/uploads", operation_id = "partner_upload", tag = TAG, security(("partner" = [])),
    request_body(content((Vec<u8> = "model/stl"), (Vec<u8> = "model/obj"), (Vec<u8> = "model/3mf"))),
    responses(
        (status = 201, description = "Stored", body = Uploaded),
        (status = 400, description = "The body broke off", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not a media type of a model", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The file is empty, or there is a parameter", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    _: Query<NoParams>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let format = format_of(&parts.headers)?;
    let limit_bytes = gateway.app.config.upload_limit_bytes;
    let announced = announced_bytes(&parts.headers);
    if announced.is_some_and(|bytes| bytes > limit_bytes) {
        return Err(too_large(limit_bytes));
    }
    let arriving = upload::arriving(&gateway, announced, body.into_data_stream()).await?;
    let stored = upload::keep(&gateway, arriving, false).await?;
    let size_bytes = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
    let now_ms = (gateway.app.clock)();
    let upload =
        gateway.app.accounts.note_upload(&caller.partner, stored.sha256, format, size_bytes, now_ms).await.map_err(accounts_away)?;
    let uploaded = Uploaded { upload_id: upload.upload_id, sha256: upload.sha256, size_bytes, expires_at: stamp::text(upload.expires_at) };
    Ok((StatusCode::CREATED, axum::Json(uploaded)).into_response())
}
