//! The sandbox at the door: two kinds of keys that see nothing of each other, and staff that see nothing of it.

use atelier_partners::Mode;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::House;
use crate::partner::order;

const NEXT: &str = r#"{"to":"next"}"#;

/// The ids in a list.
fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("a list").iter().filter_map(|item| item["order_id"].as_str()).collect()
}

impl House {
    /// An order of a sandbox that is approved, and so would be at the works.
    async fn approved_in_sandbox(&self, key: &str, reference: &str) -> Uuid {
        let id = self.placed(key, reference).await;
        // Nobody can quote it by hand: the engine of these tests plays pricing too where somebody else asks.
        let advanced = self.by(key, "POST", &format!("/partner/v1/sandbox/orders/{id}/advance"), NEXT).await;
        assert_eq!(advanced.expect(200).json()["status"], "MANUFACTURING_APPROVED");
        id
    }
}

#[tokio::test]
async fn one_reference_is_two_orders_that_each_kind_of_key_sees_its_own_of() {
    let house = House::new().await;
    let (live, sandbox) = (house.key("acme").await, house.key_of("acme", Mode::Sandbox).await);
    let (real, trial) = (house.placed(&live, "PO-1").await, house.placed(&sandbox, "PO-1").await);
    assert_ne!(real, trial);
    house.told(&live, 3).await;
    house.told(&sandbox, 3).await;
    for (key, own, other) in [(&live, real, trial), (&sandbox, trial, real)] {
        house.by(key, "GET", &format!("/partner/v1/orders/{own}?wait_version=4"), "").await.expect(200);
        house.by(key, "GET", &format!("/partner/v1/orders/{other}"), "").await.refused(404, "unknown_order", "order");
        house.by(key, "POST", &format!("/partner/v1/orders/{other}/cancel"), r#"{"reason":"no"}"#).await.refused(
            404,
            "unknown_order",
            "order",
        );
        let amendment = json!({"item": {"material": "gold-585", "quantity": 1, "finish": "raw"}}).to_string();
        house.by(key, "PATCH", &format!("/partner/v1/orders/{other}"), &amendment).await.refused(404, "unknown_order", "order");
        let own = own.to_string();
        assert_eq!(ids(&house.by(key, "GET", "/partner/v1/orders", "").await.expect(200).json()), [&own]);
        let feed = house.by(key, "GET", "/partner/v1/feed", "").await.expect(200).json();
        assert!(ids(&feed).iter().all(|id| *id == own), "{feed}");
        let beliefs = json!({"orders": [{"order_id": other, "version": 1}], "since": "2026-01-01T00:00:00Z"}).to_string();
        let found = house.by(key, "POST", "/partner/v1/reconcile", &beliefs).await.expect(200).json();
        assert_eq!(found["unknown"][0]["order_id"], json!(other));
        assert_eq!(found["missing"][0]["order_id"], json!(own));
        assert_eq!(found["missing"].as_array().map(Vec::len), Some(1));
        // The same call again is the same order still.
        house.by(key, "POST", "/partner/v1/orders", &order("PO-1").to_string()).await.expect(201);
    }
}

