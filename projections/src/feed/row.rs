//! Rows of `feed_orders` and `feed_entries`.

use atelier_schemas::Money;
use atelier_store::{Columns, Conflict, Row, Table, Value};
use uuid::Uuid;

use super::seen::{Seen, Shown};
use crate::Error;
use crate::runner::Place;

#[rustfmt::skip]
pub(super) static ORDERS: Table = Table::new(
    "feed_orders",
    &[
        "order_id", "partner", "reference", "version", "seen_version", "sequence", "status", "stage", "held", "price_minor",
        "price_currency", "request_id", "created_at",
    ],
    1,
    Conflict::Replace,
);

#[rustfmt::skip]
pub(super) static ENTRIES: Table = Table::new(
    "feed_entries",
    &[
        "log_partition", "log_offset", "position", "partner", "event_id", "order_id", "reference", "type", "status", "held", "price_minor",
        "price_currency", "version", "previous_version", "sequence", "at",
    ],
    2,
    Conflict::Keep,
);

/// An order as the feed needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(super) seen: Seen,
    pub(super) stage: String,
    /// The business request that created it.
    pub(super) request_id: Uuid,
    pub(super) created_at: i64,
}

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        let (order_id, partner, reference) = (columns.id()?, columns.text()?, columns.optional_text()?);
        let (version, seen_version, sequence) = (columns.int()?, columns.int()?, columns.int()?);
        let (status, stage, held) = (columns.text()?, columns.text()?, columns.flag()?);
        let price = price(&mut columns)?;
        Ok(Self {
            seen: Seen { order_id, partner, reference, version, seen_version, sequence, status, held, price },
            stage,
            request_id: columns.id()?,
            created_at: columns.int()?,
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        let seen = &self.seen;
        vec![
            seen.order_id.into(),
            seen.partner.as_str().into(),
            (&seen.reference).into(),
            seen.version.into(),
            seen.seen_version.into(),
            seen.sequence.into(),
            seen.status.as_str().into(),
            self.stage.as_str().into(),
            seen.held.into(),
            seen.price.as_ref().map(|price| price.minor).into(),
            seen.price.as_ref().map(|price| price.currency.as_str()).into(),
            self.request_id.into(),
            self.created_at.into(),
        ]
    }
}

/// From the columns `price_minor, price_currency`.
pub(super) fn price(columns: &mut Columns<'_>) -> Result<Option<Money>, Error> {
    Ok(columns.optional_int()?.zip(columns.optional_text()?).map(|(minor, currency)| Money { minor, currency }))
}

/// An entry that is to be written.
pub(crate) struct NewEntry {
    pub(super) shown: Shown,
    pub(super) place: Place,
}

/// The row of an entry at its position.
pub(super) fn entry(NewEntry { shown, place }: &NewEntry, position: i64) -> Vec<Value> {
    let order = &shown.order;
    vec![
        i64::from(place.partition).into(),
        place.offset.cast_signed().into(),
        position.into(),
        order.partner.as_str().into(),
        shown.event_id.into(),
        order.order_id.into(),
        (&order.reference).into(),
        shown.event_type.into(),
        order.status.as_str().into(),
        order.held.into(),
        order.price.as_ref().map(|price| price.minor).into(),
        order.price.as_ref().map(|price| price.currency.as_str()).into(),
        order.version.into(),
        shown.previous_version.into(),
        order.sequence.into(),
        shown.at.into(),
    ]
}
