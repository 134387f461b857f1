//! `/shop/v1`: the shop's frontend, on behalf of its customers.
//!
//! It is not authenticated: an order's id is the capability to see it. Orders of other channels look
//! as if they did not exist; for commands the engine sees to that.

mod cancel;
mod command;
mod create;
mod model;
mod order;
mod preview;
mod ring;
mod stream;
mod submit;
mod timeline;

use atelier_schemas::Actor;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;
use crate::command::Surroundings;
use crate::extract::Terms;

const BASE: &str = "/shop/v1";
const TAG: &str = "shop";
/// The channel whose orders can be seen here, and the client under whom they are created.
const CHANNEL: &str = "shop";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(order::order))
        .routes(routes!(timeline::timeline))
        .routes(routes!(preview::preview))
        .routes(routes!(stream::stream))
        .routes(routes!(model::model))
        .routes(routes!(ring::ring))
        .routes(routes!(submit::submit))
        .routes(routes!(cancel::cancel))
        .routes(routes!(command::command))
}

/// The customer, through the shop: never by name.
fn customer(gateway: &Gateway, terms: Terms) -> Surroundings<'_> {
    let actor = Actor { role: "customer".into(), name: CHANNEL.into() };
    Surroundings { gateway, base: BASE, actor, terms }
}