#[tokio::test]
async fn a_partner_plays_the_works_and_the_clock_of_its_sandbox_only() {
    let house = House::new().await;
    let (live, sandbox) = (house.key("acme").await, house.key_of("acme", Mode::Sandbox).await);
    let (real, trial) = (house.placed(&live, "PO-1").await, house.placed(&sandbox, "PO-1").await);
    let (advance, clock) = (|id| format!("/partner/v1/sandbox/orders/{id}/advance"), |id| format!("/partner/v1/sandbox/orders/{id}/clock"));
    house.by(&sandbox, "POST", &clock(trial), r#"{"by_seconds":86400}"#).await.expect(200);
    house.by(&sandbox, "POST", &advance(trial), NEXT).await.expect(200);
    house.by(&sandbox, "POST", &advance(real), NEXT).await.refused(404, "unknown_order", "order");
    house.by(&live, "POST", &advance(trial), NEXT).await.refused(404, "unknown_order", "order");
    house.by(&live, "POST", &advance(real), NEXT).await.refused(409, "live_order", "is a real one");
    house.by(&live, "POST", &clock(real), r#"{"by_seconds":1}"#).await.refused(409, "live_order", "is a real one");
    for (path, body) in [(advance(trial), r#"{"to":"the moon"}"#), (clock(trial), r#"{"by_seconds":-1}"#), (clock(trial), "{}")] {
        house.by(&sandbox, "POST", &path, body).await.expect(422);
    }
}

#[tokio::test]
async fn the_house_sees_nothing_of_a_sandbox() {
    let house = House::new().await;
    let sandbox = house.key_of("acme", Mode::Sandbox).await;
    let trial = house.approved_in_sandbox(&sandbox, "PO-1").await;
    // A real order that is approved after it: once it shows, the other would.
    let real = house.approved("a-real-one").await;
    let shown = house.until(|| house.get_as("Ann;operator", "/mes/v1/queue"), |answer| !ids(&answer.json()).is_empty()).await;
    assert_eq!(ids(&shown.json()), [real.to_string()]);
    let listed = house.until(|| house.get_as("Sue;seller", "/crm/v1/orders"), |answer| !ids(&answer.json()).is_empty()).await;
    assert_eq!(ids(&listed.json()), [real.to_string()]);
    for (staff, path) in [
        ("Sue;seller", format!("/crm/v1/orders/{trial}")),
        ("Sue;seller", format!("/crm/v1/orders/{trial}/timeline")),
        ("Ann;operator", format!("/mes/v1/orders/{trial}")),
    ] {
        house.get_as(staff, &path).await.refused(404, "unknown_order", "order");
    }
    house.post_as("Ann;operator", &format!("/mes/v1/orders/{trial}/start"), "{}").await.refused(409, "sandbox_order", "one of a sandbox");
    let hold = house.post_as("Sue;seller", &format!("/crm/v1/orders/{trial}/hold"), r#"{"reason":"why"}"#).await;
    hold.refused(409, "sandbox_order", "one of a sandbox");
}

#[tokio::test]
async fn a_key_of_the_sandbox_makes_and_sees_keys_of_the_sandbox_only() {
    let house = House::new().await;
    let live = house.key("acme").await;
    let made = house.by(&live, "POST", "/partner/v1/keys", r#"{"sandbox":true}"#).await.expect(201).json();
    assert_eq!(made["sandbox"], json!(true));
    let sandbox = made["key"].as_str().expect("a key").to_owned();
    house.by(&sandbox, "POST", "/partner/v1/keys", r#"{"sandbox":false}"#).await.refused_field(403, "forbidden", "sandbox", "opens more");
    let second = house.by(&sandbox, "POST", "/partner/v1/keys", "").await.expect(201).json();
    assert_eq!(second["sandbox"], json!(true));
    house.by(&sandbox, "POST", "/partner/v1/keys", "").await.refused(409, "too_many_keys", "keys");
    let all = house.by(&live, "GET", "/partner/v1/keys", "").await.expect(200).json();
    let own = house.by(&sandbox, "GET", "/partner/v1/keys", "").await.expect(200).json();
    assert_eq!((all["items"].as_array().map(Vec::len), own["items"].as_array().map(Vec::len)), (Some(3), Some(2)));
    assert!(own["items"].as_array().expect("a list").iter().all(|key| key["sandbox"] == json!(true)));
    let live_id =
        all["items"].as_array().and_then(|keys| keys.iter().find(|key| key["sandbox"] == json!(false))).expect("one")["key_id"].clone();
    let live_id = live_id.as_str().expect("an id");
    house.by(&sandbox, "DELETE", &format!("/partner/v1/keys/{live_id}"), "").await.refused(404, "unknown_key", "no key of yours");
    house.by(&live, "DELETE", &format!("/partner/v1/keys/{}", second["key_id"].as_str().expect("an id")), "").await.expect(200);
}

#[tokio::test]
async fn a_sandbox_has_limits_of_its_own_and_waits_for_no_lane() {
    let house = House::new().await;
    let (live, sandbox) = (house.key("acme").await, house.key_of("acme", Mode::Sandbox).await);
    let pause = Request::put("/mes/v1/lanes/external").header("x-staff", "Bea;admin").header("content-type", "application/json");
    let pause = pause.body(Body::from(r#"{"intake":"paused","reason":"stock-taking"}"#)).expect("a request");
    house.call(pause).await.expect(200);
    house.by(&live, "POST", "/partner/v1/orders", &order("PO-1").to_string()).await.refused(503, "intake_paused", "paused");
    for number in 0..5 {
        house.placed(&sandbox, &format!("PO-{number}")).await;
    }
    house.told(&sandbox, 15).await;
    let sixth = house.by(&sandbox, "POST", "/partner/v1/orders", &order("PO-6").to_string()).await;
    sixth.refused(429, "quota", "limit");
    let list = Request::get("/partner/v1/orders").header("authorization", format!("Bearer {sandbox}")).body(Body::empty());
    let answer = house.call(list.expect("a request")).await;
    assert_eq!(answer.header("ratelimit-policy"), "\"read\";q=50;w=5");
}

#[tokio::test]
async fn endpoints_are_of_the_sandbox_or_of_real_orders() {
    const WEBHOOKS: &str = "/partner/v1/webhooks";
    let house = House::new().await;
    let (live, sandbox) = (house.key("acme").await, house.key_of("acme", Mode::Sandbox).await);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let wish = json!({"url": format!("http://{}/hook", listener.local_addr().expect("a port"))}).to_string();
    let made = house.by(&live, "POST", WEBHOOKS, &wish).await.expect(201).json();
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(house.by(&sandbox, "GET", WEBHOOKS, "").await.expect(200).json()["items"], json!([]));
    house.by(&sandbox, "GET", &path, "").await.refused(404, "unknown_endpoint", "lists yours");
    house.by(&sandbox, "DELETE", &path, "").await.refused(404, "unknown_endpoint", "lists yours");
    house.by(&live, "GET", &path, "").await.expect(200);
}
