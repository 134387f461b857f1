//! `GET /partner/v1/orders`: the partner's orders.

use atelier_projections::{Page, PartnerFilter, PartnerOrder};
use axum::extract::State;

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, account};
use crate::app::Gateway;
use crate::extract::Query;
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// List orders
///
/// Newest first; with `updated_since` the one that changed first comes first.
#[utoipa::path(
    get, path = "/partner/v1/orders", operation_id = "partner_orders", tag = TAG, security(("partner" = [])),
    params(PartnerFilter),
    responses(
        (status = 200, description = "A page", body = Page<PartnerOrder>),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn orders(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    Query(filter): Query<PartnerFilter>,
) -> Result<axum::Json<Page<PartnerOrder>>, Refusal> {
    gateway.app.queries.partner_orders(&account(&caller), &filter).await.map(axum::Json).map_err(store_refusal)
}
