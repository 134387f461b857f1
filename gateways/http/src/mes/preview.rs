//! `GET /mes/v1/orders/{id}/preview.png`: a picture of the model.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Bench, OrderId, OrderPath};
use crate::problem::{Problem, Refusal};
use crate::read::preview as picture;

/// See an order's model
///
/// The picture is drawn while the order is priced.
#[utoipa::path(
    get, path = "/mes/v1/orders/{id}/preview.png", operation_id = "mes_preview", tag = TAG, security(("staff" = [])),
    params(OrderPath),
    responses(
        (status = 200, description = "A PNG", body = Vec<u8>, content_type = "image/png"),
        (status = 304, description = "Still the picture in `If-None-Match`"),
        (status = 404, description = "No such order, or no picture yet", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store of pictures is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn preview(
    State(gateway): State<Gateway>,
    _: Bench,
    OrderId(id): OrderId,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    picture(&gateway, id, None, &headers).await
}
