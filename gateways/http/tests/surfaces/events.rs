//! Events as lines, straight from the log.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use serde_json::Value;

use crate::house::{Answer, House, NOW_MS, ORDER, get, post};

const ANYONE: &str = "Dana;seller";

fn lines(answer: &Answer) -> Vec<Value> {
    assert!(answer.bytes.is_empty() || answer.bytes.ends_with(b"\n"), "{}", answer.text());
    answer.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test]
async fn events_leave_the_house_without_what_stays_inside() {
    let house = House::new().await;
    let id = house.approved("a").await;
    let quote = r#"{"price":{"amount":"123.40","currency":"EUR"},"reason":"by hand"}"#;
    house.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/quote"), quote).await.expect(200);
    let answer = house.get_as(ANYONE, "/events/v1/").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    for inside in ["Jane", "jane@", "example.org", "stage", "work_available", "customer\":"] {
        assert!(!answer.text().contains(inside), "{inside} in {}", answer.text());
    }
    let events = lines(&answer);
    assert_eq!(events.iter().map(|event| event["version"].as_i64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    let first = &events[0];
    assert_eq!(
        (first["type"].as_str(), first["status"].as_str(), first["held"].as_bool()),
        (Some("OrderCreated"), Some("INITIATED"), Some(false))
    );
    assert_eq!((first["order_id"].as_str(), first["time"].as_str()), (Some(id.to_string().as_str()), Some("2026-01-02T03:04:05.000Z")));
    assert_eq!(first["data"]["item"]["material"], "silver-925");
    assert_eq!(events[1]["actor"], serde_json::json!({"role": "seller", "name": "Sam"}));
    assert_eq!(events[2]["data"]["price"], serde_json::json!({"amount": "123.40", "currency": "EUR"}));
    for field in ["event_id", "command_id", "correlation_id"] {
        assert!(first[field].as_str().is_some_and(|id| id.len() == 36), "{first}");
    }
}

#[tokio::test]
async fn events_come_as_cloud_events_for_who_asks() {
    let house = House::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = post("/shop/v1/orders").header("idempotency-key", "a").header("traceparent", trace).body(Body::from(ORDER));
    let id = house.call(request.expect("a request")).await.expect(201).id();
    let plain = lines(&house.get_as(ANYONE, "/events/v1/?format=plain").await.expect(200)).remove(0);
    let mut event = lines(&house.get_as(ANYONE, "/events/v1/?format=cloudevents").await.expect(200)).remove(0);
    assert_eq!(event["data"].take(), plain);
    let expected = serde_json::json!({
        "specversion": "1.0", "id": plain["event_id"], "source": format!("/orders/{id}"), "type": "OrderCreated", "subject": id,
        "time": plain["time"], "datacontenttype": "application/json", "sequence": "0000000001", "traceparent": trace, "data": null,
    });
    assert_eq!(event, expected);
    // Names of attributes are lower-case letters and digits, the standard says.
    assert!(
        event
            .as_object()
            .expect("an object")
            .keys()
            .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
    );
}

#[tokio::test]
async fn events_are_chosen_by_time_type_and_order() {
    let house = House::new().await;
    let a = house.order("a").await;
    house.clock.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    let b = house.order("b").await;
    house.post(&format!("/shop/v1/orders/{a}/cancel"), r#"{"reason":"r"}"#).await.expect(200);
    let count = async |query: &str| lines(&house.get_as(ANYONE, &format!("/events/v1?{query}")).await.expect(200)).len();
    assert_eq!(count("").await, 3);
    assert_eq!(count(&format!("order={a}")).await, 2);
    assert_eq!(count(&format!("order={b}&type=OrderCancelled")).await, 0);
    assert_eq!(count("type=OrderCreated").await, 2);
    assert_eq!(count("type=OrderCreated,OrderCancelled").await, 3);
    assert_eq!(count("from=2026-01-02T03:05:05Z").await, 2);
    assert_eq!(count("to=2026-01-02T03:05:05Z").await, 1);
    assert_eq!(count("from=2026-01-02T04:04:05%2B01:00&to=2026-01-02T03:04:05.001Z&follow=false").await, 1);
    assert_eq!(NOW_MS, 1_767_323_045_000, "the times above are counted from here");

    for (query, field, words) in [
        ("from=yesterday", "from", "is not a time. Send RFC 3339"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to", "is not after `from`"),
        ("to=2026-01-02T00:00:00Z&follow=true", "to", "does not go with `follow=true`"),
        ("type=OrderLost", "type", "names `OrderLost`, which is no type of event. Known here: OrderCreated,"),
        ("order=7", "order", "is not an order's id"),
        ("follow=perhaps", "follow", "has a value that is not taken"),
        ("format=xml", "format", "has a value that is not taken"),
        ("limit=1", "limit", "is not a parameter of this address"),
    ] {
        house.get_as(ANYONE, &format!("/events/v1/?{query}")).await.refused_field(422, "invalid", field, words);
    }
}

/// The next line of a body that goes on.
async fn next_line(body: &mut BodyDataStream) -> Option<Value> {
    let chunk = tokio::time::timeout(Duration::from_secs(300), body.next()).await.expect("in time")?.expect("not broken off");
    Some(serde_json::from_slice(&chunk).expect("one line at a time here"))
}

#[tokio::test]
async fn who_follows_hears_what_happens_next() {
    let house = House::new().await;
    let id = house.order("a").await;
    let request = get(&format!("/events/v1/?follow=true&order={id}")).header("x-staff", ANYONE).body(Body::empty()).expect("a request");
    let mut body = house.send(request).await.into_body().into_data_stream();
    assert_eq!(next_line(&mut body).await.expect("a line")["type"], "OrderCreated");
    house.order("somebody-else").await;
    house.post(&format!("/shop/v1/orders/{id}/cancel"), r#"{"reason":"r"}"#).await.expect(200);
    assert_eq!(next_line(&mut body).await.expect("a line")["type"], "OrderCancelled");
    house.stop.cancel();
    assert_eq!(next_line(&mut body).await, None, "a shutdown ends the stream");
}

#[tokio::test]
async fn readers_are_bounded_and_their_places_come_back() {
    let house = House::with(|config| config.max_readers = 1).await;
    house.order("a").await;
    let request = || get("/events/v1/?follow=true").header("x-staff", ANYONE).body(Body::empty()).expect("a request");
    let first = house.send(request()).await;
    assert_eq!(first.status(), 200);
    let full = house.get_as(ANYONE, "/events/v1/").await;
    full.refused(503, "busy", "All 1 readers of the event log of this gateway are taken");
    assert_eq!(full.header("retry-after"), "5");
    drop(first);
    house.until(|| house.get_as(ANYONE, "/events/v1/"), |answer| answer.status == 200).await;
}

#[tokio::test]
async fn a_log_that_is_away_is_said_so() {
    let house = House::new().await;
    house.log.away(true);
    let problem = house.get_as(ANYONE, "/events/v1/").await.refused(503, "unavailable", "The event log does not answer");
    assert!(!problem.to_string().contains("broker-7"), "{problem}");
}

#[tokio::test]
async fn an_event_nobody_can_read_is_named_and_the_others_come() {
    use atelier_log::{Log as _, NewRecord};
    use atelier_schemas::{Topic, partition_of};
    let house = House::new().await;
    let id = house.order("a").await;
    let record = NewRecord { key: id.to_string(), kind: "OrderPolished", traceparent: None, payload: b"garbage".to_vec() };
    let partition = partition_of(&id, house.log.partitions());
    house.log.append(Topic::Events, partition, record).await.expect("in memory");
    house.post(&format!("/shop/v1/orders/{id}/cancel"), r#"{"reason":"r"}"#).await.expect(200);
    let events = lines(&house.get_as(ANYONE, &format!("/events/v1/?order={id}")).await.expect(200));
    assert_eq!(events.len(), 3);
    assert_eq!((events[1]["type"].as_str(), events[1]["offset"].as_u64()), (Some("OrderPolished"), Some(1)));
    assert!(events[1]["unreadable"].as_str().is_some_and(|why| why.contains("no Avro frame")), "{}", events[1]);
    assert_eq!(events[2]["type"], "OrderCancelled");
}
