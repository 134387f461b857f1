//! `PUT /shop/v1/orders/{id}/model` and the ring constructor.

use std::io;

use atelier_schemas::Topic;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use uuid::Uuid;

use crate::house::House;

const STL: &str = "solid ring\nendsolid ring\n";

fn put(id: impl std::fmt::Display, media: &str, body: impl Into<Body>) -> Request<Body> {
    Request::put(format!("/shop/v1/orders/{id}/model")).header("content-type", media).body(body.into()).expect("a request")
}

#[tokio::test]
async fn a_model_is_stored_and_attached() {
    let house = House::new().await;
    let id = house.order("k").await;
    let answer = house.call(put(id, "model/stl", STL)).await.expect(200);
    assert_eq!((answer.json()["status"].as_str(), answer.header("etag")), (Some("FILE_UPLOADED"), "\"2\""));
    let order = house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200).json();
    let sha256 = order["model"]["sha256"].as_str().expect("a hash");
    assert_eq!((order["model"]["format"].as_str(), order["model"]["size_bytes"].as_u64()), (Some("stl"), Some(STL.len() as u64)));
    assert_eq!(house.blobs.get(sha256).await.expect("stored"), STL);

    // Straight after creation, when the read model may not know the order yet, it is taken as well.
    let fresh = house.order("k2").await;
    house.call(put(fresh, "Model/3MF; x=y", "PK")).await.expect(200);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let house = House::new().await;
    let id = house.order("k").await;
    let request = Request::put(format!("/shop/v1/orders/{id}/model?dry_run=true")).header("content-type", "model/obj");
    let would = house.call(request.body(Body::from("v 0 0 0")).expect("a request")).await.expect(200);
    assert_eq!(would.json()["events"][0], "ModelAttached");
    let sha256 = "0c9a9cdd1b8a1ff8e8dd8a5ae6fda55b97b21c4bd0e1a0a2d2a8a0a3f1b4f8a0";
    assert!(house.blobs.get(sha256).await.is_err());
    assert_eq!(house.log.count(Topic::Events), 1);
}

#[tokio::test]
async fn what_is_no_model_is_refused() {
    let house = House::new().await;
    let id = house.order("k").await;
    for media in ["application/octet-stream", "application/json", "model/step", ""] {
        house.call(put(id, media, STL)).await.refused_field(
            415,
            "unsupported_media_type",
            "Content-Type",
            "Send `model/stl`, `model/obj` or `model/3mf`.",
        );
    }
    house.call(put(id, "model/stl", "")).await.refused_field(422, "invalid", "body", "`body` is empty. Send the bytes of the model.");
    house.call(put("nonsense", "model/stl", STL)).await.refused_field(
        404,
        "unknown_order",
        "id",
        "is not an order's id. Use the `order_id`",
    );
    assert_eq!(house.log.count(Topic::Events), 1);
}

#[tokio::test]
async fn a_model_too_large_is_refused_at_its_announcement_and_on_its_way() {
    let house = House::with(|config| config.upload_limit_bytes = 1000).await;
    let id = house.order("k").await;
    let announced =
        Request::put(format!("/shop/v1/orders/{id}/model")).header("content-type", "model/stl").header("content-length", "1001");
    house.call(announced.body(Body::empty()).expect("a request")).await.refused(
        413,
        "too_large",
        "longer than the 1000 bytes taken. Send a coarser mesh",
    );
    let chunks = (0..100).map(|_| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 100])));
    let streamed = Body::from_stream(futures::stream::iter(chunks));
    house.call(put(id, "model/stl", streamed)).await.refused(413, "too_large", "longer than the 1000 bytes");
    house.call(put(id, "model/stl", vec![b'x'; 1000])).await.expect(200);
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_stalls_leaves_nothing() {
    let house = House::with(|config| config.body_idle_limit = std::time::Duration::from_millis(20)).await;
    let id = house.order("k").await;
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"solid")), Err(io::Error::other("gone"))]);
    house.call(put(id, "model/stl", Body::from_stream(broken))).await.refused(
        400,
        "malformed",
        "broke off before its end. Nothing was stored",
    );
    let stalled =
        futures::StreamExt::chain(futures::stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"solid"))]), futures::stream::pending());
    house.call(put(id, "model/stl", Body::from_stream(stalled))).await.refused(408, "timeout", "stopped arriving. Nothing was stored");
    assert_eq!(house.log.count(Topic::Events), 1);
}

