//! `/crm/v1`: sellers.

mod approve;
mod attention;
mod cancel;
mod close;
mod command;
mod dead_letter;
mod dismiss;
mod hold;
mod order;
mod orders;
mod parked;
mod preview;
mod quote;
mod reject;
mod reprice;
mod resume;
mod skip_records;
mod timeline;

use atelier_schemas::Actor;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;
use crate::command::Surroundings;
use crate::extract::Terms;

const BASE: &str = "/crm/v1";
const TAG: &str = "crm";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(orders::orders))
        .routes(routes!(attention::attention))
        .routes(routes!(parked::parked))
        .routes(routes!(order::order))
        .routes(routes!(preview::preview))
        .routes(routes!(timeline::timeline))
        .routes(routes!(approve::approve))
        .routes(routes!(reject::reject))
        .routes(routes!(quote::quote))
        .routes(routes!(reprice::reprice))
        .routes(routes!(hold::hold))
        .routes(routes!(resume::resume))
        .routes(routes!(cancel::cancel))
        .routes(routes!(close::close))
        .routes(routes!(skip_records::skip_records))
        .routes(routes!(dead_letter::replay))
        .routes(routes!(dismiss::dismiss))
        .routes(routes!(command::command))
}

fn desk(gateway: &Gateway, actor: Actor, terms: Terms) -> Surroundings<'_> {
    Surroundings { gateway, base: BASE, actor, terms }
}
