//! `GET /mes/v1/queue`: the work, oldest due first.

use atelier_projections::{Page, QueueFilter, QueueItem};
use axum::extract::State;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Bench, Query};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// List the work
///
/// Oldest due first.
#[utoipa::path(
    get, path = "/mes/v1/queue", operation_id = "mes_queue", tag = TAG, security(("staff" = [])),
    params(QueueFilter),
    responses(
        (status = 200, description = "A page", body = Page<QueueItem>),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn queue(
    State(gateway): State<Gateway>,
    _: Bench,
    Query(filter): Query<QueueFilter>,
) -> Result<axum::Json<Page<QueueItem>>, Refusal> {
    gateway.app.queries.queue(&filter).await.map(axum::Json).map_err(store_refusal)
}
