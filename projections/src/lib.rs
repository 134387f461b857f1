//! Read models and the runner that feeds them.
//!
//! The log is the truth; everything here can be deleted and comes back. A read model is a folder:
//! its tables (`migration.sql`), how an event changes its rows (`apply`), what may be asked (`query`)
//! and what is answered (`view`). [`shop`] holds the order as its buyer sees it and its timeline,
//! [`queue`] the operators' work, [`crm`] the sellers' lists and the counts by status, [`partner`] the
//! orders of one partner, [`feed`] what partners saw of them change by change, [`gaps`] the orders that do not move or got lost, [`outcomes`] the answers to
//! commands.
//!
//! The [`Runner`] applies a batch of records and moves the model's stored offset in one database
//! transaction, so a record is applied once, however often processes die or run side by side.
//!
//! [`Store`] is the database with their tables, by way of `atelier_store`: one SQL text for SQLite and PostgreSQL.
//!
//! Deliberately absent: what may happen to an order. Events carry the order as it stands after them.

pub mod crm;
pub mod feed;
pub mod gaps;
pub mod outcomes;
pub mod partner;
pub mod queue;
pub mod runner;
pub mod shop;
pub mod store;

mod account;
mod entries;
mod error;
mod metrics;
mod model;
mod page;
mod parked;
mod queries;
mod show;

pub use account::{SANDBOX, account};
pub use crm::{CrmFilter, CrmOrder, CustomerView};
pub use entries::{OrderEntry, OutcomeEntry};
pub use error::Error;
pub use feed::{FeedCursor, FeedEntry};
pub use gaps::{BEHIND_AFTER, Behind, Cause, Found, Gap, GapFilter, GapState, Keep, LastEvent, Undelivered, UnknownParcel, behind};
pub use metrics::Metrics;
pub use model::Model;
pub use page::Page;
pub use parked::{Parked, ParkedFilter};
pub use partner::{PartnerFilter, PartnerOrder};
pub use queries::Queries;
pub use queue::{QueueFilter, QueueItem, QueueLane};
pub use runner::{Fed, Feed, Runner, RunnerHandle};
pub use shop::{ItemView, ModelView, OrderView, TimelineEntry};
pub use show::{Price, PriceLine, allowed_for};
pub use store::Store;
