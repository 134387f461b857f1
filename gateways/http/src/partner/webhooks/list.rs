//! `GET /partner/v1/webhooks`: the partner's endpoints.

use atelier_webhooks::Endpoint;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{TAG, refusal};
use crate::app::Gateway;
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::Refusal;

/// All endpoints.
#[derive(Serialize, ToSchema)]
pub(crate) struct Endpoints {
    /// The oldest first; at most 16.
    items: Vec<Endpoint>,
    /// Always null: there are no further parts.
    next: Option<String>,
}

/// List your endpoints
#[utoipa::path(
    get, path = "/partner/v1/webhooks", operation_id = "partner_webhooks", tag = TAG, security(("partner" = [])),
    responses(
        (status = 200, description = "All of them, and how they are doing", body = Endpoints),
        Guarded,
    ),
)]
pub(crate) async fn list(State(gateway): State<Gateway>, Partner(caller): Partner) -> Result<axum::Json<Endpoints>, Refusal> {
    let items = gateway.app.webhooks.list(&account(&caller)).await.map_err(refusal)?;
    Ok(axum::Json(Endpoints { items, next: None }))
}
