//! The HTTP surfaces: shop, partner, mes, crm, carrier, events, ops.
//!
//! One folder per surface, one file per endpoint: its path, body, OpenAPI text and handler. What the
//! endpoints share lies beside them: [`extract`] turns a request into checked values, [`command`]
//! asks the engine through the log and turns its outcome into an answer, [`read`] answers from the
//! read models, [`problem`] is the one shape of every refusal.
//!
//! The way of a command: extractors refuse what is malformed (400, 401, 403, 413, 415, 422) before
//! anything is written; the command is appended durably; its outcome becomes 200 or 201, or a typed
//! refusal; no outcome in time becomes 202 with the place to ask later. When the log cannot be
//! reached the answer is 503 and nothing was accepted.
//!
//! Deliberately absent: deciding. No handler knows which action is legal in which status; the engine
//! says so, and `allowed` in its refusals and in the read models is passed on.

mod app;
mod command;
mod config;
mod extract;
mod item;
mod money;
mod problem;
mod read;
mod router;
mod serve;
mod stamp;
mod telemetry;
mod upload;
mod validate;

mod carrier;
mod crm;
mod events;
mod mes;
mod ops;
mod partner;
mod shop;

pub use app::App;
pub use atelier_webhooks::{Secret, signature};
pub use carrier::follow_parcels;
pub use command::{Accepted, Pending, order_id_of};
pub use config::{Config, Error, StaffPolicy};
pub use events::{CloudEvent, Envelope, EventLine, PublishedEvent};
pub use ops::asyncapi;
pub use problem::{FieldError, Problem};
pub use router::{Surface, openapi, router};
pub use serve::{Limits, serve};
pub use telemetry::Metrics;
