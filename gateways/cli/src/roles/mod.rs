//! The roles, one file each, and `up`, which is all of them.

mod engine;
mod gateway;
pub(crate) mod ops;
mod pricing;
mod projections;
mod serving;
mod up;
mod webhooks;

pub(crate) use engine::engine;
pub(crate) use gateway::gateway;
pub(crate) use pricing::pricing;
pub(crate) use projections::projections;
pub(crate) use up::{House, up};
pub(crate) use webhooks::webhooks;
