//! What every command has in common: expectation, keys, dry run, late answers, a log that is away.

use std::time::Duration;

use atelier_schemas::Topic;
use axum::body::Body;
use uuid::Uuid;

use crate::house::{House, ORDER, create, get, post};

#[tokio::test]
async fn an_expected_version_is_kept_to() {
    let house = House::new().await;
    let id = house.order("k").await;
    let cancel = |tag: &str| {
        let head = post(&format!("/shop/v1/orders/{id}/cancel")).header("if-match", tag);
        head.body(Body::from(r#"{"reason":"changed my mind"}"#)).expect("a request")
    };
    let problem = house.call(cancel("\"7\"")).await.refused(412, "version", "the order has moved on; read it again.");
    assert_eq!(problem["version"], 1);
    for bad in ["7", "W/\"1\"", "latest"] {
        house.call(cancel(bad)).await.refused_field(400, "malformed", "If-Match", "Send the version in quotes as the ETag has it");
    }
    let done = house.call(cancel("\"1\"")).await.expect(200);
    assert_eq!((done.json()["status"].as_str(), done.header("etag")), (Some("CANCELLED"), "\"2\""));
}

#[tokio::test]
async fn a_command_out_of_place_is_refused_with_what_is_allowed() {
    let house = House::new().await;
    let id = house.order("k").await;
    let problem = house.post(&format!("/shop/v1/orders/{id}/submit"), "").await.refused(409, "not_allowed", "possible now: cancel");
    assert_eq!(problem["order_id"], id.to_string());
    assert_eq!((problem["order_status"].as_str(), problem["allowed"][0].as_str()), (Some("INITIATED"), Some("cancel")));
    let nowhere = Uuid::from_u128(404);
    house.post(&format!("/shop/v1/orders/{nowhere}/submit"), "").await.refused(404, "unknown_order", "check the order id");
    house.post("/shop/v1/orders/42/submit", "").await.refused_field(404, "unknown_order", "id", "is not an order's id");
    house.post(&format!("/shop/v1/orders/{id}/submit"), "{\"now\":true}").await.refused_field(
        422,
        "invalid",
        "now",
        "no fields are known here",
    );
}

#[tokio::test]
async fn manual_interventions_need_a_reason() {
    let house = House::new().await;
    let id = house.order("k").await;
    for (path, staff) in [
        (format!("/shop/v1/orders/{id}/cancel"), "A;admin"),
        (format!("/mes/v1/orders/{id}/hold"), "A;admin"),
        (format!("/mes/v1/orders/{id}/resume"), "A;admin"),
        (format!("/mes/v1/orders/{id}/release"), "A;admin"),
        (format!("/crm/v1/orders/{id}/reject"), "A;admin"),
        (format!("/crm/v1/orders/{id}/reprice"), "A;admin"),
        (format!("/crm/v1/orders/{id}/hold"), "A;admin"),
        (format!("/crm/v1/orders/{id}/resume"), "A;admin"),
        (format!("/crm/v1/orders/{id}/cancel"), "A;admin"),
        (format!("/crm/v1/orders/{id}/close"), "A;admin"),
    ] {
        house.post_as(staff, &path, "{}").await.refused_field(422, "invalid", "reason", "`reason` is missing. Add it.");
        house.post_as(staff, &path, "{\"reason\":\"\"}").await.refused_field(422, "invalid", "reason", "is empty");
        let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(501));
        house.post_as(staff, &path, &long).await.refused_field(422, "invalid", "reason", "longer than 500 characters");
    }
    house
        .post_as("A;admin", &format!("/mes/v1/orders/{id}/rework"), "{\"defect\":\" \"}")
        .await
        .refused_field(422, "invalid", "defect", "is empty");
    assert_eq!(house.log.count(Topic::Commands), 1);
}

#[tokio::test]
async fn a_key_makes_an_action_happen_once() {
    let house = House::new().await;
    let id = house.order("k").await;
    let hold = |staff: &str, reason: &str| {
        let head = post(&format!("/crm/v1/orders/{id}/hold")).header("x-staff", staff).header("idempotency-key", "1");
        head.body(Body::from(format!("{{\"reason\":\"{reason}\"}}"))).expect("a request")
    };
    let first = house.call(hold("Sam;seller", "stones missing")).await.expect(200);
    let again = house.call(hold("Sam;seller", "stones missing")).await.expect(200);
    assert_eq!((again.bytes, again.headers.get("idempotent-replayed").is_some()), (first.bytes, true));
    house.call(hold("Sam;seller", "something else")).await.refused(422, "key_reused", "use a new key");
    // Somebody else's key of the same name is another key.
    let other = house.call(hold("Tom;seller", "stones missing")).await.expect(200);
    assert_eq!(other.json()["version"], 3);
}

#[tokio::test]
async fn a_command_not_decided_in_time_is_answered_later() {
    let house = House::with(|config| config.decide_limit = Duration::from_millis(50)).await;
    house.engine.sleep();
    let pending = house.call(create("slow", ORDER)).await.expect(202);
    let body = pending.json();
    let at = pending.header("location").to_owned();
    assert_eq!(at, format!("/shop/v1/commands/{}", body["command_id"].as_str().expect("an id")));
    assert_eq!(pending.id(), atelier_http::order_id_of("shop", "slow"));
    let state = house.get(&at).await.expect(202).json();
    assert_eq!((state["decided"].as_bool(), &state["command_id"]), (Some(false), &body["command_id"]));

    house.engine.wake();
    let state = house.until(|| house.get(&at), |answer| answer.status == 200).await.json();
    assert_eq!((state["decided"].as_bool(), state["accepted"]["status"].as_str()), (Some(true), Some("INITIATED")));
    // And the same request again is answered at last.
    let again = house.until(|| house.call(create("slow", ORDER)), |answer| answer.status == 201).await;
    assert_eq!(again.json()["version"], 1);
    assert_eq!(house.log.count(Topic::Events), 1);
}

#[tokio::test]
async fn a_refusal_can_be_asked_for_later_and_only_by_whom_it_concerns() {
    let house = House::with(|config| config.decide_limit = Duration::from_millis(50)).await;
    let id = house.until(|| house.call(create("k", ORDER)), |answer| answer.status == 201).await.id();
    house.engine.sleep();
    let pending = house.post_as("Ann;operator", &format!("/mes/v1/orders/{id}/start"), "").await.expect(202);
    let staff_at = pending.header("location").to_owned();
    let pending = house.post(&format!("/shop/v1/orders/{id}/submit"), "").await.expect(202);
    let shop_at = pending.header("location").to_owned();
    house.engine.wake();
    let state = house.until(|| house.get(&shop_at), |answer| answer.status == 200).await.json();
    assert_eq!((state["refused"]["status"].as_u64(), state["accepted"].is_null()), (Some(409), true), "{state}");
    assert!(staff_at.starts_with("/mes/v1/commands/"), "{staff_at}");
    house.get(&staff_at).await.refused(401, "unauthenticated", "X-Staff");
    house.until(|| house.get_as("Ann;operator", &staff_at), |answer| answer.status == 200).await;
    house.get("/shop/v1/commands/7").await.refused_field(404, "unknown_command", "id", "is not a command's id");
}

#[tokio::test]
async fn nothing_is_accepted_while_the_log_is_away() {
    let house = House::new().await;
    let id = house.order("before").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    house.log.away(true);
    let away = house.call(create("k", ORDER)).await;
    let problem = away.refused(503, "unavailable", "Nothing was accepted; send the same request again");
    assert!(!problem.to_string().contains("broker-7"), "the log's own words stay inside: {problem}");
    assert_eq!(away.header("retry-after"), "2");
    house.post(&format!("/shop/v1/orders/{id}/cancel"), "{\"reason\":\"r\"}").await.refused(503, "unavailable", "Nothing was accepted");
    // Reads go on, and so does everything once the log is back.
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    house.log.away(false);
    house.call(create("k", ORDER)).await.expect(201);
    assert_eq!(house.log.count(Topic::Commands), 2);
}

#[tokio::test]
async fn what_the_log_did_not_confirm_is_not_called_refused() {
    let house = House::new().await;
    house.log.silent(true);
    let problem = house.call(create("k", ORDER)).await.refused(503, "unavailable", "it may be carried out or not");
    house.log.silent(false);
    // It was carried out: where the answer says, and for who sends it again.
    let detail = problem["detail"].as_str().expect("text");
    let place = detail.split(' ').find(|word| word.starts_with("/shop/v1/commands/")).expect("a place to ask");
    let told = house.until(|| house.get(place), |answer| answer.status == 200).await.json();
    let again = house.call(create("k", ORDER)).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(told["accepted"]["order_id"], again.json()["order_id"], "{told}");
}

#[tokio::test]
async fn what_axum_refuses_has_the_same_shape() {
    let house = House::new().await;
    house.get("/shop/v2/orders").await.refused(404, "unknown_route", "nothing at this address. /openapi.json lists");
    let wrong = house.call(axum::http::Request::delete("/shop/v1/orders").body(Body::empty()).expect("a request")).await;
    wrong.refused(405, "method_not_allowed", "does not take DELETE");
    assert_eq!(wrong.header("allow"), "POST");
    let id = house.order("k").await;
    let extra = get(&format!("/shop/v1/orders/{id}?colour=blue")).body(Body::empty()).expect("a request");
    house.call(extra).await.refused_field(
        422,
        "invalid",
        "colour",
        "is not a parameter of this address. Leave it out; known here: `wait_version`",
    );
    house.get(&format!("/shop/v1/orders/{id}?wait_version=soon")).await.refused_field(
        422,
        "invalid",
        "wait_version",
        "has a value that is not taken",
    );
    house.get("/shop/v1/orders/%ff").await.refused_field(404, "unknown_order", "id", "is not an order's id");
}

#[tokio::test]
async fn what_has_no_dry_run_is_not_done_for_one() {
    const LANE: &str = "/mes/v1/lanes/external";
    const HOOK: &str = r#"{"url":"http://127.0.0.1:9/"}"#;
    let words = "is not a parameter of this address. Leave it out; none is known here.";
    let house = House::new().await;
    let key = house.key("acme").await;
    let made = house.by(&key, "POST", "/partner/v1/webhooks", HOOK).await.expect(201).json();
    let hook = format!("/partner/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let before = house.by(&key, "GET", &hook, "").await.expect(200).json();
    for (method, path, body) in [
        ("POST", "/partner/v1/keys".to_owned(), ""),
        ("DELETE", format!("/partner/v1/keys/{}", &key[4..16]), ""),
        ("POST", "/partner/v1/webhooks".to_owned(), HOOK),
        ("PATCH", hook.clone(), r#"{"enabled":false}"#),
        ("POST", format!("{hook}/rotate"), ""),
        ("POST", format!("{hook}/test"), ""),
        ("POST", format!("{hook}/resend"), r#"{"since":"2026-01-01T00:00:00Z"}"#),
        ("DELETE", hook.clone(), ""),
    ] {
        house.by(&key, method, &format!("{path}?dry_run=true"), body).await.refused_field(422, "invalid", "dry_run", words);
    }
    let upload = axum::http::Request::post("/partner/v1/uploads?dry_run=true").header("authorization", format!("Bearer {key}"));
    let upload = upload.header("content-type", "model/stl").body(Body::from("solid")).expect("a request");
    house.call(upload).await.refused_field(422, "invalid", "dry_run", words);
    let turn = axum::http::Request::put(format!("{LANE}?dry_run=true")).header("x-staff", "Ada;admin");
    let turn = turn.header("content-type", "application/json").body(Body::from(r#"{"intake":"drain","reason":"r"}"#));
    house.call(turn.expect("a request")).await.refused_field(422, "invalid", "dry_run", words);
    // All is as it was, the key among it.
    assert_eq!(house.by(&key, "GET", &hook, "").await.expect(200).json(), before);
    for path in ["/partner/v1/keys", "/partner/v1/webhooks"] {
        assert_eq!(house.by(&key, "GET", path, "").await.expect(200).json()["items"].as_array().map(Vec::len), Some(1), "{path}");
    }
    assert_eq!(house.get_as("Ada;admin", LANE).await.expect(200).json()["intake"], "open");
}
