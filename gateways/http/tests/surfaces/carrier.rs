//! Carriers' messages: believed when signed, done once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_http::{Secret, signature};
use atelier_log::Log;
use atelier_partners::{Keeping, Waiting};
use atelier_schemas::{Command, Framed, Topic, partition_of};
use axum::body::Body;
use axum::http::Request;
use uuid::Uuid;

use crate::house::{House, NOW_MS, get, post, secret};

const BODY: &str = r#"{"carrier":"dhl","tracking":"T1","status":"delivered","delivered_at":"2026-01-02T03:00:00Z"}"#;

fn message(secret: &Secret, id: &str, time_s: i64, body: &str) -> Request<Body> {
    let signed = signature::sign(secret, id, time_s, body.as_bytes());
    let head = post("/carrier/v1/deliveries").header("webhook-id", id).header("webhook-timestamp", time_s.to_string());
    head.header("webhook-signature", signed).body(Body::from(body.to_owned())).expect("a request")
}

fn recent(id: &str, body: &str) -> Request<Body> {
    message(&secret(), id, NOW_MS / 1000, body)
}

/// What the log has of a type of command.
fn commands(house: &House, kind: &str) -> Vec<Command> {
    let partitions = 0..house.log.partitions();
    let from: Vec<_> = partitions.clone().map(|partition| (partition, 0)).collect();
    let mut reader = house.log.read(Topic::Commands, &from).expect("the log is there");
    let mut found = Vec::new();
    while partitions.clone().any(|partition| reader.position(partition) < house.log.end(Topic::Commands, partition).expect("in memory")) {
        let records = reader.poll(1000, Duration::from_millis(10)).expect("in memory");
        found.extend(records.iter().map(|record| Command::decode(&record.payload).expect("the gateway writes commands")));
    }
    found.retain(|command| command.type_name == kind);
    found
}

async fn shipped(house: &House) -> Uuid {
    let id = house.order("a").await;
    ship(house, id, "T1").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200);
    id
}

