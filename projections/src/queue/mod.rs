//! The operators' queue: what is at the works, oldest due first.

mod apply;
mod query;
mod row;
mod view;

pub(crate) use apply::{Queue, work};
pub use view::{QueueFilter, QueueItem, QueueLane};
