//! `POST /shop/v1/orders` and everything that can be wrong with it.

use atelier_log::Log as _;
use atelier_schemas::{Command, Framed, Topic};
use axum::body::Body;

use crate::house::{House, ORDER, create, post};

#[tokio::test]
async fn an_order_is_created_once_per_key() {
    let house = House::new().await;
    let first = house.call(create("basket-17", ORDER)).await.expect(201);
    let id = first.id();
    assert_eq!(id, atelier_http::order_id_of("shop", "basket-17"));
    assert_eq!(first.json(), serde_json::json!({"order_id": id, "status": "INITIATED", "version": 1}));
    assert_eq!((first.header("etag"), first.header("location")), ("\"1\"", format!("/shop/v1/orders/{id}").as_str()));
    assert_eq!(first.header("idempotent-replayed"), "");

    let again = house.call(create("basket-17", ORDER)).await.expect(201);
    assert_eq!(again.bytes, first.bytes, "the first answer again, to the byte");
    assert_eq!((again.header("etag"), again.header("idempotent-replayed")), ("\"1\"", "true"));
    assert_eq!(house.log.count(Topic::Events), 1);

    let other = ORDER.replace("\"quantity\":1", "\"quantity\":2");
    house.call(create("basket-17", &other)).await.refused(422, "key_reused", "used for another request");
    assert_ne!(house.call(create("basket-18", &other)).await.expect(201).id(), id);
}

#[tokio::test]
async fn a_key_is_required_and_usable() {
    let house = House::new().await;
    house.post("/shop/v1/orders", ORDER).await.refused_field(400, "malformed", "Idempotency-Key", "is missing. Send a key of your own");
    for bad in ["", "two words", &"k".repeat(201)] {
        house.call(create(bad, ORDER)).await.refused_field(400, "malformed", "Idempotency-Key", "1 to 200 visible ASCII");
    }
    let twice = post("/shop/v1/orders").header("idempotency-key", "a").header("idempotency-key", "b").body(Body::from(ORDER));
    house.call(twice.expect("a request")).await.refused_field(400, "malformed", "Idempotency-Key", "is given twice");
    assert_eq!(house.log.count(Topic::Commands), 0);
}

#[tokio::test]
async fn bad_bodies_are_refused_field_by_field_and_never_reach_the_log() {
    let house = House::new().await;
    let with = |from: &str, to: &str| ORDER.replace(from, to);
    for (body, field, words) in [
        (with("\"quantity\":1", "\"quantity\":-1"), "item.quantity", "`item.quantity` is -1. Send 1 to 10000."),
        (with("\"quantity\":1", "\"quantity\":0"), "item.quantity", "Send 1 to 10000."),
        (with("\"quantity\":1", "\"quantity\":\"one\""), "item.quantity", "has the wrong type. Send a whole number."),
        (with("\"quantity\":1", "\"quantity\":1.5"), "item.quantity", "has the wrong type. Send a whole number."),
        (with("\"quantity\":1", "\"quantity\":99999999999"), "item.quantity", "has a value that is not taken. Send a whole number."),
        (
            with("\"quantity\":1", "\"quantity\":1,\"size\":7"),
            "item.size",
            "`item.size` is not known. Leave it out; known here: one of `material`",
        ),
        (with("{\"customer\"", "{\"vip\":true,\"customer\""), "vip", "is not known. Leave it out"),
        (with(",\"finish\":\"polished\"", ""), "item.finish", "`item.finish` is missing. Add it."),
        (with("silver-925", ""), "item.material", "is not a name of ours. Send 1 to 40 lower-case letters"),
        (with("silver-925", "Silver 925"), "item.material", "for example `silver-925`"),
        (with("jane@example.org", "jane"), "customer.email", "is not an e-mail address. Send one like"),
        (with("Jane Roe", " "), "customer.name", "is empty. Say something."),
        (with("Jane Roe", "Jane\\u0000Roe"), "customer.name", "has control characters. Leave them out"),
        (with("Jane Roe", &"J".repeat(201)), "customer.name", "is longer than 200 characters. Shorten it."),
        ("[]".into(), "body", "has the wrong type. Send an object."),
        ("{}".into(), "customer", "is missing. Add it."),
        ("null".into(), "body", "has the wrong type. Send an object."),
    ] {
        house.call(create("key", &body)).await.refused_field(422, "invalid", field, words);
    }
    for (body, words) in [
        ("{", "is not JSON: EOF while parsing an object at line 1 column 1. Mend it there"),
        (&ORDER[..ORDER.len() - 1], "is not JSON: EOF"),
        (&format!("{ORDER} trailing"), "is not JSON: trailing characters"),
        ("customer=Jane", "is not JSON: expected value at line 1 column 1"),
        ("", "The body is empty. Send a JSON object"),
        (&"[".repeat(1000), "is not JSON: EOF while parsing a list"),
    ] {
        house.call(create("key", body)).await.refused(400, "malformed", words);
    }
    assert_eq!(house.log.count(Topic::Commands), 0);
    house.call(create("key", ORDER)).await.expect(201);
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let house = House::new().await;
    let body = ORDER.replace("\"quantity\":1", "\"quantity\":-3").replace("jane@example.org", "nowhere").replace("Jane Roe", "");
    let problem = house.call(create("key", &body)).await.refused(422, "invalid", "item.quantity");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(3), "{problem}");
}

