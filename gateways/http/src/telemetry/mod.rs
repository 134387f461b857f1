//! What is counted and traced of every request. Never a body, a header's value, a name, an address.

mod metrics;
mod observe;

pub use metrics::Metrics;
pub(crate) use observe::observe;
