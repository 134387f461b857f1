//! The picture of an order's model.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::order::{WaitVersion, find};
use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// The picture, for whoever may see orders of `channel` (`None`: of any).
///
/// # Errors
/// 404 while there is none, 503 when a store is away.
pub(crate) async fn preview(gateway: &Gateway, id: Uuid, channel: Option<&str>, headers: &HeaderMap) -> Result<Response, Refusal> {
    let order = find(gateway, id, channel, &WaitVersion::default()).await?;
    let none = |detail: String| Refusal::new(Code::NoPreview, detail).order(id);
    let model = order.model.ok_or_else(|| none(format!("Order {id} has no model yet. Upload one first.")))?;
    let png = gateway.app.blobs.get_preview(&model.sha256).await.map_err(|error| {
        tracing::error!(%error, "the object store did not give a preview");
        Refusal::new(Code::Unavailable, "The store of pictures does not answer. Ask again in a moment.").retry_after_s(2).order(id)
    })?;
    let png =
        png.ok_or_else(|| none(format!("There is no picture of order {id} yet. It is drawn when the order is priced; ask again then.")))?;
    // The address of the model is the picture's version: another model, another picture.
    let tag = HeaderValue::from_str(&format!("\"{}\"", model.sha256)).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    let fresh = [(ETAG, tag.clone()), (CACHE_CONTROL, HeaderValue::from_static("private, max-age=60, must-revalidate"))];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return Ok((StatusCode::NOT_MODIFIED, fresh).into_response());
    }
    Ok((fresh, [(CONTENT_TYPE, HeaderValue::from_static("image/png"))], png).into_response())
}
