//! Pieces that addresses of partners share: for the document, and checks.

use utoipa::IntoResponses;

use crate::problem::{Code, Problem, Refusal};
use crate::validate::Check;

/// The longest reference, in characters.
pub(super) const REFERENCE_MAX: usize = 100;

/// What every address here can answer besides; for the document.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(crate) enum Guarded {
    /// No live key in `Authorization`.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// A limit of the partner is reached; `Retry-After` says when to come back, `detail` which one.
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(Problem),
    /// Something behind the gateway is away: nothing was accepted.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// A partner's own name for an order: visible, in one line, without spaces at its ends.
pub(super) fn check_reference(check: &mut Check, field: &str, reference: &str) {
    check.text(field, reference, REFERENCE_MAX);
    if reference != reference.trim() {
        check.fault(field, "begins or ends with a space", "Leave the space out.");
    }
}

/// The same reference with another payload.
pub(super) fn reference_reused(order_id: uuid::Uuid) -> Refusal {
    Refusal::field(
        Code::KeyReused,
        "reference",
        "was used before with another payload",
        "Send the first payload again exactly, or another reference; PATCH the order to change it.",
    )
    .order(order_id)
}
