//! The tables, and rows as values.

use atelier_projections::feed::Seen;
use atelier_schemas::Money;
use atelier_store::{Columns, Conflict, Durability, Error, Row, Schema, Table, Value};

/// What this crate keeps. Endpoints and their secrets are nowhere else, so commits wait for the disk.
pub const SCHEMA: Schema = Schema {
    name: "webhook",
    migrations: &[
        ("webhooks/1", include_str!("migration.sql")),
        ("webhooks/2", include_str!("migration-2.sql")),
        ("webhooks/3", include_str!("migration-3.sql")),
    ],
    durability: Durability::Kept,
};

/// Whoever writes takes this name first: what one reads decides what it writes, and on PostgreSQL
/// transactions would otherwise run side by side.
pub(crate) const LOCK: &str = "atelier webhooks";

/// Of `ready_at`: never.
pub(crate) const NEVER: i64 = i64::MAX;

/// States of a delivery.
pub(crate) const PENDING: i64 = 0;
pub(crate) const DELIVERED: i64 = 1;
pub(crate) const GIVEN_UP: i64 = 2;

#[rustfmt::skip]
pub(crate) static ORDERS: Table = Table::new(
    "webhook_orders",
    &["order_id", "partner", "reference", "version", "seen_version", "sequence", "status", "held", "price_minor", "price_currency", "told_offset"],
    1,
    Conflict::Replace,
);

#[rustfmt::skip]
pub(crate) static MESSAGES: Table = Table::new(
    "webhook_messages",
    &["partner", "number", "order_id", "sequence", "event_id", "event_type", "event_at", "log_partition", "log_offset", "before_offset", "body"],
    2,
    Conflict::Keep,
);

/// What became of messages at endpoints.
#[rustfmt::skip]
pub(crate) static DELIVERIES: Table = Table::new(
    "webhook_deliveries",
    &["endpoint_id", "number", "order_id", "state", "attempts", "settled_at", "last_at", "last_code", "last_error", "last_answer", "last_ms"],
    2,
    Conflict::Keep,
);

/// An order as its partner last saw it, and the offset of the last event that showed something.
pub(crate) struct Known {
    pub(crate) seen: Seen,
    pub(crate) told_offset: Option<i64>,
}

pub(crate) fn read_order(row: &Row) -> Result<Known, Error> {
    let mut columns = Columns::of(row);
    let seen = Seen {
        order_id: columns.id()?,
        partner: columns.text()?,
        reference: columns.optional_text()?,
        version: columns.int()?,
        seen_version: columns.int()?,
        sequence: columns.int()?,
        status: columns.text()?,
        held: columns.flag()?,
        price: match (columns.optional_int()?, columns.optional_text()?) {
            (Some(minor), Some(currency)) => Some(Money { minor, currency }),
            _ => None,
        },
    };
    Ok(Known { seen, told_offset: columns.optional_int()? })
}

pub(crate) fn write_order(Known { seen: order, told_offset }: &Known) -> Vec<Value> {
    vec![
        order.order_id.into(),
        order.partner.as_str().into(),
        (&order.reference).into(),
        order.version.into(),
        order.seen_version.into(),
        order.sequence.into(),
        order.status.as_str().into(),
        order.held.into(),
        order.price.as_ref().map(|price| price.minor).into(),
        order.price.as_ref().map(|price| price.currency.as_str()).into(),
        (*told_offset).into(),
    ]
}
