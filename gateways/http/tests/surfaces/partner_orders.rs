//! Partners' orders: one call, the same again, amended, accepted, listed, caught up with.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atelier_schemas::Topic;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::house::{Answer, House};
use crate::partner::{FILE, order, request};

const ORDERS: &str = "/partner/v1/orders";

#[tokio::test]
async fn one_call_orders_and_the_same_call_again_is_the_same_order() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let first = house.by(&key, "POST", ORDERS, &order("PO-1").to_string()).await.expect(201);
    let id = first.id();
    assert_eq!(first.json()["status"], "SUBMITTED");
    assert_eq!(first.header("location"), format!("{ORDERS}/{id}"));
    assert_eq!(first.header("etag"), format!("\"{}\"", first.json()["version"]));
    let events = house.log.count(Topic::Events);
    for _ in 0..2 {
        let again = house.by(&key, "POST", ORDERS, &order("PO-1").to_string()).await.expect(201);
        assert_eq!(again.bytes, first.bytes, "to the byte");
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    // The same file sent another way is the same payload.
    let upload = Request::post("/partner/v1/uploads").header("authorization", format!("Bearer {key}")).header("content-type", "model/stl");
    let uploaded = house.call(upload.body(Body::from("solid ring\n")).expect("a request")).await.expect(201).json();
    let mut by_upload = order("PO-1");
    by_upload["model"] = json!({"upload_id": uploaded["upload_id"]});
    assert_eq!(house.by(&key, "POST", ORDERS, &by_upload.to_string()).await.expect(201).bytes, first.bytes);
    assert_eq!(house.log.count(Topic::Events), events, "nothing happened twice");
    let mut expecting = request("POST", ORDERS, &key, &order("PO-2").to_string());
    expecting.headers_mut().insert("if-match", "\"3\"".parse().expect("a value"));
    house.call(expecting).await.refused_field(400, "malformed", "If-Match", "a new order has no version yet");
    // The read model knows the order by now, or not yet: another payload is refused in both cases.
    for change in [
        json!({"item": {"material": "silver-925", "quantity": 2, "finish": "polished"}}),
        json!({"customer": {"name": "Jane Roe", "email": "jane@example.org"}}),
        json!({"model": {"base64": "c29saWQgYmFuZAo=", "format": "stl"}}),
        json!({"terms": {"approve": "at_once", "max_price": {"amount": "9.00", "currency": "EUR"}}}),
    ] {
        let mut other = order("PO-1");
        other.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        house.by(&key, "POST", ORDERS, &other.to_string()).await.refused_field(422, "key_reused", "reference", "another payload");
    }
    assert_eq!(house.log.count(Topic::Events), events);
}

#[tokio::test]
async fn a_call_that_broke_off_between_two_steps_goes_on_where_it_stopped() {
    let house = House::with(|config| config.decide_limit = std::time::Duration::from_millis(50)).await;
    let key = house.key("acme").await;
    house.engine.sleep();
    let pending = house.by(&key, "POST", ORDERS, &order("PO-1").to_string()).await.expect(202);
    let asked = pending.header("location").to_owned();
    assert!(asked.starts_with("/partner/v1/commands/"), "{asked}");
    house.engine.wake();
    let body = order("PO-1").to_string();
    let finished = house.eventually(&key, "POST", ORDERS, &body, |answer| answer.status == 201).await;
    assert_eq!((finished.json()["status"].as_str(), finished.id()), (Some("SUBMITTED"), pending.id()));
    let decided = house.eventually(&key, "GET", &asked, "", |answer| answer.status == 200).await.json();
    assert_eq!(decided["accepted"]["status"], "INITIATED");
    // Of another partner's command nothing is said.
    let other = house.key("other").await;
    assert_eq!(house.by(&other, "GET", &asked, "").await.expect(202).json()["decided"], false);
}

