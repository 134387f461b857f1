//! The order as its buyer sees it, and its timeline.

mod apply;
mod detail;
mod query;
mod row;
mod view;

pub(crate) use apply::Shop;
pub use view::{ItemView, ModelView, OrderView, TimelineEntry};
