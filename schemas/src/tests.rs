//! The Rust types against the schemas, with a second Avro implementation as the judge; golden bytes;
//! old and new readers; partitioning.

mod evolution;
mod framing;
mod golden;
mod partitioning;
mod samples;
