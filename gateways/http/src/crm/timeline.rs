//! `GET /crm/v1/orders/{id}/timeline`: what happened to the order.

use atelier_projections::TimelineEntry;
use axum::extract::State;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{OrderId, OrderPath, Query, Sales};
use crate::problem::{Problem, Refusal};
use crate::read::{History, WaitVersion, find, timeline as history};

/// Read an order's timeline
#[utoipa::path(
    get, path = "/crm/v1/orders/{id}/timeline", operation_id = "crm_timeline", tag = TAG, security(("staff" = [])),
    params(OrderPath, WaitVersion),
    responses(
        (status = 200, description = "Oldest first", body = History),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away or has not seen the version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn timeline(
    State(gateway): State<Gateway>,
    _: Sales,
    OrderId(id): OrderId,
    Query(wait): Query<WaitVersion>,
) -> Result<axum::Json<History>, Refusal> {
    find(&gateway, id, None, &wait).await?;
    let items: Vec<TimelineEntry> = history(&gateway, id).await?;
    Ok(axum::Json(History::new(id, items)))
}
