//! The whole house: its walls, its front door, and what is left of it after a crash.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod architecture;
mod audit;
mod behind;
mod chaos;
mod command_line;
mod crashes;
mod deliveries;
mod demo;
mod examples;
mod filled;
mod gaps;
mod judge;
mod leaks;
mod parcels;
mod parked;
mod partner_side;
mod partners;
mod roles;
mod sandbox;
mod servers;
mod undelivered;