#[tokio::test]
async fn an_order_that_would_refuse_the_model_is_not_sent_megabytes() {
    let house = House::new().await;
    let never_read =
        || Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<io::Result<Bytes>>> { panic!("the body was read") }));
    house.call(put(Uuid::from_u128(9), "model/stl", never_read())).await.refused(
        404,
        "unknown_order",
        "there is no such order; check the order id.",
    );
    let id = house.order("k").await;
    house.call(put(id, "model/stl", STL)).await.expect(200);
    house.post(&format!("/shop/v1/orders/{id}/submit"), "").await.expect(200);
    house.get(&format!("/shop/v1/orders/{id}?wait_version=4")).await.expect(200);
    let problem = house.call(put(id, "model/stl", never_read())).await.refused(409, "not_allowed", "not possible in this status");
    assert_eq!((problem["order_status"].as_str(), problem["allowed"][0].as_str()), (Some("SUBMITTED"), Some("cancel")));
    // A key makes no order of none.
    let mut keyed = put(Uuid::from_u128(9), "model/stl", never_read());
    keyed.headers_mut().insert("idempotency-key", "u".parse().expect("a value"));
    house.call(keyed).await.refused(404, "unknown_order", "there is no such order");
}

#[tokio::test]
async fn an_upload_that_trickles_is_not_waited_for_to_its_end() {
    let house = House::with(|config| config.body_idle_limit = std::time::Duration::from_millis(500)).await;
    let id = house.order("k").await;
    // Each byte comes long before its time is over.
    let trickle = futures::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
    });
    let mut request = put(id, "model/stl", Body::from_stream(trickle));
    request.headers_mut().insert("content-length", "60000".parse().expect("a value"));
    house.call(request).await.refused(408, "timeout", "Nothing was stored; send it again");
    assert_eq!(house.log.count(Topic::Events), 1);
}

#[tokio::test]
async fn a_repeated_upload_under_a_key_is_answered_as_the_first() {
    let house = House::new().await;
    let id = house.order("k").await;
    let upload = |bytes: &'static str| {
        let head = Request::put(format!("/shop/v1/orders/{id}/model")).header("content-type", "model/stl").header("idempotency-key", "u");
        head.body(Body::from(bytes)).expect("a request")
    };
    let first = house.call(upload(STL)).await.expect(200);
    house.post(&format!("/shop/v1/orders/{id}/submit"), "{}").await.expect(200);
    assert_eq!(house.call(upload(STL)).await.expect(200).bytes, first.bytes);
    house.call(upload("solid other\nendsolid other\n")).await.refused(422, "key_reused", "used for another request");
}

#[tokio::test]
async fn a_ring_is_a_model_by_its_parameters() {
    let house = House::new().await;
    let id = house.order("k").await;
    let path = format!("/shop/v1/orders/{id}/model/ring");
    let ring = r#"{"inner_diameter_mm":17.2,"width_mm":4,"thickness_mm":1.6,"profile":"comfort"}"#;
    house.post(&path, ring).await.expect(200);
    let order = house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200).json();
    assert_eq!(order["model"]["format"], "ring");
    let stored = house.blobs.get(order["model"]["sha256"].as_str().expect("a hash")).await.expect("stored");
    assert_eq!(stored, r#"{"inner_diameter_mm":17.2,"width_mm":4.0,"thickness_mm":1.6,"profile":"comfort"}"#);

    for (from, to, field, words) in [
        ("17.2", "5", "inner_diameter_mm", "`inner_diameter_mm` is 5. Send 10 to 30."),
        ("\"width_mm\":4", "\"width_mm\":0", "width_mm", "Send 1 to 20."),
        ("\"width_mm\":4", "\"width_mm\":\"4\"", "width_mm", "has the wrong type. Send a number."),
        ("\"width_mm\":4", "\"width_mm\":4,\"stone_mm\":13", "stone_mm", "Send 1 to 12."),
        ("\"width_mm\":4", "\"width_mm\":4,\"gold\":true", "gold", "is not known"),
        ("comfort", "baroque", "profile", "`flat`, `comfort`, `domed`"),
    ] {
        house.post(&path, &ring.replace(from, to)).await.refused_field(422, "invalid", field, words);
    }
}
