//! `GET /mes/v1/queue/stream`: the work whenever it changes.

use atelier_projections::QueueFilter;
use axum::extract::State;
use axum::response::Response;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Bench, Query};
use crate::problem::{Problem, Refusal};
use crate::read::{Answer, Live, event_stream, store_refusal};

/// Follow the work
///
/// Server-sent events named `queue` with a page as data, as `GET /mes/v1/queue` gives it: at once, and
/// whenever it changes.
#[utoipa::path(
    get, path = "/mes/v1/queue/stream", operation_id = "mes_queue_stream", tag = TAG, security(("staff" = [])),
    params(QueueFilter),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "All places are taken, or the read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn queue_stream(State(gateway): State<Gateway>, _: Bench, Query(filter): Query<QueueFilter>) -> Result<Response, Refusal> {
    let live = Live::open(&gateway)?;
    // Asked once before the stream begins, so that a filter that cannot be answered is refused.
    gateway.app.queries.queue(&filter).await.map_err(store_refusal)?;
    Ok(event_stream(live, move || {
        let (gateway, filter) = (gateway.clone(), filter.clone());
        async move { Answer::new("queue", &gateway.app.queries.queue(&filter).await.map_err(store_refusal)?) }
    }))
}