async fn ship(house: &House, id: Uuid, tracking: &str) {
    let body = format!(r#"{{"carrier":"dhl","tracking":"{tracking}"}}"#);
    house.post_as("Ann;operator", &format!("/mes/v1/orders/{id}/ship"), &body).await.expect(200);
}

async fn closed(house: &House, id: Uuid) {
    let path = format!("/shop/v1/orders/{id}");
    house.until(|| house.get(&path), |answer| answer.json()["status"] == "CLOSED").await;
}

#[tokio::test]
async fn a_delivery_closes_its_order_once() {
    let house = House::new().await;
    let id = shipped(&house).await;
    let first = house.call(recent("m1", BODY)).await.expect(200);
    assert_eq!((first.id(), first.json()["status"].as_str()), (id, Some("CLOSED")));
    let events = house.log.count(Topic::Events);
    let again = house.call(recent("m1", BODY)).await.expect(200);
    assert_eq!((again.bytes, house.log.count(Topic::Events)), (first.bytes, events));
    house.call(recent("m2", BODY)).await.refused(409, "not_allowed", "not possible in this status");
}

#[tokio::test]
async fn a_carrier_is_told_of_its_own_commands_and_of_no_others_and_nobody_else_is() {
    let house = House::new().await;
    let id = shipped(&house).await;
    house.call(recent("m1", BODY)).await.expect(200);
    let path = |kind: &str| format!("/carrier/v1/commands/{}", commands(&house, kind)[0].command_id);
    let ask = |path: String, secret: Secret| {
        let time_s = NOW_MS / 1000;
        let head = get(&path).header("webhook-id", "q1").header("webhook-timestamp", time_s.to_string());
        house.call(head.header("webhook-signature", signature::sign(&secret, "q1", time_s, b"")).body(Body::empty()).expect("a request"))
    };
    let told = house.until(|| ask(path("DeliverOrder"), secret()), |answer| answer.status == 200).await.json();
    assert_eq!(
        (told["accepted"]["order_id"].as_str(), told["accepted"]["status"].as_str()),
        (Some(id.to_string().as_str()), Some("CLOSED"))
    );
    // What others asked for looks like what was never sent.
    for kind in ["CreateOrder", "ShipOrder"] {
        let hidden = ask(path(kind), secret()).await.expect(202).json();
        assert_eq!((hidden["decided"].as_bool(), hidden.get("accepted")), (Some(false), None), "{kind}");
    }
    house.get(&path("DeliverOrder")).await.refused_field(401, "unauthenticated", "webhook-id", "is missing");
    let other = Secret::parse("somebody else's secret, as long").expect("long enough");
    ask(path("DeliverOrder"), other).await.refused_field(401, "unauthenticated", "webhook-signature", "does not match");
}

#[tokio::test]
async fn a_message_that_is_not_believed_does_nothing() {
    let house = House::new().await;
    shipped(&house).await;
    let before = house.log.count(Topic::Commands);
    let now = NOW_MS / 1000;
    house.call(message(&secret(), "m1", now - 301, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-timestamp",
        "more than five minutes from our time",
    );
    house.call(message(&secret(), "m1", now + 301, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-timestamp",
        "more than five minutes",
    );
    let other = Secret::parse("somebody else's secret, as long").expect("long enough");
    house.call(message(&other, "m1", now, BODY)).await.refused_field(
        401,
        "unauthenticated",
        "webhook-signature",
        "does not match the message",
    );
    let mut changed = recent("m1", BODY);
    *changed.body_mut() = Body::from(BODY.replace("T1", "T2"));
    house.call(changed).await.refused_field(401, "unauthenticated", "webhook-signature", "does not match the message");
    for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut without = recent("m1", BODY);
        without.headers_mut().remove(header);
        house.call(without).await.refused_field(401, "unauthenticated", header, "is missing. Sign the message");
    }
    let mut odd = recent("m1", BODY);
    odd.headers_mut().insert("webhook-timestamp", "now".parse().expect("a value"));
    house.call(odd).await.refused_field(401, "unauthenticated", "webhook-timestamp", "Send seconds since 1970.");
    assert_eq!(house.log.count(Topic::Commands), before);

    let house = House::with(|config| config.carrier_secret = None).await;
    house.call(recent("m1", BODY)).await.refused(401, "unauthenticated", "No secret is agreed with a carrier here");
}

#[tokio::test]
async fn a_believed_message_can_still_be_wrong() {
    let house = House::new().await;
    shipped(&house).await;
    let mut dry = recent("m1", &BODY.replace("T1", "T9"));
    *dry.uri_mut() = "/carrier/v1/deliveries?dry_run=true".parse().expect("an address");
    let would = house.call(dry).await.expect(202).json();
    assert_eq!((would["state"].as_str(), would["dry_run"].as_bool()), (Some("waiting_for_parcel"), Some(true)));
    assert_eq!(house.accounts.waiting_deliveries(None, 1).await.expect("a store"), [], "nothing was kept");
    for (from, to, field, words) in [
        ("delivered\"", "lost\"", "status", "`delivered`"),
        ("2026-01-02T03:00:00Z", "yesterday", "delivered_at", "is not a time. Send RFC 3339"),
        ("2026-01-02T03:00:00Z", "2027-01-02T03:00:00Z", "delivered_at", "is in the future"),
        ("\"carrier\"", "\"van\":1,\"carrier\"", "van", "is not known"),
        ("dhl", "D H L", "carrier", "is not a name of ours"),
    ] {
        house.call(recent("m2", &BODY.replace(from, to))).await.refused_field(422, "invalid", field, words);
    }
    house.call(recent("m3", "{")).await.refused(400, "malformed", "is not JSON");
    house.call(recent("m4", &" ".repeat(70_000))).await.refused(413, "too_large", "65536 bytes");
}

#[tokio::test]
async fn a_message_that_comes_before_its_parcel_waits_for_it_as_a_gap_and_closes_the_order() {
    let house = House::new().await;
    house.follow_parcels();
    let id = house.order("a").await;
    let kept = house.call(recent("early", BODY)).await.expect(202).json();
    assert_eq!((kept["state"].as_str(), kept["tracking"].as_str()), (Some("waiting_for_parcel"), Some("T1")));
    assert_eq!(house.call(recent("early", BODY)).await.expect(202).json(), kept, "a repetition is the same message");
    // What is confirmed is forgotten by the carrier: another message under the same id may not be.
    for (from, to) in [("T1", "T2"), ("03:00:00Z", "02:00:00Z")] {
        let other = house.call(recent("early", &BODY.replace(from, to))).await;
        other.refused_field(422, "key_reused", "webhook-id", "was used before for another parcel");
    }
    let gaps = || house.get_as("Sue;seller", "/mes/v1/gaps?cause=unknown_parcel");
    let listed = gaps().await.expect(200).json();
    let gap = &listed["items"][0];
    assert_eq!((listed["items"].as_array().map(Vec::len), gap["holder"].as_str()), (Some(1), Some("dhl")));
    assert!(gap["detail"].as_str().is_some_and(|text| text.contains("T1")) && gap["order_id"].is_null(), "{gap}");
    // The parcel becomes known; nobody sends anything again.
    ship(&house, id, "T1").await;
    closed(&house, id).await;
    house.until(gaps, |answer| answer.json()["items"] == serde_json::json!([])).await;
    house.call(recent("early", BODY)).await.expect(200);
    house.call(recent("another", BODY)).await.refused(409, "not_allowed", "not possible in this status");
}

#[tokio::test]
async fn of_two_early_messages_about_one_parcel_one_closes_the_order_and_neither_stays() {
    let house = House::new().await;
    house.follow_parcels();
    let id = house.order("a").await;
    for message in ["m1", "m2"] {
        house.call(recent(message, BODY)).await.expect(202);
    }
    ship(&house, id, "T1").await;
    let gaps = || house.get_as("Sue;seller", "/mes/v1/gaps?cause=unknown_parcel");
    house.until(gaps, |answer| answer.json()["items"] == serde_json::json!([])).await;
    assert_eq!(house.get(&format!("/shop/v1/orders/{id}?wait_version=4")).await.expect(200).json()["status"], "CLOSED");
}

/// A message about a parcel as if it had come before anybody knew it, the `nth` of all.
async fn early(house: &House, nth: i64, tracking: &str) {
    let message = Waiting {
        carrier: "dhl".into(),
        message_id: format!("early-{tracking}"),
        tracking: tracking.into(),
        delivered_at: NOW_MS,
        received_at: NOW_MS + nth,
    };
    assert_eq!(house.accounts.keep_delivery(&message).await.expect("a store"), Keeping::Waits);
}

#[tokio::test]
async fn an_order_that_cannot_decide_is_asked_after_pauses_that_grow() {
    let house = House::new().await;
    let id = shipped(&house).await;
    house.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/hold"), r#"{"reason":"a complaint"}"#).await.expect(200);
    early(&house, 0, "T1").await;
    house.follow_parcels();
    let asked = || commands(&house, "DeliverOrder").into_iter().filter(|command| command.order_id == id).count();
    // Messages are looked at as they came: once one that came later than the first is told, a look at the first has ended,
    // and the pause has begun at what the clock says.
    let look_ended = |nth: i64| {
        let house = &house;
        async move {
            let other = house.order(&format!("other-{nth}")).await;
            let tracking = format!("T-{nth}");
            ship(house, other, &tracking).await;
            house.get(&format!("/shop/v1/orders/{other}?wait_version=2")).await.expect(200);
            early(house, nth, &tracking).await;
            closed(house, other).await;
        }
    };
    house.until(|| house.get("/healthz"), |_| asked() == 1).await;
    look_ended(1).await;
    house.clock.fetch_add(999, Ordering::SeqCst);
    look_ended(2).await;
    assert_eq!(asked(), 1);
    house.clock.fetch_add(1, Ordering::SeqCst);
    house.until(|| house.get("/healthz"), |_| asked() == 2).await;
    look_ended(3).await;
    house.clock.fetch_add(1_999, Ordering::SeqCst);
    look_ended(4).await;
    assert_eq!(asked(), 2);
    house.post_as("Sam;seller", &format!("/crm/v1/orders/{id}/resume"), r#"{"reason":"settled"}"#).await.expect(200);
    house.clock.fetch_add(1, Ordering::SeqCst);
    closed(&house, id).await;
}

#[tokio::test]
async fn a_partition_where_nobody_decides_gets_one_command_and_holds_up_no_other() {
    let house = House::with(|config| config.decide_limit = Duration::from_secs(2)).await;
    let partition = |id: Uuid| partition_of(&id, house.log.partitions());
    let (mut same, mut other) = (Vec::new(), None);
    for number in 0.. {
        let id = house.order(&format!("order-{number}")).await;
        ship(&house, id, &format!("T{number}")).await;
        house.get(&format!("/shop/v1/orders/{id}?wait_version=2")).await.expect(200);
        match same.first() {
            Some((_, first)) if partition(id) != partition(*first) => other = other.or(Some((number, id))),
            _ if same.len() < 3 => same.push((number, id)),
            _ => {}
        }
        if same.len() == 3 && other.is_some() {
            break;
        }
    }
    let (last, elsewhere) = other.expect("one in another partition");
    for (nth, (number, _)) in (0..).zip(&same) {
        early(&house, nth, &format!("T{number}")).await;
    }
    early(&house, 10, &format!("T{last}")).await;
    house.engine.sleep();
    house.follow_parcels();
    house.until(|| house.get("/healthz"), |_| commands(&house, "DeliverOrder").iter().any(|command| command.order_id == elsewhere)).await;
    let asked: Vec<Uuid> = commands(&house, "DeliverOrder").into_iter().map(|command| command.order_id).collect();
    assert_eq!((asked.len(), asked.contains(&same[0].1)), (2, true), "{asked:?}");
    house.engine.wake();
    house.clock.fetch_add(2_000, Ordering::SeqCst);
    for (_, id) in same {
        closed(&house, id).await;
    }
}

#[tokio::test]
async fn a_message_whose_parcel_never_turns_up_is_dismissed_by_an_administrator_with_a_reason() {
    let house = House::new().await;
    let message = "no/number of ours?";
    let path = "/crm/v1/parcels/dhl/no%2Fnumber%20of%20ours%3F/dismiss";
    let typed = Waiting {
        carrier: "dhl".into(),
        message_id: message.into(),
        tracking: "T1".into(),
        delivered_at: 1_767_322_800_000,
        received_at: NOW_MS,
    };
    assert_eq!(house.accounts.keep_delivery(&typed).await.expect("a store"), Keeping::Waits);
    let gaps = async |staff: &str| house.get_as(staff, "/mes/v1/gaps?cause=unknown_parcel").await.expect(200).json()["items"].clone();
    let (seen, seen_by_all) = (gaps("Vera;admin").await, gaps("Sue;seller").await);
    assert_eq!((&seen[0]["allowed"], &seen_by_all[0]["allowed"]), (&serde_json::json!(["dismiss"]), &serde_json::json!([])));
    assert!(seen[0]["detail"].as_str().is_some_and(|text| text.contains(&format!("--parcel dhl/{message} --reason"))), "{seen}");

    let body = r#"{"reason":"mistyped, says the carrier"}"#;
    house.post_as("Sue;seller", path, body).await.refused_field(403, "forbidden", "X-Staff", "needs the role admin");
    house.post_as("Vera;admin", path, r#"{"reason":" "}"#).await.refused_field(422, "invalid", "reason", "is empty");
    house.post_as("Vera;admin", "/crm/v1/parcels/dhl/m9/dismiss", body).await.refused(404, "unknown_message", "No such message waits");
    let would = house.post_as("Vera;admin", &format!("{path}?dry_run=true"), body).await.expect(200).json();
    assert_eq!((would["dry_run"].as_bool(), gaps("Sue;seller").await), (Some(true), seen_by_all));
    let done = house.post_as("Vera;admin", path, body).await.expect(200).json();
    assert_eq!((done["tracking"].as_str(), done["by"].as_str(), done.get("dry_run")), (Some("T1"), Some("Vera"), None));
    assert_eq!(gaps("Sue;seller").await, serde_json::json!([]));
    let again = house.post_as("Bea;admin", path, r#"{"reason":"me too"}"#).await.expect(200).json();
    assert_eq!(again, done, "as it was decided first");
    let (kept, record) = house.accounts.delivery("dhl", message).await.expect("a store").expect("on record");
    assert_eq!((kept, record.map(|record| record.reason)), (typed, Some("mistyped, says the carrier".into())));
}

#[tokio::test]
async fn a_dismissed_message_is_still_confirmed_and_closes_its_order_when_it_is_repeated() {
    let house = House::new().await;
    house.call(recent("m1", BODY)).await.expect(202);
    house.post_as("Vera;admin", "/crm/v1/parcels/dhl/m1/dismiss", r#"{"reason":"mistyped"}"#).await.expect(200);
    assert_eq!(house.call(recent("m1", BODY)).await.expect(202).json()["state"], "dismissed");
    let id = shipped(&house).await;
    assert_eq!(house.call(recent("m1", BODY)).await.expect(200).id(), id);
}
