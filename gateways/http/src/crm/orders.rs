//! `GET /crm/v1/orders`: all orders.

use atelier_projections::{CrmFilter, CrmOrder, Page};
use axum::extract::State;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Query, Sales};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// List orders
#[utoipa::path(
    get, path = "/crm/v1/orders", operation_id = "crm_orders", tag = TAG, security(("staff" = [])),
    params(CrmFilter),
    responses(
        (status = 200, description = "A page", body = Page<CrmOrder>),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn orders(
    State(gateway): State<Gateway>,
    _: Sales,
    Query(filter): Query<CrmFilter>,
) -> Result<axum::Json<Page<CrmOrder>>, Refusal> {
    gateway.app.queries.crm_orders(&filter).await.map(axum::Json).map_err(store_refusal)
}
