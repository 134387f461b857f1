//! `GET /shop/v1/orders/{id}/stream`: the order whenever it changes.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{CHANNEL, TAG};
use crate::app::Gateway;
use crate::extract::{OrderId, OrderPath};
use crate::problem::{Problem, Refusal};
use crate::read::{Answer, Live, WaitVersion, event_stream, find, is_final};

/// Follow an order
///
/// Server-sent events named `order`, with the version as `id` and the order as data: at once, and
/// whenever it changes. The stream ends when nothing can happen any more; who comes back then with
/// the last version gets 204, which keeps browsers from asking again.
#[utoipa::path(
    get, path = "/shop/v1/orders/{id}/stream", operation_id = "shop_stream", tag = TAG,
    params(OrderPath),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "Nothing follows the version in `Last-Event-ID`"),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "All places are taken, or the read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stream(State(gateway): State<Gateway>, OrderId(id): OrderId, headers: HeaderMap) -> Result<Response, Refusal> {
    let order = find(&gateway, id, Some(CHANNEL), &WaitVersion::default()).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse::<i64>().ok());
    if is_final(&order.status) && last == Some(order.version) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let live = Live::open(&gateway)?;
    Ok(event_stream(live, move || {
        let gateway = gateway.clone();
        async move {
            let order = find(&gateway, id, Some(CHANNEL), &WaitVersion::default()).await?.seen_by("customer");
            Ok(Answer::new("order", &order)?.id(order.version).last_if(is_final(&order.status)))
        }
    }))
}
