//! Signed messages to partners' endpoints: in order, again until they arrive, never into our own network.
//!
//! The way of a message: [`ingest`] reads `orders.events`, finds what shows a partner something new
//! ([`atelier_projections::feed`], the same rule as the feed's) and writes it down as a numbered message, once for all the
//! partner's endpoints, with the log's offsets in the same transaction, so no event is lost or doubled there. An endpoint
//! has a place among its partner's messages. [`dispatch`] takes endpoints under a lease and goes on from their places;
//! what arrives gets a row that says so, what does not gets one that says when it is tried again, and holds its order back.
//! [`Sender`] signs and posts over a connection that the [`Guard`] has let through. What follows from the answer is decided
//! in [`decide`], which is pure.
//!
//! What holds:
//! 1. An order's messages first reach an endpoint in the order of their `sequence`: a later one is not sent
//!    before the one before it is delivered or, after three days, given up by name. What is sent again (asked
//!    for, or by a process that was stopped in the middle of it) may come late.
//! 2. At least once, under the same `webhook-id`, the event's id.
//! 3. A message that fails stops its order at its endpoint and nothing else; an endpoint that fails has one
//!    place among [`Limits::in_flight`].
//! 4. A disabled endpoint loses nothing. Nor does an order of which an event cannot be read yet: it waits.
//! 5. No address that is not public is dialled, unless it is on the list given.
//!
//! Deliberately absent: orders' data beyond what a partner sees, retries in memory, a queue that has to fit into it. A
//! message that has arrived and has no row yet, because the process died, is sent again.

mod decide;
mod dispatch;
mod endpoints;
mod engine;
mod error;
mod guard;
mod housekeeping;
mod ingest;
mod message;
mod metrics;
pub mod reconcile;
mod secret;
mod send;
mod sending;
pub mod signature;
mod stamp;
mod tables;
mod undelivered;
mod untaken;
mod wanting;

#[cfg(test)]
mod tests;

pub use decide::PATIENCE_MS;
pub use dispatch::{Clock, Limits};
pub use endpoints::{
    Deliveries, Delivery, DeliveryFilter, DeliveryState, ENDPOINTS_MAX, Endpoint, Endpoints, Made, OVERLAP_S, Resend, State, Tested, Wish,
};
pub use engine::{Handle, Parts, start};
pub use error::{Error, Refused};
pub use guard::{Blocked, Guard, Net};
pub use housekeeping::Retention;
pub use message::{MessagePrice, OrderData, OrderMessage, TEST_TYPE, TestData, TestMessage};
pub use metrics::Metrics;
pub use secret::{BadSecret, Secret};
pub use send::{Answer, Attempt, BadRoots, Dial, Doing, Message, Resolve, Sender, System, TOTAL_LIMIT, Transport};
pub use tables::SCHEMA;
pub use undelivered::{LATE_MS, undelivered, undelivered_or_cut};
