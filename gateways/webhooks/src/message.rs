//! The bodies of messages.

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use atelier_projections::feed::{Seen, Shown};

use crate::stamp::rfc3339;

/// The type of a message that only tries an endpoint.
pub const TEST_TYPE: &str = "webhook.test";

/// A message about an order: thin, below 20 kB, so that a receiver that wants more asks for it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderMessage {
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When, RFC 3339.
    #[schema(format = "date-time")]
    pub timestamp: String,
    /// The order after it.
    pub data: OrderData,
}

/// The order after what happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderData {
    /// Of the event: the `webhook-id`, and the id in the feed.
    pub event_id: Uuid,
    /// The order.
    pub order_id: Uuid,
    /// Your name for it.
    pub reference: Option<String>,
    /// Public status.
    pub status: String,
    /// On hold.
    pub held: bool,
    /// For the whole order, once there is one.
    pub price: Option<MessagePrice>,
    /// The order's version.
    pub version: i64,
    /// The order's version in the entry of the feed before this one; 0 for the first.
    pub previous_version: i64,
    /// 1, 2, 3 … among what you were shown of this order.
    pub sequence: i64,
    /// That of the message about this order which this endpoint was sent before; 0 for none, or where what it wanted
    /// was changed and that message has left the delivery log. Another one than you saw last: one is missing, ask the
    /// feed.
    pub previous_sequence: i64,
    /// Where the order can be read.
    pub link: String,
}

/// A price. The amount is decimal text, never a float.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessagePrice {
    /// For example `123.40`.
    #[schema(example = "123.40")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
}

impl OrderMessage {
    /// As an endpoint gets it that was sent the message before; `base` comes before the link's path.
    pub(crate) fn of(shown: &Shown, base: &str) -> Self {
        let Seen { order_id, reference, version, sequence, status, held, price, .. } = &shown.order;
        Self {
            event_type: shown.event_type.to_owned(),
            timestamp: rfc3339(shown.at),
            data: OrderData {
                event_id: shown.event_id,
                order_id: *order_id,
                reference: reference.clone(),
                status: status.clone(),
                held: *held,
                price: price.as_ref().map(|price| MessagePrice { amount: decimal(price.minor), currency: price.currency.clone() }),
                version: *version,
                previous_version: shown.previous_version,
                sequence: *sequence,
                previous_sequence: sequence - 1,
                link: format!("{base}/partner/v1/orders/{order_id}"),
            },
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// The body of a message as an endpoint gets it that was sent this one of the order before.
pub(crate) fn with_previous(body: &Bytes, sequence: i64, previous: i64) -> Bytes {
    // In a text of JSON a quote has a backslash before it, so this is the name of a member.
    const NAME: &str = "\"previous_sequence\":";
    let Some(text) = std::str::from_utf8(body).ok().filter(|_| previous != sequence - 1) else { return body.clone() };
    let Some((head, tail)) = text.split_once(NAME) else { return body.clone() };
    let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
    Bytes::from(format!("{head}{NAME}{previous}{tail}"))
}

/// A message that only tries an endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TestMessage {
    /// `webhook.test`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When, RFC 3339.
    #[schema(format = "date-time")]
    pub timestamp: String,
    /// Which endpoint.
    pub data: TestData,
}

/// Which endpoint is tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TestData {
    /// The `webhook-id`.
    pub event_id: Uuid,
    /// The endpoint.
    pub endpoint_id: Uuid,
}

/// Minor units as a decimal with two places.
fn decimal(minor: i64) -> String {
    let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_was_sent_before() {
        let body = Bytes::from(r#"{"data":{"reference":"\"previous_sequence\":7,","sequence":12,"previous_sequence":11,"link":"x"}}"#);
        assert_eq!(with_previous(&body, 12, 11), body);
        let nine = r#"{"data":{"reference":"\"previous_sequence\":7,","sequence":12,"previous_sequence":9,"link":"x"}}"#;
        assert_eq!(with_previous(&body, 12, 9), nine);
    }

    #[test]
    fn amounts_have_two_places() {
        for (minor, text) in [(0, "0.00"), (5, "0.05"), (12_340, "123.40"), (-5, "-0.05"), (i64::MIN, "-92233720368547758.08")] {
            assert_eq!(decimal(minor), text);
        }
    }
}
