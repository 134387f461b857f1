//! Reading an order: versions, pictures, a read model that is behind or away.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use uuid::Uuid;

use crate::house::{House, ORDER, create, get};

#[tokio::test]
async fn an_order_is_read_at_the_version_just_written() {
    let house = House::new().await;
    let id = house.order("k").await;
    let order = house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    assert_eq!((order.header("etag"), order.header("cache-control")), ("\"1\"", "private, no-cache"));
    let view = order.json();
    assert_eq!(
        (view["status"].as_str(), view["held"].as_bool(), view["item"]["quantity"].as_i64()),
        (Some("INITIATED"), Some(false), Some(1))
    );
    assert_eq!(view["allowed"], serde_json::json!(["model", "cancel"]));
    assert_eq!(view["created_at"], "2026-01-02T03:04:05.000Z");
    assert!(view.get("stage").is_none() && !order.text().contains("jane"), "{view}");

    let known = get(&format!("/shop/v1/orders/{id}")).header("if-none-match", "\"1\"").body(Body::empty()).expect("a request");
    let same = house.call(known).await.expect(304);
    assert!(same.bytes.is_empty());
    let timeline = house.get(&format!("/shop/v1/orders/{id}/timeline?wait_version=1")).await.expect(200).json();
    assert_eq!((timeline["items"][0]["type"].as_str(), timeline["items"][0]["version"].as_i64()), (Some("OrderCreated"), Some(1)));
}

#[tokio::test]
async fn an_order_nobody_created_is_not_there() {
    let house = House::new().await;
    let id = Uuid::from_u128(404);
    for path in [
        format!("/shop/v1/orders/{id}"),
        format!("/shop/v1/orders/{id}/timeline"),
        format!("/shop/v1/orders/{id}/preview.png"),
        format!("/shop/v1/orders/{id}/stream"),
    ] {
        house.get(&path).await.refused(404, "unknown_order", "There is no order");
    }
    house.get_as("Sam;seller", &format!("/crm/v1/orders/{id}")).await.refused(404, "unknown_order", "Check the id");
    for bad in ["42", "{1}", "urn:uuid:0190a7f0-0000-7000-8000-000000000001"] {
        house.get(&format!("/shop/v1/orders/{}", bad.replace('{', "%7B").replace('}', "%7D"))).await.refused_field(
            404,
            "unknown_order",
            "id",
            "is not an order's id",
        );
    }
}

#[tokio::test]
async fn a_read_model_that_is_behind_says_so() {
    let house = House::with(|config| config.wait_version_limit = Duration::from_millis(50)).await;
    let id = house.order("k").await;
    let path = format!("/shop/v1/orders/{id}");
    house.until(|| house.get(&path), |answer| answer.status == 200).await;
    let behind = house.get(&format!("/shop/v1/orders/{id}?wait_version=9")).await;
    behind.refused(503, "behind", "has seen version 1 of this order, not 9");
    assert_eq!(behind.header("retry-after"), "1");
    house.get(&format!("/shop/v1/orders/{}?wait_version=1", Uuid::from_u128(404))).await.refused(
        503,
        "behind",
        "has not seen this order. Check the id",
    );
}

#[tokio::test]
async fn an_order_out_of_sight_is_waited_for_like_one_that_is_not_there() {
    let limit = Duration::from_millis(200);
    let house = House::with(|config| config.wait_version_limit = limit).await;
    let (key, sandbox) = (house.key("acme").await, house.key_of("acme", atelier_partners::Mode::Sandbox).await);
    let (real, trial) = (house.placed(&key, "PO-1").await, house.placed(&sandbox, "PO-1").await);
    let seen = format!("/crm/v1/orders/{real}");
    house.until(|| house.get_as("Sam;seller", &seen), |answer| answer.status == 200).await;
    house.told(&sandbox, 3).await;
    let nobodys = Uuid::from_u128(404);
    for (staff, base, id) in [("", "/shop/v1", real), ("", "/shop/v1", trial), ("Sam;seller", "/crm/v1", trial)] {
        for version in [1, 99] {
            let ask = async |id: Uuid| {
                let path = format!("{base}/orders/{id}?wait_version={version}");
                let begun = std::time::Instant::now();
                let answer = if staff.is_empty() { house.get(&path).await } else { house.get_as(staff, &path).await };
                assert!(begun.elapsed() >= limit, "{path} was answered before its time");
                answer.refused(503, "behind", "has not seen this order. Check the id");
                answer.text().replace(&id.to_string(), "ID")
            };
            assert_eq!(ask(id).await, ask(nobodys).await);
        }
        let path = format!("{base}/orders/{id}?wait_version=0");
        let answer = if staff.is_empty() { house.get(&path).await } else { house.get_as(staff, &path).await };
        answer.refused(404, "unknown_order", "There is no order");
    }
}

#[tokio::test]
async fn a_picture_is_there_once_it_is_drawn() {
    let house = House::new().await;
    let id = house.order("k").await;
    let path = format!("/shop/v1/orders/{id}/preview.png");
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    house.get(&path).await.refused(404, "no_preview", "has no model yet. Upload one first.");
    let ring = r#"{"inner_diameter_mm":17,"width_mm":4,"thickness_mm":1.6,"profile":"flat"}"#;
    house.post(&format!("/shop/v1/orders/{id}/model/ring"), ring).await.expect(200);
    let order = house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200).json();
    house.get(&path).await.refused(404, "no_preview", "It is drawn when the order is priced");
    let sha256 = order["model"]["sha256"].as_str().expect("a hash");
    house.blobs.put_preview(sha256, Bytes::from_static(b"\x89PNG")).await.expect("stored");
    let picture = house.get(&path).await.expect(200);
    assert_eq!((picture.header("content-type"), picture.bytes.as_slice()), ("image/png", &b"\x89PNG"[..]));
    assert_eq!(picture.header("cache-control"), "private, max-age=60, must-revalidate");
    let known = get(&path).header("if-none-match", picture.header("etag")).body(Body::empty()).expect("a request");
    house.call(known).await.expect(304);
    for (staff, path) in
        [("Ann;operator", format!("/mes/v1/orders/{id}/preview.png")), ("Sam;seller", format!("/crm/v1/orders/{id}/preview.png"))]
    {
        assert_eq!(house.get_as(staff, &path).await.expect(200).bytes, picture.bytes);
        house.get(&path).await.refused(401, "unauthenticated", "X-Staff");
    }
}

#[tokio::test]
async fn a_store_that_is_away_stops_reads_and_not_commands() {
    let house = House::without_store().await;
    let id = house.order("k").await;
    let away = house.get(&format!("/shop/v1/orders/{id}")).await;
    let problem = away.refused(503, "unavailable", "Orders are safe and commands go on");
    assert!(!problem.to_string().contains("sqlite"), "{problem}");
    assert_eq!(away.header("retry-after"), "2");
    house.get_as("Ann;operator", "/mes/v1/queue").await.refused(503, "unavailable", "read models do not answer");
    house.get_as("Sam;seller", "/crm/v1/orders").await.refused(503, "unavailable", "read models do not answer");
    house.get("/readyz").await.refused_field(503, "unavailable", "store", "`store` does not answer");
    house.call(create("another", ORDER)).await.expect(201);
    // Uploading falls back on asking the engine.
    let model = axum::http::Request::put(format!("/shop/v1/orders/{id}/model")).header("content-type", "model/stl");
    house.call(model.body(Body::from("solid")).expect("a request")).await.expect(200);
}
