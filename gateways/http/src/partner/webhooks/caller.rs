//! Which partner asks.

use atelier_partners::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// Whose key the request came with, put among its extensions by whoever has recognised the key.
pub(crate) struct Partner(pub(crate) Caller);

impl FromRequestParts<Gateway> for Partner {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refusal> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(|| {
            const FIX: &str = "Send `Authorization: Bearer atl_…` with a live key.";
            Refusal::field(Code::Unauthenticated, "Authorization", "names no partner", FIX).challenge("Bearer")
        })
    }
}
