//! Real servers for tests, on loopback: Apache Kafka and PostgreSQL. And the libraries that partners use.
//!
//! A server dies with the process that started it, however that ends. Its files lie in the temporary
//! folder and go with it, at the latest when the next test process starts one.
//!
//! `tests/support/install` gets what is missing on Debian and Ubuntu.

mod clients;
mod kafka;
mod postgres;
mod process;
mod scratch;

pub use clients::Clients;
pub use kafka::{Cluster, Kafka, Ports};
pub use postgres::Postgres;
pub use scratch::free_port;
