//! Carriers' messages: believed when signed, done once.

use std::time::Duration;

use atelier_http::{Secret, signature};
use atelier_log::Log;
use atelier_schemas::{Command, Framed, Topic};
use axum::body::Body;
use axum::http::Request;

use crate::house::{House, NOW_MS, get, post, secret};

const BODY: &str = r#"{"carrier":"dhl","tracking":"T1","status":"delivered","delivered_at":"2026-01-02T03:00:00Z"}"#;

fn message(secret: &Secret, id: &str, time_s: i64, body: &str) -> Request<Body> {
    let signed = signature::sign(secret, id, time_s, body.as_bytes());
    let head = post("/carrier/v1/deliveries").header("webhook-id", id).header("webhook-timestamp", time_s.to_string());
    head.header("webhook-signature", signed).body(Body::from(body.to_owned())).expect("a request")
}

fn recent(id: &str, body: &str) -> Request<Body> {
    message(&secret(), id, NOW_MS / 1000, body)
}

/// What the log has of a type of command.
fn commands(house: &House, kind: &str) -> Vec<Command> {
    let partitions = 0..house.log.partitions();
    let from: Vec<_> = partitions.clone().map(|partition| (partition, 0)).collect();
    let mut reader = house.log.read(Topic::Commands, &from).expect("the log is there");
    let mut found = Vec::new();
    while partitions.clone().any(|partition| reader.position(partition) < house.log.end(Topic::Commands, partition).expect("in memory")) {
        let records = reader.poll(1000, Duration::from_millis(10)).expect("in memory");
        found.extend(records.iter().map(|record| Command::decode(&record.payload).expect("the gateway writes commands")));
    }
    found.retain(|command| command.type_name == kind);
    found
}

async fn shipped(house: &House) -> uuid::Uuid {
    let id = house.order("a").await;
    house.post_as("Ann;operator", &format!("/mes/v1/orders/{id}/ship"), r#"{"carrier":"dhl","tracking":"T1"}"#).await.expect(200);
    house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200);
    id
}

#[tokio::test]
async fn a_delivery_closes_its_order_once() {
    let house = House::new().await;
    let id = shipped(&house).await;
    let first = house.call(recent("m1", BODY)).await.expect(200);
    assert_eq!((first.id(), first.json()["status"].as_str()), (id, Some("CLOSED")));
    let events = house.log.count(Topic::Events);
    let again = house.call(recent("m1", BODY)).await.expect(200);
    assert_eq!((again.bytes, house.log.count(Topic::Events)), (first.bytes, events));
    house.call(recent("m2", BODY)).await.refused(409, "not_allowed", "not possible in this status");
}

#[tokio::test]
async fn a_carrier_is_told_of_its_own_commands_and_of_no_others_and_nobody_else_is() {
    let house = House::new().await;
    let id = shipped(&house).await;
    house.call(recent("m1", BODY)).await.expect(200);
    let path = |kind: &str| format!("/carrier/v1/commands/{}", commands(&house, kind)[0].command_id);
    let ask = |path: String, secret: Secret| {
        let time_s = NOW_MS / 1000;
        let head = get(&path).header("webhook-id", "q1").header("webhook-timestamp", time_s.to_string());
        house.call(head.header("webhook-signature", signature::sign(&secret, "q1", time_s, b"")).body(Body::empty()).expect("a request"))
    };
    let told = house.until(|| ask(path("DeliverOrder"), secret()), |answer| answer.status == 200).await.json();
    assert_eq!(
        (told["accepted"]["order_id"].as_str(), told["accepted"]["status"].as_str()),
        (Some(id.to_string().as_str()), Some("CLOSED"))
    );
    // What others asked for looks like what was never sent.
    for kind in ["CreateOrder", "ShipOrder"] {
        let hidden = ask(path(kind), secret()).await.expect(202).json();
        assert_eq!((hidden["decided"].as_bool(), hidden.get("accepted")), (Some(false), None), "{kind}");
    }
    house.get(&path("DeliverOrder")).await.refused_field(401, "unauthenticated", "webhook-id", "is missing");
    let other = Secret::parse("somebody else's secret, as long").expect("long enough");
    ask(path("DeliverOrder"), other).await.refused_field(401, "unauthenticated", "webhook-signature", "does not match");
}

