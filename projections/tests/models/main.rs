//! Events go into a log in memory, rows come out of SQLite and of PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod bed;
mod equality;
mod feed;
mod gaps;
mod ledger;
mod opening;
mod outage;
mod outcomes;
mod paging;
mod poison;
mod restart;
mod sandbox;
mod script;
mod set_aside;
mod silent_engine;
mod upgrade;
mod views;
mod waiting;
