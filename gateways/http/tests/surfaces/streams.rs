//! Live streams for people who look at a screen.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use serde_json::Value;

use crate::house::{House, get};

/// The next event: name, id, data. Comment lines are passed over.
async fn next_event(body: &mut BodyDataStream) -> Option<(String, String, Value)> {
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(300), body.next()).await.expect("in time")?.expect("not broken off");
        let text = String::from_utf8(chunk.to_vec()).expect("text");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        if text.contains("data:") {
            return Some((field("event:"), field("id:"), serde_json::from_str(&field("data:")).expect("JSON")));
        }
    }
}

#[tokio::test]
async fn an_order_is_followed_to_its_end() {
    let house = House::new().await;
    let id = house.order("a").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    let response = house.send(get(&format!("/shop/v1/orders/{id}/stream")).body(Body::empty()).expect("a request")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let (name, version, order) = next_event(&mut body).await.expect("the order as it stands");
    assert_eq!((name.as_str(), version.as_str(), order["status"].as_str()), ("order", "1", Some("INITIATED")));
    assert!(order.get("stage").is_none());
    house.post(&format!("/shop/v1/orders/{id}/cancel"), r#"{"reason":"r"}"#).await.expect(200);
    let (_, version, order) = next_event(&mut body).await.expect("the change");
    assert_eq!((version.as_str(), order["status"].as_str()), ("2", Some("CANCELLED")));
    assert!(next_event(&mut body).await.is_none(), "nothing follows a cancelled order");

    let back =
        |last: &str| get(&format!("/shop/v1/orders/{id}/stream")).header("last-event-id", last).body(Body::empty()).expect("a request");
    house.call(back("2")).await.expect(204);
    let mut body = house.send(back("1")).await.into_body().into_data_stream();
    assert_eq!(next_event(&mut body).await.expect("what was missed").1, "2");
}

#[tokio::test]
async fn the_queue_is_followed() {
    let house = House::new().await;
    let request = get("/mes/v1/queue/stream?work=available").header("x-staff", "Ann;operator").body(Body::empty()).expect("a request");
    let mut body = house.send(request).await.into_body().into_data_stream();
    let (name, _, page) = next_event(&mut body).await.expect("the queue as it is");
    assert_eq!((name.as_str(), page["items"].as_array().map(Vec::len)), ("queue", Some(0)));
    let id = house.approved("a").await;
    let (_, _, page) = next_event(&mut body).await.expect("the change");
    assert_eq!(page["items"][0]["order_id"], id.to_string());
    house.get_as("Ann;operator", "/mes/v1/queue/stream?cursor=xyz").await.refused_field(422, "invalid", "cursor", "was not given out");
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_gateway() {
    let house = House::with(|config| config.max_streams = 1).await;
    let id = house.order("a").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    let path = format!("/shop/v1/orders/{id}/stream");
    let first = house.send(get(&path).body(Body::empty()).expect("a request")).await;
    house.get(&path).await.refused(503, "busy", "All 1 live streams of this gateway are taken");
    drop(first);
    let mut body = house.send(get(&path).body(Body::empty()).expect("a request")).await.into_body().into_data_stream();
    next_event(&mut body).await.expect("a place was free again");
    house.stop.cancel();
    assert!(next_event(&mut body).await.is_none(), "the stream ends with the gateway");
}
