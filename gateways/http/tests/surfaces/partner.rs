//! Partners at the door: keys, whose orders are whose, the switch of their lane, what is never said.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{Answer, House};

/// Twelve bytes that are no ring and small enough for base64.
pub(crate) const FILE: &str = "c29saWQgcmluZwo=";

/// A request with a key.
pub(crate) fn request(method: &str, path: &str, key: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    let request = if body.is_empty() { request } else { request.header("content-type", "application/json") };
    request.body(Body::from(body.to_owned())).expect("a request")
}

/// An order by reference, as JSON.
pub(crate) fn order(reference: &str) -> Value {
    json!({
        "reference": reference,
        "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
        "model": {"base64": FILE, "format": "stl"},
    })
}

impl House {
    pub(crate) async fn by(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        self.call(request(method, path, key, body)).await
    }

    /// The same again and again until the answer is as wanted. Time passes, so that no limit is reached by it.
    pub(crate) async fn eventually(&self, key: &str, method: &str, path: &str, body: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let ask = || {
            self.clock.fetch_add(200, Ordering::SeqCst);
            self.by(key, method, path, body)
        };
        self.until(ask, wanted).await
    }

    /// Waits until the feed knows so many changes of the partner's orders.
    pub(crate) async fn told(&self, key: &str, changes: usize) {
        let all = |answer: &Answer| answer.json()["items"].as_array().is_some_and(|items| items.len() >= changes);
        self.eventually(key, "GET", "/partner/v1/feed?limit=500", "", all).await;
    }

