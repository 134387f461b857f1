//! `/partner/v1`: partners' systems, each with keys of its own.
//!
//! [`guard`] stands before every address here: whose key it is, whether it asks too often, whether too much of
//! the partner's is under way already. All of that is decided by the request's head; no body is read before.
//! From there on the partner's name is part of every question and command, so that another partner's order
//! is nobody's order. A key of the sandbox has another name still ([`account`]) and another role.

mod accept;
mod amend;
mod cancel;
mod command;
mod create;
mod feed;
mod gauge;
pub(crate) mod guard;
mod key_create;
mod key_revoke;
mod keys;
mod new_order;
mod order;
mod orders;
mod parts;
mod quota;
mod reconcile;
mod sandbox_advance;
mod sandbox_clock;
mod steps;
mod uploads;
mod webhooks;

use atelier_partners::Caller;
use atelier_schemas::Actor;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Gateway;
use crate::command::Surroundings;
use crate::extract::Terms;

pub(crate) const BASE: &str = "/partner/v1";
const TAG: &str = "partner";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create::create, orders::orders))
        .routes(routes!(order::order, amend::amend))
        .routes(routes!(accept::accept))
        .routes(routes!(cancel::cancel))
        .routes(routes!(sandbox_advance::advance))
        .routes(routes!(sandbox_clock::clock))
        .routes(routes!(uploads::upload))
        .routes(routes!(feed::feed))
        .routes(routes!(reconcile::reconcile))
        .routes(routes!(keys::keys, key_create::create))
        .routes(routes!(key_revoke::revoke))
        .routes(routes!(command::command))
        .merge(webhooks::routes())
        // Each body has a limit of its own where it is read.
        .layer(DefaultBodyLimit::disable())
}

/// The name under which orders of this key lie in the read models, and whatever else its partner's other keys of the
/// same kind share. The sandbox has one of its own.
fn account(caller: &Caller) -> String {
    atelier_projections::account(&caller.partner, caller.mode.is_sandbox())
}

/// The partner, through its key.
fn partner<'g>(gateway: &'g Gateway, caller: &Caller, terms: Terms) -> Surroundings<'g> {
    let role = if caller.mode.is_sandbox() { "sandbox" } else { "partner" };
    let actor = Actor { role: role.into(), name: caller.partner.clone() };
    Surroundings { gateway, base: BASE, actor, terms }
}
