//! Every state there is, at small scope: where a run draws what happens, a search lets everything happen.
//!
//! [`lease`]: one order in pricing, two workers, every command at every time, as often as it likes, through
//! `atelier_domain::decide`. [`handover`]: two engines and one partition, something going wrong between any two steps of
//! the product's worker over the log in memory. States are visited breadth first, so a failure comes with a shortest way
//! to it. Besides its properties a model names the states in which all is done; the search asks that one of them can be
//! reached from everywhere: there is no trap.

pub mod handover;
pub mod lease;
mod search;

pub use search::{Explored, Found};