    /// A new order of a partner.
    pub(crate) async fn placed(&self, key: &str, reference: &str) -> Uuid {
        self.by(key, "POST", "/partner/v1/orders", &order(reference).to_string()).await.expect(201).id()
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_live_key() {
    let house = House::new().await;
    let key = house.key("acme").await;
    // No checksum ends so: its last letter has two bits.
    let forged = format!("{}z", &key[..key.len() - 1]);
    let sent = [
        None,
        Some(String::new()),
        Some(key.clone()),
        Some(format!("Basic {key}")),
        Some(format!("Bearer {forged}")),
        Some(format!("Bearer {}", &key[..40])),
        Some("Bearer ".into()),
        Some("Bearer atl_' OR 1=1 --".into()),
    ];
    let mut details = Vec::new();
    for authorization in sent {
        let request = Request::get("/partner/v1/orders");
        let request = authorization.iter().fold(request, |request, text| request.header("authorization", text));
        let answer = house.call(request.body(Body::empty()).expect("a request")).await;
        answer.refused_field(401, "unauthenticated", "Authorization", "Bearer atl_…");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(!answer.text().contains(&key[17..40]), "a key is never repeated");
        details.push(answer.text());
    }
    // A key that never was and one that is mistyped look alike.
    assert_eq!(details[4], details[5]);
    let twice = Request::get("/partner/v1/orders").header("authorization", format!("Bearer {key}")).header("authorization", "Bearer x");
    house.call(twice.body(Body::empty()).expect("a request")).await.refused(401, "unauthenticated", "is given twice");
    house.by(&key, "GET", "/partner/v1/orders", "").await.expect(200);
    // Other surfaces want no key, and theirs opens nothing else.
    house.get("/healthz").await.expect(200);
    house.by(&key, "GET", "/mes/v1/queue", "").await.expect(401);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_from_the_answer_on() {
    let house = House::new().await;
    let first = house.key("acme").await;
    let made = house.by(&first, "POST", "/partner/v1/keys", "").await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let second = made.json()["key"].as_str().expect("a key").to_owned();
    house.by(&second, "POST", "/partner/v1/keys", "{}").await.refused(409, "too_many_keys", "revoke one of them first");
    let first_id = &first[4..16];
    let revoked = house.by(&second, "DELETE", &format!("/partner/v1/keys/{first_id}"), "").await.expect(200).json();
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    house.by(&first, "GET", "/partner/v1/orders", "").await.refused(401, "unauthenticated", "is no live key");
    let listed = house.by(&second, "GET", "/partner/v1/keys", "").await.expect(200);
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(2));
    assert!(!listed.text().contains(&second[17..]) && !listed.text().contains(&first[17..]), "{}", listed.text());
    // Another partner's key is no key.
    let other = house.key("other").await;
    for id in [&second[4..16], "nonsense", "%00", "%ff", "a%2Fb"] {
        house.by(&other, "DELETE", &format!("/partner/v1/keys/{id}"), "").await.refused_field(
            404,
            "unknown_key",
            "id",
            "is no key of yours",
        );
    }
    house.by(&second, "GET", "/partner/v1/orders", "").await.expect(200);
}

#[tokio::test]
async fn another_partners_order_is_no_order() {
    let house = House::new().await;
    let (mine, theirs) = (house.key("acme").await, house.key("other").await);
    let id = house.placed(&mine, "R-1").await;
    let shop = house.order("of-the-shop").await;
    house.told(&mine, 3).await;
    for id in [id, shop, Uuid::from_u128(1)] {
        let path = format!("/partner/v1/orders/{id}");
        for (method, path, body) in [
            ("GET", path.clone(), ""),
            ("PATCH", path.clone(), r#"{"item":{"material":"gold-585","quantity":1,"finish":"matte"}}"#),
            ("POST", format!("{path}/cancel"), r#"{"reason":"not mine"}"#),
            ("POST", format!("{path}/cancel?dry_run=true"), r#"{"reason":"not mine"}"#),
            ("POST", format!("{path}/accept"), r#"{"price":{"amount":"1.00","currency":"EUR"}}"#),
        ] {
            let problem = house.by(&theirs, method, &path, body).await.refused(404, "unknown_order", "");
            assert!(problem["order_status"].is_null() && problem["version"].is_null(), "{problem}");
        }
    }
    let list = house.by(&theirs, "GET", "/partner/v1/orders", "").await.expect(200).json();
    assert_eq!(list["items"], json!([]));
    assert_eq!(house.by(&theirs, "GET", "/partner/v1/feed", "").await.expect(200).json()["items"], json!([]));
    // The same reference is another partner's own.
    assert_ne!(house.placed(&theirs, "R-1").await, id);
    // And the shop's surface shows none of them.
    house.get(&format!("/shop/v1/orders/{id}")).await.refused(404, "unknown_order", "");
}

#[tokio::test]
async fn the_lane_is_closed_by_an_administrator_with_a_reason() {
    const LANE: &str = "/mes/v1/lanes/external";
    let house = House::new().await;
    let key = house.key("acme").await;
    let before = house.placed(&key, "before").await;
    assert_eq!(house.get_as("Olga;operator", LANE).await.expect(200).json()["intake"], "open");
    let turn = |staff: &'static str, body: &'static str| {
        let request = Request::put(LANE).header("x-staff", staff).header("content-type", "application/json");
        house.call(request.body(Body::from(body)).expect("a request"))
    };
    turn("Olga;operator", r#"{"intake":"drain","reason":"r"}"#).await.refused(403, "forbidden", "needs the role admin");
    turn("Ada;admin", r#"{"intake":"drain"}"#).await.refused_field(422, "invalid", "reason", "is missing");
    turn("Ada;admin", r#"{"intake":"shut","reason":"r"}"#).await.refused_field(422, "invalid", "intake", "is not taken");
    for intake in ["drain", "paused"] {
        let body = if intake == "drain" { r#"{"intake":"drain","reason":"service"}"# } else { r#"{"intake":"paused","reason":"flood"}"# };
        let state = turn("Ada;admin", body).await.expect(200).json();
        assert_eq!((state["intake"].as_str(), state["by"].as_str()), (Some(intake), Some("Ada")));
        let refused = house.by(&key, "POST", "/partner/v1/orders", &order("new").to_string()).await;
        refused.refused(503, "intake_paused", "Nothing was accepted");
        assert_eq!(refused.header("retry-after"), "300");
        // What is in stays in, and can be asked for and cancelled.
        house.told(&key, 3).await;
        assert_eq!(house.placed(&key, "before").await, before, "a repetition is no new order");
    }
    turn("Ada;admin", r#"{"intake":"open","reason":"all is well"}"#).await.expect(200);
    house.placed(&key, "new").await;
}

#[tokio::test]
async fn work_of_a_paused_lane_is_given_to_nobody() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let id = house.placed(&key, "R").await;
    house.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/approve"), "").await.expect(200);
    let queue = |lane: &'static str| house.get_as("Olga;operator", lane);
    house.until(|| queue("/mes/v1/queue?lane=external"), |answer| answer.json()["items"][0]["order_id"] == id.to_string()).await;
    assert_eq!(queue("/mes/v1/queue?lane=own").await.expect(200).json()["items"], json!([]));
    house.accounts.turn_lane(atelier_partners::Intake::Paused, "r", "Ada", 1).await.expect("turned");
    house.post_as("Olga;operator", "/mes/v1/queue/claim", "").await.refused(404, "nothing_to_do", "");
    house.accounts.turn_lane(atelier_partners::Intake::Drain, "r", "Ada", 2).await.expect("turned");
    assert_eq!(house.post_as("Olga;operator", "/mes/v1/queue/claim", "").await.expect(200).id(), id);
}
