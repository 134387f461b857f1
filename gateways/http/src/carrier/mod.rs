//! `/carrier/v1`: carriers' messages, signed.

mod command;
mod deliveries;
mod pauses;
mod signed;
mod waiting;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;

pub use waiting::follow_parcels;

const BASE: &str = "/carrier/v1";
const TAG: &str = "carrier";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(deliveries::deliveries)).routes(routes!(command::command))
}
