//! `GET /partner/v1/keys`: the partner's own keys.

use atelier_partners::{Caller, KeyInfo, Mode};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use super::guard::{Partner, accounts_away};
use super::parts::Guarded;
use crate::app::Gateway;
use crate::problem::Refusal;
use crate::stamp;

/// What is known of a key. Its secret is known to nobody but its owner.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerKey {
    /// The part between the underscores.
    #[schema(example = "k7b2mq4xw3ah")]
    key_id: String,
    /// It opens the sandbox only.
    sandbox: bool,
    /// RFC 3339.
    created_at: String,
    /// Since when it opens nothing; null while it lives.
    revoked_at: Option<String>,
    /// When it was last used, to the minute; null when never.
    last_used_at: Option<String>,
}

/// All of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerKeys {
    /// Newest first, at most 200.
    items: Vec<PartnerKey>,
    /// Always null: they come whole.
    next: Option<String>,
}

impl From<KeyInfo> for PartnerKey {
    fn from(info: KeyInfo) -> Self {
        Self {
            key_id: info.key_id,
            sandbox: info.mode.is_sandbox(),
            created_at: stamp::text(info.created_at),
            revoked_at: info.revoked_at.map(stamp::text),
            last_used_at: info.used_at.map(stamp::text),
        }
    }
}

/// Whoever has a key of the sandbox learns nothing of the others.
pub(super) fn may_see(caller: &Caller, mode: Mode) -> bool {
    caller.mode == Mode::Live || mode == caller.mode
}

/// List keys
///
/// With a key of the sandbox, those of the sandbox only.
#[utoipa::path(
    get, path = "/partner/v1/keys", operation_id = "partner_keys", tag = TAG, security(("partner" = [])),
    responses((status = 200, description = "The keys", body = PartnerKeys), Guarded),
)]
pub(crate) async fn keys(State(gateway): State<Gateway>, Partner(caller): Partner) -> Result<axum::Json<PartnerKeys>, Refusal> {
    let keys = gateway.app.accounts.keys(Some(&caller.partner)).await.map_err(accounts_away)?;
    let keys = keys.into_iter().filter(|key| may_see(&caller, key.mode));
    Ok(axum::Json(PartnerKeys { items: keys.map(PartnerKey::from).collect(), next: None }))
}
