//! The sellers' lists, and how many orders stand in each status.

mod apply;
mod query;
mod row;
mod view;

pub(crate) use apply::Crm;
pub use view::{CrmFilter, CrmOrder, CustomerView};
