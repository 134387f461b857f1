//! `PATCH /partner/v1/webhooks/{id}`: change, enable or disable an endpoint.

use atelier_webhooks::{Endpoint, Wish};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Bodied, EndpointId, EndpointPath, TAG, refusal};
use crate::app::Gateway;
use crate::extract::{Json, NoParams, Query};
use crate::partner::account;
use crate::partner::guard::Partner;
use crate::partner::parts::Guarded;
use crate::problem::{Problem, Refusal};

/// What is to be otherwise; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"enabled": true}))]
pub(crate) struct EndpointChange {
    /// As in a new endpoint.
    #[serde(default)]
    url: Option<String>,
    /// As in a new endpoint; from now on.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// As in a new endpoint.
    #[serde(default)]
    description: Option<String>,
    /// False: nothing is sent, and everything waits. True: what has waited is sent, from the first on.
    #[serde(default)]
    enabled: Option<bool>,
}

/// Change an endpoint
#[utoipa::path(
    patch, path = "/partner/v1/webhooks/{id}", operation_id = "partner_webhooks_update", tag = TAG, security(("partner" = [])),
    params(EndpointPath), request_body = EndpointChange,
    responses(
        (status = 200, description = "The endpoint now", body = Endpoint),
        (status = 404, description = "No endpoint of yours", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something in it is not taken", body = Problem, content_type = "application/problem+json"),
        Bodied,
        Guarded,
    ),
)]
pub(crate) async fn update(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    EndpointId(id): EndpointId,
    _: Query<NoParams>,
    Json(body): Json<EndpointChange>,
) -> Result<axum::Json<Endpoint>, Refusal> {
    let wish = Wish { url: body.url, events: body.events, description: body.description, enabled: body.enabled };
    gateway.app.webhooks.update(&account(&caller), id, wish).await.map(axum::Json).map_err(refusal)
}