#[tokio::test]
async fn an_order_comes_in_parts_too() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let mut json = order("PO-1");
    json.as_object_mut().expect("an object").remove("model");
    let send = |parts: &[String], boundary: &str| {
        let request = Request::post(ORDERS).header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", format!("multipart/form-data{boundary}"));
        house.call(request.body(Body::from(format!("{}--b--\r\n", parts.concat()))).expect("a request"))
    };
    let (order_part, file) = (part("order", "application/json", &json.to_string()), part("model", "model/stl", "solid ring\n"));
    let placed = send(&[order_part.clone(), file.clone()], "; boundary=b").await.expect(201);
    assert_eq!(house.placed(&key, "PO-1").await, placed.id(), "the same payload, whatever it came in");
    for (parts, field, words) in [
        (vec![file.clone(), order_part.clone()], "order", "is not the first part"),
        (vec![order_part.clone()], "model", "is not the second part"),
        (vec![order_part.clone(), part("file", "model/stl", "x")], "model", "is not the second part"),
        (vec![order_part.clone(), file.clone(), file.clone()], "body", "more than two parts"),
        (vec![order_part.clone(), part("model", "model/stl", "")], "body", "is empty"),
        (vec![part("order", "application/json", &order("PO-2").to_string()), file.clone()], "model", "comes twice"),
    ] {
        send(&parts, "; boundary=b").await.refused_field(422, "invalid", field, words);
    }
    send(&[order_part.clone(), part("model", "text/plain", "x")], "; boundary=b").await.refused_field(
        415,
        "unsupported_media_type",
        "Content-Type",
        "model/stl",
    );
    send(&[order_part.clone(), file.clone()], "").await.refused_field(400, "malformed", "Content-Type", "boundary");
    send(&[order_part[..40].to_owned()], "; boundary=b").await.refused(400, "malformed", "parts");
    let long = part("order", "application/json", &" ".repeat(70_000));
    send(&[long, file], "; boundary=b").await.refused(413, "too_large", "`order`");
}

#[tokio::test]
async fn bodies_are_taken_as_documented_and_no_other_way() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let with = |name: &str, value: Value| {
        let mut body = order("PO-1");
        body[name] = value;
        body.to_string()
    };
    let events = house.log.count(Topic::Events);
    for (body, field, words) in [
        (with("reference", json!("")), "reference", "is empty"),
        (with("reference", json!(" PO")), "reference", "begins or ends with a space"),
        (with("reference", json!("a\u{0}b")), "reference", "control characters"),
        (with("reference", json!("x".repeat(101))), "reference", "longer than 100"),
        (with("reference", json!(7)), "reference", "wrong type"),
        (with("item", json!([["silver-925", 1, "polished"]])), "item", "wrong type"),
        (with("item", json!(null)), "item", "wrong type"),
        (with("model", json!(["a", "b", "c"])), "model", "wrong type"),
        (with("model", json!({})), "model", "is not one file"),
        (with("model", json!(null)), "model", "is missing"),
        (with("model", json!({"base64": FILE})), "model.format", "is missing"),
        (with("model", json!({"base64": FILE, "format": "exe"})), "model.format", "no format"),
        (with("model", json!({"base64": "%%%", "format": "stl"})), "model.base64", "is not base64"),
        (with("model", json!({"base64": "", "format": "stl"})), "model.base64", "no length"),
        (with("model", json!({"upload_id": uuid::Uuid::from_u128(1)})), "model.upload_id", "no upload of yours"),
        (with("model", json!({"upload_id": uuid::Uuid::from_u128(1), "base64": FILE, "format": "stl"})), "model", "is not one file"),
        (with("terms", json!({"approve": "at_once"})), "terms.max_price", "is missing"),
        (with("terms", json!({"approve": "quote", "max_price": {"amount": "1.00", "currency": "EUR"}})), "terms.max_price", "at_once"),
        (with("terms", json!({"approve": "at_once", "max_price": {"amount": "1", "currency": "USD"}})), "terms.max_price.amount", ""),
        (with("terms", json!("quote")), "terms", "wrong type"),
        (with("customer", json!({"name": "Jane", "email": "nowhere"})), "customer.email", "e-mail"),
        (with("channel", json!("shop")), "channel", "is not known"),
        (with("client", json!("other")), "client", "is not known"),
    ] {
        let answer = house.by(&key, "POST", ORDERS, &body).await;
        answer.refused_field(422, "invalid", field, words);
        assert!(!answer.text().contains("nowhere"), "what was sent is not repeated");
    }
    let too_long = format!("{{\"reference\":\"{}\"}}", "x".repeat(1_600_000));
    house.by(&key, "POST", ORDERS, &too_long).await.refused(413, "too_large", "longer than");
    house
        .call(Request::post(ORDERS).header("authorization", format!("Bearer {key}")).body(Body::from("{}")).expect("a request"))
        .await
        .refused_field(415, "unsupported_media_type", "Content-Type", "multipart/form-data");
    assert_eq!(house.log.count(Topic::Events), events);
    // Another partner's upload is none.
    let other = house.key("other").await;
    let upload =
        Request::post("/partner/v1/uploads").header("authorization", format!("Bearer {other}")).header("content-type", "model/stl");
    let uploaded = house.call(upload.body(Body::from("solid")).expect("a request")).await.expect(201).json();
    house.by(&key, "POST", ORDERS, &with("model", json!({"upload_id": uploaded["upload_id"]}))).await.refused_field(
        422,
        "invalid",
        "model.upload_id",
        "no upload of yours",
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_keeps_nothing() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let dry = house.by(&key, "POST", &format!("{ORDERS}?dry_run=true"), &order("PO-1").to_string()).await.expect(200).json();
    assert_eq!((dry["dry_run"].as_bool(), dry["events"].clone()), (Some(true), json!(["OrderCreated"])));
    assert_eq!(house.log.count(Topic::Events), 0);
    // Nor of one that is in already: the read model knows it, and nothing would happen.
    let id = house.placed(&key, "PO-1").await;
    house.told(&key, 3).await;
    let events = house.log.count(Topic::Events);
    let again = house.by(&key, "POST", &format!("{ORDERS}?dry_run=true"), &order("PO-1").to_string()).await.expect(200);
    assert_eq!((again.header("etag"), again.header("idempotent-replayed")), ("", ""));
    assert_eq!((again.id(), again.json()["dry_run"].as_bool(), again.json().get("events")), (id, Some(true), None));
    assert_eq!(house.log.count(Topic::Events), events);
}

