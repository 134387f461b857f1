//! Trials: faults in an order drawn from a seed, processes to inflict them on, a probe that tells when everything
//! moves again, and the table at the end.

mod child;
mod load;
mod plan;
mod probe;
mod tally;

pub use child::Child;
pub use load::Load;
pub use plan::{Step, plan};
pub use probe::{Ack, Prober};
pub use tally::Tally;
