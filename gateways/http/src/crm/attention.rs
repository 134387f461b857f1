//! `GET /crm/v1/attention`: orders that need a person.

use atelier_projections::{Cause, CrmFilter, CrmOrder, Page};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Query, Sales};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// Orders that need a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attention {
    /// The one that has waited longest first.
    items: Vec<CrmOrder>,
    /// Give it back as `cursor` for the next part; null at the end.
    next: Option<String>,
    /// Causes nobody could look for just now, because the webhooks' store does not answer; as at `/mes/v1/gaps`.
    unknown: Vec<Cause>,
    /// Causes of which only the oldest were looked at, because there are more; as at `/mes/v1/gaps`.
    cut: Vec<Cause>,
}

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
        (status = 200, description = "A page", body = Attention),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn attention(
    State(gateway): State<Gateway>,
    _: Sales,
    Query(filter): Query<CrmFilter>,
) -> Result<axum::Json<Attention>, Refusal> {
    let found = gateway.undelivered().await;
    let told = |is: bool| Vec::from_iter(is.then_some(Cause::WebhookUndelivered));
    let (unknown, cut) = (told(found.is_none()), told(found.as_ref().is_some_and(|(_, more)| *more)));
    let undelivered = found.map(|(undelivered, _)| undelivered).unwrap_or_default();
    let Page { items, next } = gateway.app.queries.attention(&filter, &undelivered).await.map_err(store_refusal)?;
    Ok(axum::Json(Attention { items, next, unknown, cut }))
}
