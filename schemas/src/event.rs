//! What happened to one order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::codec::part_of;
use crate::{Actor, Customer, Item, Model, Money, Quote, Replayed, TimeMs, Unreadable, union};

/// An event as it is read.
pub type Event = EventOf<String>;
/// See [`Event`].
pub type After = AfterOf<String>;

/// The envelope of an event. Topic `orders.events`, key: the order id. Who reads takes words as they come; the engine
/// writes [`Word`](crate::Word)s, which cost it nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Event")]
pub struct EventOf<W> {
    /// UUIDv5 of order id and version: the same event has the same id for ever.
    #[serde(with = "uuid::serde::hyphenated")]
    pub event_id: Uuid,
    /// The order it happened to.
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// 1, 2, 3 … per order, without gaps.
    pub version: i64,
    /// The branch of `data`.
    #[serde(rename = "type")]
    pub type_name: W,
    /// When the engine decided it.
    pub time: TimeMs,
    /// Who caused it.
    pub actor: Actor,
    /// Causation; `None` when the engine's timer wrote it.
    #[serde(default, with = "optional_uuid")]
    pub command_id: Option<Uuid>,
    /// [`Command::digest`](crate::Command::digest) of that command; tells a repeated command from a reused id.
    #[serde(default)]
    pub command_digest: Option<i64>,
    /// Of the business request.
    #[serde(with = "uuid::serde::hyphenated")]
    pub correlation_id: Uuid,
    /// W3C trace context of the command.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// The order right after this event.
    pub after: AfterOf<W>,
    /// What happened.
    pub data: EventData,
    /// As in its command.
    #[serde(default)]
    pub replayed: Option<Replayed>,
}

/// The part of an event that an order's state is made of. Reading only this takes half the time, and a
/// restore reads millions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Happened {
    /// See [`Event::order_id`].
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// See [`Event::version`].
    pub version: i64,
    /// See [`Event::time`].
    pub time: TimeMs,
    /// See [`Event::command_id`].
    #[serde(default, with = "optional_uuid")]
    pub command_id: Option<Uuid>,
    /// See [`Event::command_digest`].
    #[serde(default)]
    pub command_digest: Option<i64>,
    /// See [`Event::data`].
    pub data: EventData,
}

impl Happened {
    /// Reads this part of a framed event.
    ///
    /// # Errors
    /// [`Unreadable`], as when reading the whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        part_of::<Event, Self>(bytes)
    }
}

/// The order right after an event, so that no reader has to repeat the engine's reasoning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "After")]
pub struct AfterOf<W> {
    /// Public status, for example `SUBMITTED`.
    pub status: W,
    /// Inner stage, for example `pricing_running`. Does not leave the house.
    pub stage: W,
    /// Whether the order is on hold.
    pub held: bool,
    /// What needs a person, oldest first.
    pub attention: Vec<W>,
    /// The deadline of the stage.
    #[serde(default)]
    pub due: Option<TimeMs>,
}

union! {
    /// The branches of `Event.data`.
    #[allow(missing_docs)]
    pub enum EventData {
        OrderCreated { channel: String, client: String, #[serde(default)] reference: Option<String>, #[serde(default)] customer: Option<Customer>, item: Item, #[serde(default)] sandbox: bool },
        ModelAttached { model: Model },
        OrderSubmitted {},
        PricingRequested { attempt: i32, cause: String },
        PricingAccepted { attempt: i32, worker: String, lease_until: TimeMs },
        PricingProgressed { attempt: i32, worker: String, progress_percent: i32, lease_until: TimeMs },
        PriceCalculated { attempt: i32, quote: Quote },
        PricingFailed { attempt: i32, worker: String, failure: String, detail: String, retryable: bool },
        PricingExpired { attempt: i32, #[serde(default)] worker: Option<String>, cause: String, #[serde(default)] policy: Option<String> },
        OrderQuoted { price: Money, reason: String },
        OrderApproved { #[serde(default)] reason: Option<String> },
        OrderRejected { reason: String },
        OrderHeld { reason: String },
        OrderResumed { reason: String },
        OrderCancelled { reason: String },
        OrderClosed { reason: String },
        WorkClaimed { operator: String },
        WorkStarted { operator: String },
        WorkCompleted { operator: String },
        ReworkOrdered { defect: String, operator: String },
        WorkReleased { reason: String, operator: String },
        OrderPacked { operator: String },
        OrderShipped { operator: String, carrier: String, tracking: String },
        OrderDelivered { carrier: String, tracking: String, delivered_at: TimeMs },
        DeadlineMissed { stage: String, due: TimeMs, policy: String, #[serde(default = "attention")] action: String },
        TermsAgreed { approve_up_to: Money },
        OrderAmended { #[serde(default)] item: Option<Item>, #[serde(default)] model: Option<Model> },
        RecordsSkipped { offsets: Vec<i64>, reason: String },
        ClockAdvanced { by_ms: TimeMs },
    }
}

/// What a missed deadline led to before there was anything else.
fn attention() -> String {
    "attention".into()
}

/// `Option<Uuid>` as an optional Avro string, whatever the serializer thinks of human readers.
pub(crate) mod optional_uuid {
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(crate) fn serialize<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.serialize_some(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(transparent)]
        struct Text(#[serde(with = "uuid::serde::hyphenated")] Uuid);
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(id)| id))
    }
}
