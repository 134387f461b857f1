//! Answering from the read models.

mod live;
mod order;
mod preview;

pub(crate) use live::{Answer, Live, event_stream};
pub(crate) use order::{Found, History, WaitVersion, find, fresh, is_final, timeline};
pub(crate) use preview::preview;

use crate::problem::{Code, Refusal};

/// An error of the read models as a refusal. What the store said goes to the log, not to the caller.
pub(crate) fn store_refusal(error: atelier_projections::Error) -> Refusal {
    use atelier_projections::Error;
    match error {
        Error::Behind { have: 0, .. } => Refusal::new(
            Code::Behind,
            "The read model has not seen this order. Check the id; if the order was just created, ask again in a moment.",
        )
        .retry_after_s(1),
        Error::Behind { wanted, have } => Refusal::new(
            Code::Behind,
            format!(
                "The read model has seen version {have} of this order, not {wanted}. Ask again in a moment, or for a version that exists."
            ),
        )
        .retry_after_s(1),
        Error::BadCursor => Refusal::field(Code::Invalid, "cursor", "was not given out by this list", "Start again without one."),
        other => {
            tracing::error!(error = %other, "the read models did not answer");
            Refusal::new(Code::Unavailable, "The read models do not answer. Orders are safe and commands go on; ask again in a moment.")
                .retry_after_s(2)
        }
    }
}
