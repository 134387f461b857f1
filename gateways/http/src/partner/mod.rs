//! `/partner/v1`: partners' systems, each with a key of its own.
//!
//! The room is laid out and has no routes yet. What comes here: `POST /orders` (reference, model and
//! terms in one call), `POST /orders/{id}/cancel`, `GET /orders/{id}`, `GET /orders`, `GET /feed` (the
//! same events as the webhooks, to catch up), `POST /reconcile` (my ids and last versions → the
//! differences) and `/webhooks…`. A bearer key names the partner; every read and command is bound to
//! the orders of that partner, which the `partner` read model already keeps apart.

use utoipa_axum::router::OpenApiRouter;

use crate::app::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
}
