//! A carrier that is quicker than the works: its message is kept across a crash, and closes the order once it is shipped.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::partners::{box_file, by, made};
use crate::roles::{House, PATIENCE, Role, http};
use crate::servers::{Settings, on_servers};

const SECRET: &str = "the carrier of the tests, a long secret";
const ORDERS: &str = "/partner/v1/orders";

/// Tells of a delivery as the carrier does: signed, with the id of the message.
fn told(url: &str, id: &str, tracking: &str) -> (u16, String) {
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let body = json!({"carrier": "dhl", "tracking": tracking, "status": "delivered", "delivered_at": "2026-01-02T03:04:05Z"}).to_string();
    let signature = hmac(&format!("{id}.{now_s}.{body}"));
    let time = now_s.to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", time.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    http(url, "POST", "/carrier/v1/deliveries", &headers, body.as_bytes())
}

/// By a program that is not ours.
fn hmac(text: &str) -> String {
    let script = format!("printf %s \"$TEXT\" | openssl dgst -sha256 -hmac '{SECRET}' -binary | base64");
    let output = Command::new("sh").args(["-c", &script]).env("TEXT", text).stdin(Stdio::null()).output().expect("sh exists");
    assert!(output.status.success(), "{output:?}");
    format!("v1,{}", String::from_utf8_lossy(&output.stdout).trim())
}

fn until(up: &Role, what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", up.messages());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_delivery_told_before_its_parcel_is_known_survives_a_crash_and_closes_the_order() {
    through_a_crash(vec![]);
}

#[test]
fn a_delivery_told_before_its_parcel_is_known_closes_the_order_on_kafka_and_postgresql() {
    through_a_crash(on_servers("parcels"));
}

fn through_a_crash(mut settings: Settings) {
    let folder = tempfile::tempdir().unwrap();
    settings.push(("ATELIER_CARRIER_SECRET", SECRET.into()));
    let house = House { data: folder.path().to_owned(), settings };
    let key = made(&house, &["key", "create", "--partner", "acme", "--json"]);
    let key = key["key"].as_str().unwrap();
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let order = json!({
        "reference": "PO-1",
        "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
        "model": {"base64": box_file(), "format": "stl"},
        "terms": {"approve": "at_once", "max_price": {"amount": "100000.00", "currency": "EUR"}},
    });
    let (status, placed) = by(key, &url, "POST", ORDERS, &order);
    assert_eq!(status, 201, "{placed}");
    let id = placed["order_id"].as_str().unwrap().to_owned();
    let (status, answer) = told(&url, "m1", "T1");
    assert!(status == 202 && answer.contains("waiting_for_parcel"), "{status} {answer}");
    up.kill_and_restart();
    let url = up.url();
    let gaps = || {
        let output = house.run(&["gaps", "--cause", "unknown_parcel", "--json"]);
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code(), listed["gaps"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(gaps(), (Some(1), 1), "what was confirmed is not forgotten");
    let status_of = |url: &str| by(key, url, "GET", &format!("{ORDERS}/{id}"), &Value::Null).1["status"].clone();
    until(&up, "approved", || status_of(&url) == "MANUFACTURING_APPROVED");
    let staff = [("X-Staff", "Ann;operator"), ("Content-Type", "application/json")];
    until(&up, "claimed", || http(&url, "POST", "/mes/v1/queue/claim", &staff, b"{}").0 == 200);
    for (step, body) in [("start", "{}"), ("complete", "{}"), ("pack", "{}"), ("ship", r#"{"carrier":"dhl","tracking":"T1"}"#)] {
        let (status, answer) = http(&url, "POST", &format!("/mes/v1/orders/{id}/{step}"), &staff, body.as_bytes());
        assert_eq!(status, 200, "{step}: {answer}");
    }
    until(&up, "closed by the message that waited", || status_of(&url) == "CLOSED");
    until(&up, "the gap is gone", || gaps() == (Some(0), 0));
    let (status, again) = told(&url, "m1", "T1");
    assert_eq!(status, 200, "{again}");
    // A parcel that never turns up: the gap is closed by hand, with a reason.
    let (status, answer) = told(&url, "m/2", "T9");
    assert_eq!((status, gaps()), (202, (Some(1), 1)), "{answer}");
    let dismiss = ["repair", "--parcel", "dhl/m/2", "--reason", "mistyped", "--staff", "vera", "--url", &url];
    let would = house.run(&dismiss);
    assert!(would.status.success() && String::from_utf8_lossy(&would.stdout).contains("parcel T9"), "{would:?}");
    assert_eq!(gaps(), (Some(1), 1), "a dry run changes nothing");
    let done = house.run(&[&dismiss[..], &["--apply"]].concat());
    assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("dismissed by vera"), "{done:?}");
    assert_eq!(gaps(), (Some(0), 0));
    let unknown = house.run(&["repair", "--parcel", "dhl/m3", "--reason", "mistyped", "--url", &url]);
    assert!(unknown.status.code() == Some(1) && String::from_utf8_lossy(&unknown.stderr).contains("No such message"), "{unknown:?}");
    assert!(up.end(), "{}", up.messages());
}
