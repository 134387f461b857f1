//! Talking to Kafka without our log: the bare limit, and the drivers that both sides share.

mod bare;
mod bench;
mod native;
mod raw;
mod round_trip;
mod script;
mod watched;

pub(crate) use bare::Bare;
pub(crate) use bench::{Bench, PARTITIONS, WORKERS, engine};
pub(crate) use raw::{flood, raw_reader};
pub(crate) use round_trip::Driver;
pub(crate) use script::Script;
pub(crate) use watched::{Watched, Window};
