//! Health, readiness, metrics, the API document: for whoever runs the gateway. Always served.

mod document;
mod healthz;
mod messages;
mod metrics;
mod readyz;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;

pub use messages::asyncapi;

const TAG: &str = "ops";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(document::document))
        .routes(routes!(messages::document))
}
