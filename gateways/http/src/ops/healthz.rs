//! `GET /healthz`: the process lives. It says nothing about what it needs; see `readyz`.

use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;

/// The process lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Ask whether the process lives
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = TAG, responses((status = 200, description = "It does", body = Alive)))]
pub(crate) async fn healthz() -> axum::Json<Alive> {
    axum::Json(Alive { status: "ok" })
}
