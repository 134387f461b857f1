//! The orders of each partner, as that partner sees them. Orders of other channels have no row here.

mod apply;
mod query;
mod row;
mod view;

pub(crate) use apply::Partner;
pub use view::{PartnerFilter, PartnerOrder};
