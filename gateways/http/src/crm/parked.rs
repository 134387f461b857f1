//! `GET /crm/v1/parked`: orders that read models have set aside.

use atelier_projections::{Page, Parked, ParkedFilter};
use axum::extract::State;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{Query, Sales};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// List what read models have set aside
///
/// Because a record of the order could not be understood, the latest first, once per read model: which record, why, and
/// how many of the order's records were passed over since. An order comes back when a program that understands the
/// record reads it, or when an administrator says that the record does not count.
#[utoipa::path(
    get, path = "/crm/v1/parked", operation_id = "crm_parked", tag = TAG, security(("staff" = [])),
    params(ParkedFilter),
    responses(
        (status = 200, description = "A page", body = Page<Parked>),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn parked(
    State(gateway): State<Gateway>,
    _: Sales,
    Query(filter): Query<ParkedFilter>,
) -> Result<axum::Json<Page<Parked>>, Refusal> {
    gateway.app.queries.parked(&filter).await.map(axum::Json).map_err(store_refusal)
}
