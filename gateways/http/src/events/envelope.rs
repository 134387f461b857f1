//! How an event is written down: as it is, or in the envelope that other systems know.

use atelier_schemas::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::published::PublishedEvent;

/// What a line of events looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    /// The event itself.
    #[default]
    Plain,
    /// As `data` of a CloudEvent, in the JSON format of CloudEvents 1.0.
    CloudEvents,
}

/// A CloudEvent 1.0 whose `data` is the event. `sequence` and `traceparent` are the extensions of these names.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudEvent {
    /// `1.0`.
    specversion: &'static str,
    /// The event's id.
    id: Uuid,
    /// Whose sequence it is: the order's path.
    #[schema(example = "/orders/01991f3c-0000-7000-8000-000000000000")]
    source: String,
    #[serde(rename = "type")]
    type_name: &'static str,
    /// The order.
    subject: Uuid,
    /// RFC 3339.
    time: String,
    datacontenttype: &'static str,
    /// The order's version, with zeros before it so that texts sort as numbers do.
    #[schema(example = "0000000003")]
    sequence: String,
    /// W3C trace context of the request that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    data: PublishedEvent,
}

impl From<Event> for CloudEvent {
    fn from(mut event: Event) -> Self {
        Self {
            specversion: "1.0",
            id: event.event_id,
            source: format!("/orders/{}", event.order_id),
            type_name: event.data.type_name(),
            subject: event.order_id,
            time: crate::stamp::text(event.time),
            datacontenttype: "application/json",
            sequence: format!("{:010}", event.version),
            traceparent: event.traceparent.take(),
            data: event.into(),
        }
    }
}

/// An event in one of its envelopes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventLine {
    /// The event itself.
    Plain(PublishedEvent),
    /// Asked for with `format=cloudevents`.
    CloudEvent(CloudEvent),
}

impl Envelope {
    /// The event in this envelope.
    pub fn around(self, event: Event) -> EventLine {
        match self {
            Self::Plain => EventLine::Plain(event.into()),
            Self::CloudEvents => EventLine::CloudEvent(event.into()),
        }
    }
}
