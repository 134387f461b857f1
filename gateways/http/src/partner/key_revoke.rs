//! `DELETE /partner/v1/keys/{id}`: a key that opens nothing any more.

use atelier_partners::Mode;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::TAG;
use super::guard::{Partner, accounts_away};
use super::keys::PartnerKey;
use super::parts::Guarded;
use crate::app::Gateway;
use crate::extract::{NoParams, Query};
use crate::problem::{Code, Problem, Refusal};

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct KeyPath {
    /// The key's public part.
    id: String,
}

/// Revoke a key
///
/// From the answer on it opens nothing, in any process. The key of this very request may be meant; a key of the sandbox
/// revokes those of the sandbox only.
#[utoipa::path(
    delete, path = "/partner/v1/keys/{id}", operation_id = "partner_key_revoke", tag = TAG, security(("partner" = [])),
    params(KeyPath),
    responses(
        (status = 200, description = "Revoked", body = PartnerKey),
        (status = 404, description = "No key of this partner", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is a parameter", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn revoke(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    _: Query<NoParams>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<axum::Json<PartnerKey>, Refusal> {
    let app = &gateway.app;
    let unknown = || Refusal::field(Code::UnknownKey, "id", "is no key of yours", "GET /partner/v1/keys lists them.");
    let only = caller.mode.is_sandbox().then_some(Mode::Sandbox);
    let Ok(Path(id)) = id else { return Err(unknown()) };
    let revoked = app.accounts.revoke_key(&caller.partner, &id, only, (app.clock)()).await.map_err(|error| match error {
        atelier_partners::Error::UnknownKey { .. } => unknown(),
        error => accounts_away(error),
    })?;
    Ok(axum::Json(revoked.into()))
}
