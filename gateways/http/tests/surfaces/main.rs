//! The surfaces over a real log (in memory), real read models (SQLite in a folder of the test's own)
//! and a small engine that follows a script (`engine`).

mod carrier;
mod commands;
mod create;
mod crm;
mod document;
mod engine;
mod events;
mod gaps;
mod house;
mod logs;
mod mes;
mod model;
mod ops;
mod partner;
mod partner_limits;
mod partner_orders;
mod partner_sandbox;
mod reads;
mod served;
mod staff;
mod streams;
mod webhooks;
