//! `GET /asyncapi.json`: topics and webhooks, made from the code: the schemas that records are written
//! with, and the types that messages are made of.

use std::sync::LazyLock;

use atelier_projections::feed::TYPES;
use atelier_schemas::{Command, Event, Framed, Outcome, PricingJob, Topic};
use atelier_webhooks::{MessagePrice, OrderData, OrderMessage, TEST_TYPE, TestData, TestMessage};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::TAG;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(asyncapi().to_string()));

/// Read the description of topics and webhooks
#[utoipa::path(
    get, path = "/asyncapi.json", operation_id = "asyncapi", tag = TAG,
    responses((status = 200, description = "AsyncAPI 3.0", body = String, content_type = "application/json")),
)]
pub(crate) async fn document() -> Response {
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    (headers, DOCUMENT.clone()).into_response()
}

/// The document.
pub fn asyncapi() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for topic in Topic::ALL {
        let (name, avro, text) = record(topic);
        messages.insert(
            name.into(),
            json!({
                "name": name,
                "summary": text,
                "contentType": "application/avro",
                "headers": {"type": "object", "properties": {
                    "type": {"type": "string", "description": "The branch of the record's data"},
                    "traceparent": {"type": "string", "description": "W3C trace context"},
                }},
                "payload": {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": avro},
            }),
        );
        channels.insert(
            name.into(),
            json!({
                "address": topic.name(),
                "description": format!("{text} The key is the order id; the address may have a prefix."),
                "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
            }),
        );
        operations.insert(
            format!("read_{name}"),
            json!({"action": "send", "channel": {"$ref": format!("#/channels/{name}")}, "summary": format!("Written to {}", topic.name())}),
        );
    }
    let mut sent = Map::new();
    for kind in TYPES.into_iter().chain([TEST_TYPE]) {
        let id = kind.replace('.', "_");
        let schema = if kind == TEST_TYPE { TestMessage::name() } else { OrderMessage::name() };
        messages.insert(
            id.clone(),
            json!({
                "name": kind,
                "contentType": "application/json",
                "headers": {"$ref": "#/components/schemas/WebhookHeaders"},
                "payload": {"$ref": format!("#/components/schemas/{schema}")},
            }),
        );
        sent.insert(id.clone(), json!({"$ref": format!("#/components/messages/{id}")}));
    }
    channels.insert(
        "webhooks".into(),
        json!({
            "address": null,
            "description": "A partner's endpoint: POST, signed after the Standard Webhooks specification. At least once, in the order of \
                `sequence` per order; anything but 2xx is tried again for three days.",
            "messages": sent,
        }),
    );
    operations.insert(
        "send_webhook".into(),
        json!({"action": "send", "channel": {"$ref": "#/channels/webhooks"}, "summary": "Sent to every endpoint that wants the type"}),
    );
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Atelier",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the order lifecycle engine writes to its log and sends to partners.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas()},
    })
}

/// A topic's record: name, Avro schema, description.
fn record(topic: Topic) -> (&'static str, Value, &'static str) {
    let (name, avro, text) = match topic {
        Topic::Commands => ("commands", Command::SCHEMA, "What is asked."),
        Topic::Events => ("events", Event::SCHEMA, "What happened; never expires."),
        Topic::Outcomes => ("outcomes", Outcome::SCHEMA, "What was answered."),
        Topic::PricingJobs => ("pricing_jobs", PricingJob::SCHEMA, "Hints for the pricing workers."),
    };
    (name, serde_json::from_str(avro).unwrap_or_default(), text)
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    let mut add = |name: String, schema: Result<Value, serde_json::Error>| schemas.insert(name, schema.unwrap_or_default());
    add(OrderMessage::name().into(), serde_json::to_value(OrderMessage::schema()));
    add(OrderData::name().into(), serde_json::to_value(OrderData::schema()));
    add(MessagePrice::name().into(), serde_json::to_value(MessagePrice::schema()));
    add(TestMessage::name().into(), serde_json::to_value(TestMessage::schema()));
    add(TestData::name().into(), serde_json::to_value(TestData::schema()));
    let headers = json!({
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {"type": "string", "format": "uuid", "description": "The event's id, the same at every attempt"},
            "webhook-timestamp": {"type": "string", "description": "Seconds since 1970, of this attempt"},
            "webhook-signature": {"type": "string", "description": "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several \
                separated by spaces while a secret is being changed"},
        },
    });
    add("WebhookHeaders".into(), Ok(headers));
    Value::Object(schemas)
}