#[tokio::test]
async fn a_message_that_is_not_believed_does_nothing() {
    let house = House::new().await;
    shipped(&house).await;
    let before = house.log.count(Topic::Commands);
    let now = NOW_MS / 1000;
    house.call(message(&secret(), "m1", now - 301, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-timestamp",
        "more than five minutes from our time",
    );
    house.call(message(&secret(), "m1", now + 301, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-timestamp",
        "more than five minutes",
    );
    let other = Secret::parse("somebody else's secret, as long").expect("long enough");
    house.call(message(&other, "m1", now, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-signature",
        "does not match the message",
    );
    let mut changed = recent("m1", BODY);
    *changed.body_mut() = Body::from(BODY.replace("T1", "T2"));
    house.call(changed).await.refused_field(401, "unauthenticated", "webhook-signature", "does not match the message");
    for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut without = recent("m1", BODY);
        without.headers_mut().remove(header);
        house.call(without).await.refused_field(401, "unauthenticated", header, "is missing. Sign the message");
    }
    let mut odd = recent("m1", BODY);
    odd.headers_mut().insert("webhook-timestamp", "now".parse().expect("a value"));
    house.call(odd).await.refused_field(401, "unauthenticated", "webhook-timestamp", "Send seconds since 1970.");
    assert_eq!(house.log.count(Topic::Commands), before);

    let house = House::with(|config| config.carrier_secret = None).await;
    house.call(recent("m1", BODY)).await.refused(401, "unauthenticated", "No secret is agreed with a carrier here");
}

#[tokio::test]
async fn a_believed_message_can_still_be_wrong() {
    let house = House::new().await;
    shipped(&house).await;
    let mut dry = recent("m1", &BODY.replace("T1", "T9"));
    *dry.uri_mut() = "/carrier/v1/deliveries?dry_run=true".parse().expect("an address");
    house.call(dry).await.refused(404, "unknown_parcel", "would be kept");
    for (from, to, field, words) in [
        ("delivered\"", "lost\"", "status", "`delivered`"),
        ("2026-01-02T03:00:00Z", "yesterday", "delivered_at", "is not a time. Send RFC 3339"),
        ("2026-01-02T03:00:00Z", "2027-01-02T03:00:00Z", "delivered_at", "is in the future"),
        ("\"carrier\"", "\"van\":1,\"carrier\"", "van", "is not known"),
        ("dhl", "D H L", "carrier", "is not a name of ours"),
    ] {
        house.call(recent("m2", &BODY.replace(from, to))).await.refused_field(422, "invalid", field, words);
    }
    house.call(recent("m3", "{")).await.refused(400, "malformed", "is not JSON");
    house.call(recent("m4", &" ".repeat(70_000))).await.refused(413, "too_large", "65536 bytes");
}

#[tokio::test]
async fn a_message_that_comes_before_its_parcel_waits_for_it_as_a_gap_and_closes_the_order() {
    let house = House::new().await;
    let id = house.order("a").await;
    let kept = house.call(recent("early", BODY)).await.expect(202).json();
    assert_eq!((kept["state"].as_str(), kept["tracking"].as_str()), (Some("waiting_for_parcel"), Some("T1")));
    assert_eq!(house.call(recent("early", BODY)).await.expect(202).json(), kept, "a repetition is the same message");
    // What is confirmed is forgotten by the carrier: another message under the same id may not be.
    for (from, to) in [("T1", "T2"), ("03:00:00Z", "02:00:00Z")] {
        let other = house.call(recent("early", &BODY.replace(from, to))).await;
        other.refused_field(422, "key_reused", "webhook-id", "was used before for another parcel");
    }
    let gaps = || house.get_as("Sue;seller", "/mes/v1/gaps?cause=unknown_parcel");
    let listed = gaps().await.expect(200).json();
    let gap = &listed["items"][0];
    assert_eq!((listed["items"].as_array().map(Vec::len), gap["holder"].as_str()), (Some(1), Some("dhl")));
    assert!(gap["detail"].as_str().is_some_and(|text| text.contains("T1")) && gap["order_id"].is_null(), "{gap}");
    // The parcel becomes known; nobody sends anything again.
    house.post_as("Ann;operator", &format!("/mes/v1/orders/{id}/ship"), r#"{"carrier":"dhl","tracking":"T1"}"#).await.expect(200);
    let path = format!("/shop/v1/orders/{id}");
    let closed = house.until(|| house.get(&path), |answer| answer.json()["status"] == "CLOSED").await;
    closed.expect(200);
    house.until(gaps, |answer| answer.json()["items"] == serde_json::json!([])).await;
    house.call(recent("early", BODY)).await.expect(200);
    house.call(recent("another", BODY)).await.refused(409, "not_allowed", "not possible in this status");
}

#[tokio::test]
async fn of_two_early_messages_about_one_parcel_one_closes_the_order_and_neither_stays() {
    let house = House::new().await;
    let id = house.order("a").await;
    for message in ["m1", "m2"] {
        house.call(recent(message, BODY)).await.expect(202);
    }
    house.post_as("Ann;operator", &format!("/mes/v1/orders/{id}/ship"), r#"{"carrier":"dhl","tracking":"T1"}"#).await.expect(200);
    let gaps = || house.get_as("Sue;seller", "/mes/v1/gaps?cause=unknown_parcel");
    house.until(gaps, |answer| answer.json()["items"] == serde_json::json!([])).await;
    assert_eq!(house.get(&format!("/shop/v1/orders/{id}?wait_version=4")).await.expect(200).json()["status"], "CLOSED");
}
