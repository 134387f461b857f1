//! What partners see of their orders, change by change: what webhooks tell and what `GET …/feed` lists.
//!
//! [`Seen::created`] and [`Seen::follow`] are the one pure rule by which an event becomes an entry or stays
//! inside the house; whoever tells partners anything goes by them, so that ids, sequences and previous
//! versions agree everywhere:
//!
//! ```
//! use atelier_projections::feed::{Seen, Shown};
//! use atelier_schemas::Event;
//!
//! /// What the order's next event shows its partner; `order` is `None` before the first one.
//! fn next(order: &mut Option<Seen>, event: &Event) -> Option<Shown> {
//!     if order.is_none() {
//!         *order = Seen::created(event);
//!     }
//!     order.as_mut()?.follow(event)
//! }
//! ```

mod apply;
mod cursor;
mod query;
mod row;
mod seen;
mod view;

pub(crate) use apply::Changes;
pub use cursor::FeedCursor;
pub use query::{Difference, Given, Known, MISSING_LIMIT, Reconciled};
pub use seen::{Seen, Shown, TYPES};
pub use view::FeedEntry;
