//! A partner's surge stays the partner's: limits are told, and kept before a body is read.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;

use crate::house::House;
use crate::partner::order;

const ORDERS: &str = "/partner/v1/orders";

#[tokio::test]
async fn a_partner_that_asks_too_often_is_told_when_to_come_back() {
    let house = House::new().await;
    let (key, other) = (house.key("acme").await, house.key("other").await);
    let first = house.by(&key, "GET", ORDERS, "").await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"read\";q=100;w=5");
    assert_eq!(first.header("ratelimit"), "\"read\";r=99;t=1");
    for left in (0..99).rev() {
        let answer = house.by(&key, "GET", ORDERS, "").await.expect(200);
        assert_eq!(answer.header("ratelimit"), format!("\"read\";r={left};t=1"));
    }
    let refused = house.by(&key, "GET", ORDERS, "").await;
    refused.refused(429, "rate_limited", "100 read requests");
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("1", "\"read\";r=0;t=1"));
    // Writes, other partners and the shop are not concerned.
    house.placed(&key, "PO-1").await;
    house.by(&other, "GET", ORDERS, "").await.expect(200);
    house.order("of-the-shop").await;
    house.clock.fetch_add(50, Ordering::SeqCst);
    house.by(&key, "GET", ORDERS, "").await.expect(200);
    house.by(&key, "GET", ORDERS, "").await.expect(429);
}

#[tokio::test]
async fn a_partner_gets_no_more_requests_by_making_keys() {
    let house = House::new().await;
    let (key, second) = (house.key("acme").await, house.key("acme").await);
    let sandbox = house.key_of("acme", atelier_partners::Mode::Sandbox).await;
    let remaining = |answer: crate::house::Answer| answer.header("ratelimit").to_owned();
    assert_eq!(
        remaining(house.by(&key, "DELETE", &format!("/partner/v1/keys/{}", &second[4..16]), "").await.expect(200)),
        told("write", 39)
    );
    let fresh = house.by(&key, "POST", "/partner/v1/keys", "").await.expect(201);
    let made = fresh.json()["key"].as_str().expect("a key").to_owned();
    assert_eq!(remaining(fresh), told("write", 38));
    while house.by(&key, "POST", ORDERS, "{}").await.status != 429 {}
    house.by(&made, "POST", ORDERS, "{}").await.refused(429, "rate_limited", "This partner may send 40 write requests");
    // Trying things out takes nothing from real orders.
    assert_eq!(remaining(house.by(&sandbox, "POST", ORDERS, "{}").await.expect(422)), told("write", 19));
}

/// What is left, of something that trickles in faster than one a second.
fn told(kind: &str, left: u32) -> String {
    format!("\"{kind}\";r={left};t=1")
}

#[tokio::test]
async fn limits_are_kept_before_a_body_is_read() {
    let house = House::new().await;
    let key = house.key("acme").await;
    while house.by(&key, "POST", ORDERS, "{}").await.status != 429 {}
    // A body that never ends: whoever read it would wait for ever.
    let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request =
        |key: &str| Request::post(ORDERS).header("authorization", format!("Bearer {key}")).header("content-type", "application/json");
    house.call(request(&key).body(Body::from_stream(endless)).expect("a request")).await.refused(429, "rate_limited", "40 write requests");
    let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    house.call(request("nonsense").body(Body::from_stream(endless)).expect("a request")).await.expect(401);
}

#[tokio::test]
async fn slow_bodies_take_their_own_partners_places_only() {
    let house = House::with(|config| config.body_idle_limit = std::time::Duration::from_secs(2)).await;
    let (key, other) = (house.key("acme").await, house.key("other").await);
    let slow = || {
        let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        let request = Request::post("/partner/v1/reconcile").header("authorization", format!("Bearer {key}"));
        house.call(request.header("content-type", "application/json").body(Body::from_stream(endless)).expect("a request"))
    };
    let surge = futures::future::join_all((0..20).map(|_| slow()));
    let meanwhile = async {
        house.placed(&other, "PO-1").await;
        house.order("of-the-shop").await;
    };
    let (answers, ()) = tokio::join!(surge, meanwhile);
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(429), count(408)), (4, 16), "sixteen at a time");
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one");
    refused.refused(429, "rate_limited", "16 requests of this partner are under way");
    house.by(&key, "GET", ORDERS, "").await.expect(200);
}

#[tokio::test]
async fn orders_waiting_for_a_price_are_limited_and_a_repetition_is_not_one_more() {
    let house = House::new().await;
    let key = house.key("acme").await;
    for number in 0..100 {
        house.placed(&key, &format!("PO-{number}")).await;
        house.clock.fetch_add(1000, Ordering::SeqCst);
    }
    let (path, body) = (format!("{ORDERS}?dry_run=true"), order("one-more").to_string());
    let full = house.eventually(&key, "POST", &path, &body, |answer| answer.status == 429).await;
    full.refused(429, "quota", "100 orders waiting for a price");
    assert_eq!(full.header("retry-after"), "60");
    house.placed(&key, "PO-7").await;
}
