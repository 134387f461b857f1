//! The worker against an engine that the test plays by hand: nothing is answered before the test says so.

mod flow;
mod house;
mod leases;
mod limits;

use super::{Error, Worker, WorkerConfig};
