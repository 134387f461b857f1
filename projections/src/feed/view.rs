//! What a partner reads of the feed.

use atelier_store::{Columns, Row};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::row::price;
use crate::Error;
use crate::show::{amount, rfc3339};

/// An amount as partners read it. Decimal text, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// For example `123.40`.
    #[schema(example = "123.40")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
}

/// One change of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FeedEntry {
    /// Of the event; the `webhook-id` of the webhook about the same change.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: Uuid,
    /// The order.
    #[schema(value_type = String, format = "uuid")]
    pub order_id: Uuid,
    /// The partner's own name for it.
    pub reference: Option<String>,
    /// `order.created`, `order.status_changed`, `order.price_changed`, `order.held`, `order.resumed` or `order.amended`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Public status after it.
    #[schema(example = "PRICE_CALCULATED")]
    pub status: String,
    /// On hold after it.
    pub held: bool,
    /// Price after it, once there is one.
    pub price: Option<Amount>,
    /// The order's version after it.
    pub version: i64,
    /// Version of the order's entry before this one; 0 when this is the first.
    pub previous_version: i64,
    /// Number of the entry among those of its order: 1, 2, 3 … without a gap.
    pub sequence: i64,
    /// When it happened, RFC 3339.
    pub at: String,
}

/// The columns of an entry, in the order in which [`FeedEntry::read`] takes them; its place comes first.
pub(super) const COLUMNS: &str = "SELECT position, event_id, order_id, reference, type, status, held, price_minor, price_currency, \
    version, previous_version, sequence, at FROM feed_entries WHERE ";

impl FeedEntry {
    /// The entry and its position.
    pub(super) fn read(row: &Row) -> Result<(i64, Self), Error> {
        let mut columns = Columns::of(row);
        let position = columns.int()?;
        let (event_id, order_id, reference) = (columns.id()?, columns.id()?, columns.optional_text()?);
        let (event_type, status, held) = (columns.text()?, columns.text()?, columns.flag()?);
        let price = price(&mut columns)?.map(|price| Amount { amount: amount(price.minor, &price.currency), currency: price.currency });
        let (version, previous_version, sequence) = (columns.int()?, columns.int()?, columns.int()?);
        let at = rfc3339(columns.int()?);
        Ok((position, Self { event_id, order_id, reference, event_type, status, held, price, version, previous_version, sequence, at }))
    }
}
