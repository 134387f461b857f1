//! `GET /crm/v1/attention`: orders that need a person.

use atelier_projections::{CrmFilter, CrmOrder, Page};
use axum::extract::State;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Query, Sales};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// List orders that need attention
///
/// Failed, overdue, or waiting for a decision nobody has made, the one that has waited longest first: the
/// orders with an open gap at `/mes/v1/gaps`, as a seller sees orders, and those of which a message does not arrive at
/// their partner. `gaps` names the causes. What is no order's is at `/mes/v1/gaps` alone: parcels nobody knows
/// (`?cause=unknown_parcel`), partners' endpoints that are disabled while messages wait (`?cause=webhook_undelivered`),
/// read models that are behind (`?cause=projection_behind`); so are orders set aside (`?cause=unreadable_record`) and
/// orders whose engine is silent (`?cause=no_engine`).
#[utoipa::path(
    get, path = "/crm/v1/attention", operation_id = "crm_attention", tag = TAG, security(("staff" = [])),
    params(CrmFilter),
    responses(
        (status = 200, description = "A page", body = Page<CrmOrder>),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn attention(
    State(gateway): State<Gateway>,
    _: Sales,
    Query(filter): Query<CrmFilter>,
) -> Result<axum::Json<Page<CrmOrder>>, Refusal> {
    let undelivered = gateway.undelivered().await?;
    gateway.app.queries.attention(&filter, &undelivered).await.map(axum::Json).map_err(store_refusal)
}
