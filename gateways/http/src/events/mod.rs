//! `/events/v1`: analysts read the log itself.

mod envelope;
mod filter;
mod published;
mod reading;
mod stream;

pub use envelope::{CloudEvent, Envelope, EventLine};
pub use published::PublishedEvent;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;

const TAG: &str = "events";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(stream::events))
        // The same without the slash at the end.
        .route("/events/v1", axum::routing::get(stream::events))
}
