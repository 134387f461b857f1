//! What of an order its partner sees.

use atelier_schemas::{Event, EventData, Money, TimeMs};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account;

/// The types of entries.
pub const TYPES: [&str; 6] =
    ["order.created", "order.status_changed", "order.price_changed", "order.held", "order.resumed", "order.amended"];

/// A partner's order as the partner last saw it. Small and plain, so that it can be kept in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The order.
    pub order_id: Uuid,
    /// Whose it is, as [`account`] names it: a partner's sandbox is somebody else.
    pub partner: String,
    /// The partner's own name for it.
    pub reference: Option<String>,
    /// Of the last event, shown or not.
    pub version: i64,
    /// Of the last event that showed something; 0 before the first.
    pub seen_version: i64,
    /// How many events have shown something.
    pub sequence: i64,
    /// Public status.
    pub status: String,
    /// On hold.
    pub held: bool,
    /// For the whole order, once there is one.
    pub price: Option<Money>,
}

/// What an event showed the partner: one entry of the feed, one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of the event; the `webhook-id`. The same for ever, also when the feed is made anew.
    pub event_id: Uuid,
    /// One of [`TYPES`].
    pub event_type: &'static str,
    /// When the engine decided it.
    pub at: TimeMs,
    /// Version of the order's entry before this one; 0 when this is the first.
    pub previous_version: i64,
    /// The order after it; its `version` is that of the event, its `sequence` 1, 2, 3 … without a gap.
    pub order: Seen,
}

impl Seen {
    /// The order that this event creates, before anything was shown of it; `None` for any other event and
    /// for orders of other channels.
    pub fn created(event: &Event) -> Option<Self> {
        match &event.data {
            EventData::OrderCreated { channel, client, reference, sandbox, .. } if channel == "partner" => Some(Self {
                order_id: event.order_id,
                partner: account(client, *sandbox),
                reference: reference.clone(),
                version: 0,
                seen_version: 0,
                sequence: 0,
                status: String::new(),
                held: false,
                price: None,
            }),
            _ => None,
        }
    }

    /// Takes in the order's next event, its first one too, and gives what it showed. Shown is: that there
    /// is an order; another status, price or hold; that it was amended. An event taken in before shows nothing.
    pub fn follow(&mut self, event: &Event) -> Option<Shown> {
        if event.version <= self.version {
            return None;
        }
        let amended = matches!(event.data, EventData::OrderAmended { .. });
        let price = match &event.data {
            EventData::PriceCalculated { quote, .. } => Some(quote.price.clone()),
            EventData::OrderQuoted { price, .. } => Some(price.clone()),
            EventData::OrderAmended { .. } => None,
            _ => self.price.clone(),
        };
        let event_type = if self.seen_version == 0 {
            "order.created"
        } else if self.status != event.after.status {
            "order.status_changed"
        } else if amended {
            "order.amended"
        } else if self.held != event.after.held {
            if event.after.held { "order.held" } else { "order.resumed" }
        } else {
            "order.price_changed"
        };
        let before = (self.status.as_str(), self.held, &self.price);
        let shows = self.seen_version == 0 || amended || before != (event.after.status.as_str(), event.after.held, &price);
        self.version = event.version;
        if !shows {
            return None;
        }
        let previous_version = std::mem::replace(&mut self.seen_version, event.version);
        self.sequence += 1;
        self.status.clone_from(&event.after.status);
        self.held = event.after.held;
        self.price = price;
        Some(Shown { event_id: event.event_id, event_type, at: event.time, previous_version, order: self.clone() })
    }
}
