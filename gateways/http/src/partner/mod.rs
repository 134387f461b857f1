//! `/partner/v1`: partners' systems, each with a key of its own.
//!
//! What is here: `/webhooks…`. What comes here: `POST /orders` (reference, model and terms in one call),
//! `POST /orders/{id}/cancel`, `GET /orders/{id}`, `GET /orders`, `GET /feed` (the same events as the
//! webhooks, to catch up) and `POST /reconcile` (my ids and last versions → the differences). A bearer key
//! names the partner; every read and command is bound to what is that partner's.

mod webhooks;

use utoipa_axum::router::OpenApiRouter;

use crate::app::Gateway;

const TAG: &str = "partner";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().merge(webhooks::routes())
}