/// A part's head and a body, as they are sent.
fn part(name: &str, kind: &str, body: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{body}\r\n")
}

/// An order in parts, whose body is what comes.
fn in_parts(key: &str, body: Body) -> Request<Body> {
    let request = Request::post(ORDERS).header("authorization", format!("Bearer {key}"));
    request.header("content-type", "multipart/form-data; boundary=b").body(body).expect("a request")
}

fn order_part(reference: &str) -> String {
    let mut json = order(reference);
    json.as_object_mut().expect("an object").remove("model");
    part("order", "application/json", &json.to_string())
}

#[tokio::test]
async fn parts_that_never_begin_are_not_kept() {
    const CHUNK: usize = 8 * 1024;
    let house = House::new().await;
    let key = house.key("acme").await;
    let begun = "--b\r\nX-Long: ".to_owned();
    for head in [String::new(), begun.clone(), order_part("PO-1") + &begun] {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let noise = futures::stream::repeat_with(move || {
            counted.fetch_add(CHUNK, Ordering::SeqCst);
            Ok::<_, io::Error>(Bytes::from_static(&[b'x'; CHUNK]))
        });
        // It would end at some time; whoever keeps all of it till then is found out.
        let body = futures::stream::iter([Ok(Bytes::from(head.clone()))]).chain(noise.take(1000));
        house.call(in_parts(&key, Body::from_stream(body))).await.refused(413, "too_large", "65536 bytes came without content of a part");
        assert!(taken.load(Ordering::SeqCst) <= 128 * 1024, "{} bytes after {head:?}", taken.load(Ordering::SeqCst));
    }
    let long = Request::post(ORDERS).header("authorization", format!("Bearer {key}"));
    let long = long.header("content-type", format!("multipart/form-data; boundary={}", "b".repeat(300)));
    house.call(long.body(Body::empty()).expect("a request")).await.refused_field(400, "malformed", "Content-Type", "boundary");
    // A file is content, however long and in whatever pieces it comes.
    let file = part("model", "model/stl", &"solid ring\n".repeat(100_000));
    let whole = format!("{}{file}--b--\r\n", order_part("PO-2"));
    house.call(in_parts(&key, Body::from(whole.clone()))).await.expect(201);
    let pieces: Vec<_> = whole.as_bytes().chunks(1000).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))).collect();
    let again = house.call(in_parts(&key, Body::from_stream(futures::stream::iter(pieces)))).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn no_file_is_taken_for_an_order_there_is_no_room_for() {
    const SHA256: &str = "638cf7af928c6581b566d2945bfe830eca34ffcee316011e848dee36ca631cd1";
    let house = House::with(|config| config.body_idle_limit = Duration::from_secs(2)).await;
    let key = house.key("acme").await;
    house.accounts.turn_lane(atelier_partners::Intake::Drain, "r", "Ada", 1).await.expect("turned");
    house.by(&key, "POST", ORDERS, &order("PO-1").to_string()).await.refused(503, "intake_paused", "Nothing was accepted");
    assert!(house.blobs.get(SHA256).await.is_err());
    // A file that never ends: whoever waits for it says so.
    let begun =
        format!("{}--b\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Type: model/stl\r\n\r\nsolid", order_part("PO-1"));
    let endless = futures::stream::iter([Ok::<_, io::Error>(Bytes::from(begun))]).chain(futures::stream::pending());
    house.call(in_parts(&key, Body::from_stream(endless))).await.refused(503, "intake_paused", "Nothing was accepted");
    house.accounts.turn_lane(atelier_partners::Intake::Open, "r", "Ada", 2).await.expect("turned");
    house.placed(&key, "PO-1").await;
    house.blobs.get(SHA256).await.expect("stored");
}

