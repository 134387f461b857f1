//! The answers to commands, so that somebody who got 202 can ask later.

mod apply;
mod query;

pub use apply::KEPT_MS;
pub(crate) use apply::Outcomes;
