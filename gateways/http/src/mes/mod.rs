//! `/mes/v1`: operators at the bench, and what does not move.

mod claim;
mod command;
mod complete;
mod gaps;
mod hold;
mod lane;
mod order;
mod pack;
mod preview;
mod queue;
mod queue_stream;
mod release;
mod resume;
mod rework;
mod ship;
mod start;

use atelier_schemas::Actor;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;
use crate::command::Surroundings;
use crate::extract::Terms;

const BASE: &str = "/mes/v1";
const TAG: &str = "mes";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(queue::queue))
        .routes(routes!(queue_stream::queue_stream))
        .routes(routes!(claim::claim))
        .routes(routes!(gaps::gaps))
        .routes(routes!(lane::lane, lane::turn))
        .routes(routes!(order::order))
        .routes(routes!(preview::preview))
        .routes(routes!(start::start))
        .routes(routes!(complete::complete))
        .routes(routes!(rework::rework))
        .routes(routes!(hold::hold))
        .routes(routes!(resume::resume))
        .routes(routes!(release::release))
        .routes(routes!(pack::pack))
        .routes(routes!(ship::ship))
        .routes(routes!(command::command))
}

fn bench(gateway: &Gateway, actor: Actor, terms: Terms) -> Surroundings<'_> {
    Surroundings { gateway, base: BASE, actor, terms }
}