#[tokio::test]
async fn a_price_is_accepted_and_an_order_amended() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let id = house.placed(&key, "PO-1").await;
    let path = format!("{ORDERS}/{id}");
    let gold = r#"{"item":{"material":"gold-585","quantity":2,"finish":"matte"}}"#;
    house.told(&key, 3).await;
    let amended = house.by(&key, "PATCH", &path, gold).await.expect(200).json();
    assert_eq!(amended["status"], "SUBMITTED");
    for (body, field) in [("{}", "body"), (r#"{"item":null,"model":null}"#, "body"), (r#"{"reference":"other"}"#, "reference")] {
        house.by(&key, "PATCH", &path, body).await.refused_field(422, "invalid", field, "");
    }
    let stale = request("PATCH", &path, &key, gold);
    let (mut parts, body) = stale.into_parts();
    parts.headers.insert("if-match", "\"1\"".parse().expect("a tag"));
    house.call(Request::from_parts(parts, body)).await.refused(412, "version", "moved on");
    let quote = r#"{"price":{"amount":"123.40","currency":"EUR"},"reason":"by hand"}"#;
    house.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/quote"), quote).await.expect(200);
    let read = house.eventually(&key, "GET", &path, "", |answer| answer.json()["price"].is_object()).await;
    assert_eq!(read.json()["allowed"], json!(["accept", "amend", "cancel"]));
    let version = read.json()["version"].as_i64().expect("a version");
    let tagged = Request::get(&path).header("authorization", format!("Bearer {key}")).header("if-none-match", read.header("etag"));
    house.call(tagged.body(Body::empty()).expect("a request")).await.expect(304);
    let accepted = house.by(&key, "POST", &format!("{path}/accept"), r#"{"price":{"amount":"123.40","currency":"EUR"}}"#).await.expect(200);
    assert_eq!(accepted.json()["status"], "MANUFACTURING_APPROVED");
    let waited = house.by(&key, "GET", &format!("{path}?wait_version={}", version + 1), "").await.expect(200).json();
    assert_eq!((waited["status"].as_str(), waited["version"].as_i64()), (Some("MANUFACTURING_APPROVED"), Some(version + 1)));
    house.by(&key, "PATCH", &path, gold).await.refused(409, "not_allowed", "");
}

#[tokio::test]
async fn lists_and_the_feed_tell_the_same() {
    let house = House::new().await;
    let key = house.key("acme").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(house.placed(&key, &format!("PO-{number}")).await);
        house.clock.fetch_add(1000, std::sync::atomic::Ordering::SeqCst);
    }
    house.by(&key, "POST", &format!("{ORDERS}/{}/cancel", ids[1]), r#"{"reason":"not wanted"}"#).await.expect(200);
    let all = |path: &'static str, count: usize| {
        let (house, key) = (&house, &key);
        async move {
            let whole = |answer: &Answer| answer.json()["items"].as_array().is_some_and(|items| items.len() == count);
            house.eventually(key, "GET", path, "", whole).await.json()
        }
    };
    let listed = all("/partner/v1/orders?limit=200", 3).await;
    assert_eq!(listed["items"][0]["order_id"], ids[2].to_string(), "newest first");
    assert_eq!(all("/partner/v1/orders?status=CANCELLED", 1).await["items"][0]["reference"], "PO-1");
    assert_eq!(all("/partner/v1/orders?reference=PO-0", 1).await["items"][0]["order_id"], ids[0].to_string());
    all("/partner/v1/orders?created_since=2026-01-02T03:04:06Z", 2).await;
    let changed = all("/partner/v1/orders?updated_since=2026-01-02T03:04:05Z", 3).await;
    assert_eq!(changed["items"][2]["reference"], "PO-1", "the last change last");
    for (query, field) in [("created_since=yesterday", "created_since"), ("wat=1", "wat"), ("cursor=x", "cursor"), ("limit=x", "limit")] {
        house.by(&key, "GET", &format!("{ORDERS}?{query}"), "").await.refused_field(422, "invalid", field, "");
    }
    // Created, model attached, submitted: three changes of each order; one of them cancelled.
    let feed = all("/partner/v1/feed?limit=500", 10).await;
    let mut versions = std::collections::HashMap::new();
    for entry in feed["items"].as_array().expect("entries") {
        let (last, sequence) = versions.entry(entry["order_id"].to_string()).or_insert((0, 0));
        assert_eq!((entry["previous_version"].as_i64(), entry["sequence"].as_i64()), (Some(*last), Some(*sequence + 1)), "{entry}");
        (*last, *sequence) = (entry["version"].as_i64().expect("a version"), *sequence + 1);
    }
    let next = feed["next"].as_str().expect("a cursor").to_owned();
    assert_eq!(house.by(&key, "GET", &format!("/partner/v1/feed?cursor={next}"), "").await.expect(200).json()["items"], json!([]));
    for (query, field) in
        [("cursor=%00", "cursor"), ("cursor=f0.zz", "cursor"), ("limit=0", "limit"), ("limit=501", "limit"), ("wait_s=31", "wait_s")]
    {
        house.by(&key, "GET", &format!("/partner/v1/feed?{query}"), "").await.refused_field(422, "invalid", field, "");
    }
    // Somebody who waits is told.
    let waiting = format!("/partner/v1/feed?cursor={next}&wait_s=30");
    let cancel = format!("{ORDERS}/{}/cancel", ids[0]);
    let (told, _) = tokio::join!(house.by(&key, "GET", &waiting, ""), house.by(&key, "POST", &cancel, r#"{"reason":"r"}"#));
    assert_eq!(told.expect(200).json()["items"][0]["status"], "CANCELLED");
    // And one who lost count finds out.
    let beliefs = json!({"orders": [
        {"order_id": ids[0], "version": 1}, {"reference": "PO-1", "version": 999}, {"reference": "nobody's", "version": 1}
    ], "since": "2026-01-01T00:00:00Z"});
    let found = house.by(&key, "POST", "/partner/v1/reconcile", &beliefs.to_string()).await.expect(200).json();
    assert_eq!(found["differing"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(found["unknown"], json!([{"reference": "nobody's", "version": 1}]));
    assert_eq!(found["missing"][0]["reference"], "PO-2");
    for (body, field) in [
        (json!({"orders": [{"version": 1}]}), "orders[0]"),
        (json!({"orders": [], "since": "then"}), "since"),
        (json!({"orders": vec![json!({"reference": "a", "version": 1}); 1001]}), "orders"),
    ] {
        house.by(&key, "POST", "/partner/v1/reconcile", &body.to_string()).await.refused_field(422, "invalid", field, "");
    }
}