#[tokio::test]
async fn a_material_the_engine_does_not_know_is_named() {
    let house = House::new().await;
    let body = ORDER.replace("silver-925", "unobtainium");
    house.call(create("key", &body)).await.refused_field(422, "invalid", "item.material", "not one we work with; choose silver-925.");
}

#[tokio::test]
async fn the_wrong_content_type_and_an_oversized_body_are_refused() {
    let house = House::new().await;
    let form = axum::http::Request::post("/shop/v1/orders").header("idempotency-key", "k");
    let typed = form.header("content-type", "application/x-www-form-urlencoded").body(Body::from(ORDER)).expect("a request");
    house.call(typed).await.refused_field(
        415,
        "unsupported_media_type",
        "Content-Type",
        "Send JSON with `Content-Type: application/json`.",
    );
    let untyped = axum::http::Request::post("/shop/v1/orders").header("idempotency-key", "k").body(Body::from(ORDER)).expect("a request");
    house.call(untyped).await.refused_field(415, "unsupported_media_type", "Content-Type", "is missing");

    let large = ORDER.replace("Jane Roe", &"J".repeat(64 * 1024));
    house.call(create("k", &large)).await.refused(413, "too_large", "longer than the 65536 bytes taken here");
    let announced = post("/shop/v1/orders").header("idempotency-key", "k").header("content-length", "65537").body(Body::empty());
    house.call(announced.expect("a request")).await.refused(413, "too_large", "longer than the 65536 bytes");
    assert_eq!(house.log.count(Topic::Commands), 0);
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let house = House::new().await;
    let dry = post("/shop/v1/orders?dry_run=true").header("idempotency-key", "k").body(Body::from(ORDER)).expect("a request");
    let would = house.call(dry).await.expect(200);
    assert_eq!((would.json()["dry_run"].as_bool(), would.json()["events"][0].as_str()), (Some(true), Some("OrderCreated")));
    assert_eq!((would.header("etag"), would.header("location")), ("", ""));
    assert_eq!(house.log.count(Topic::Events), 0);
    let id = house.call(create("k", ORDER)).await.expect(201).id();
    let dry = post(&format!("/shop/v1/orders/{id}/cancel?dry_run=yes")).body(Body::from("{\"reason\":\"r\"}")).expect("a request");
    house.call(dry).await.refused_field(422, "invalid", "dry_run", "has a value that is not taken");
}

#[tokio::test]
async fn trace_and_correlation_go_with_the_command() {
    let house = House::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let correlation = "0190a7f0-0000-7000-8000-000000000001";
    let request = |trace: &str, key: &str| {
        let head = post("/shop/v1/orders").header("idempotency-key", key).header("traceparent", trace);
        head.header("x-correlation-id", correlation).body(Body::from(ORDER)).expect("a request")
    };
    house.call(request(trace, "a")).await.expect(201);
    house.call(request("00-nonsense", "b")).await.expect(201);
    let mut traces = Vec::new();
    for partition in 0..house.log.partitions() {
        let mut reader = house.log.read(Topic::Commands, &[(partition, 0)]).expect("in memory");
        for record in reader.poll(10, std::time::Duration::ZERO).expect("in memory") {
            let command = Command::decode(&record.payload).expect("a command");
            assert_eq!(command.correlation_id.to_string(), correlation);
            traces.push((command.traceparent, record.traceparent));
        }
    }
    traces.sort();
    assert_eq!(traces, [(None, None), (Some(trace.into()), Some(trace.into()))]);
    let bad = post("/shop/v1/orders").header("idempotency-key", "c").header("x-correlation-id", "me").body(Body::from(ORDER));
    house.call(bad.expect("a request")).await.refused_field(400, "malformed", "X-Correlation-Id", "is not a UUID");
}
