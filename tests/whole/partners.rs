//! A partner through the front door of the real program: keys from the command line, orders in one call, a
//! crash, the feed, and a key that is taken away.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::roles::{House, PATIENCE, Role, http};
use crate::servers::{Settings, on_servers};

const ORDERS: &str = "/partner/v1/orders";

/// A box of 10 × 10 × 2 mm as ASCII STL, in base64.
pub(crate) fn box_file() -> String {
    base64(box_stl().as_bytes())
}

/// The same as it is.
pub(crate) fn box_stl() -> String {
    let corner = |bits: usize| [(bits & 1) * 10, (bits >> 1 & 1) * 10, (bits >> 2 & 1) * 2];
    // Two triangles for each side, all seen from outside.
    let sides = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
    let mut text = String::from("solid box\n");
    for [a, b, c, d] in sides {
        for triangle in [[a, b, c], [a, c, d]] {
            text.push_str("facet normal 0 0 0\nouter loop\n");
            for [x, y, z] in triangle.map(corner) {
                writeln!(text, "vertex {x} {y} {z}").unwrap();
            }
            text.push_str("endloop\nendfacet\n");
        }
    }
    text.push_str("endsolid box\n");
    text
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

pub(crate) fn by(key: &str, url: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {key}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) =
        http(url, method, path, &[("Content-Type", "application/json"), ("Authorization", &authorization)], body.as_bytes());
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn until(up: &Role, what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", up.messages());
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn made(house: &House, args: &[&str]) -> Value {
    let output = house.run(args);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_partner_orders_catches_up_after_a_crash_and_loses_its_key() {
    through_a_crash(vec![]);
}

#[test]
fn a_partner_orders_and_catches_up_on_kafka_and_postgresql() {
    through_a_crash(on_servers("partners"));
}

fn through_a_crash(settings: Settings) {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings };
    let create = ["key", "create", "--partner", "acme", "--json"];
    let (first, second) = (made(&house, &create), made(&house, &create));
    let third = house.run(&create);
    assert!(!third.status.success() && String::from_utf8_lossy(&third.stderr).contains("revoke one of them first"), "{third:?}");
    let key = first["key"].as_str().unwrap();

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let order = |reference: &str, terms: Value| {
        json!({
            "reference": reference,
            "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
            "model": {"base64": box_file(), "format": "stl"},
            "terms": terms,
        })
    };
    let at_once = order("PO-1", json!({"approve": "at_once", "max_price": {"amount": "100000.00", "currency": "EUR"}}));
    let (status, placed) = by(key, &url, "POST", ORDERS, &at_once);
    assert_eq!(status, 201, "{placed}");
    let (status, quoted) = by(key, &url, "POST", ORDERS, &order("PO-2", json!({"approve": "quote"})));
    assert_eq!(status, 201, "{quoted}");
    let read = |url: &str, order: &Value| by(key, url, "GET", &format!("{ORDERS}/{}", order["order_id"].as_str().unwrap()), &Value::Null).1;
    until(&up, "a price within the limit is approved by itself", || read(&url, &placed)["status"] == "MANUFACTURING_APPROVED");
    until(&up, "the other price waits", || read(&url, &quoted)["status"] == "PRICE_CALCULATED");

    // The whole process dies, with the power as it were.
    up.kill_and_restart();
    let url = up.url();
    let mut again = (202, Value::Null);
    // On Kafka the partitions come back once the dead member's session is over; until then the answer is "not yet".
    until(&up, "the engine is back", || {
        again = by(key, &url, "POST", ORDERS, &at_once);
        again.0 != 202
    });
    assert_eq!(again, (201, placed.clone()), "the first answer again");
    let price = read(&url, &quoted)["price"].clone();
    let accept = format!("{ORDERS}/{}/accept", quoted["order_id"].as_str().unwrap());
    let (status, refused) = by(key, &url, "POST", &accept, &json!({"price": {"amount": "0.01", "currency": "EUR"}}));
    assert_eq!(status, 422, "{refused}");
    let (status, accepted) = by(key, &url, "POST", &accept, &json!({"price": {"amount": price["amount"], "currency": price["currency"]}}));
    assert_eq!((status, accepted["status"].as_str()), (200, Some("MANUFACTURING_APPROVED")), "{accepted}");

    // The feed has every change once, without a gap, across the crash.
    until(&up, "both orders come to their approval in the feed", || {
        let (_, feed) = by(key, &url, "GET", "/partner/v1/feed?limit=500", &Value::Null);
        let mut last: HashMap<String, (i64, i64, String)> = HashMap::new();
        for entry in feed["items"].as_array().unwrap() {
            let (version, sequence, status) = last.entry(entry["order_id"].to_string()).or_default();
            assert_eq!((entry["previous_version"].as_i64(), entry["sequence"].as_i64()), (Some(*version), Some(*sequence + 1)), "{entry}");
            *version = entry["version"].as_i64().unwrap();
            *sequence += 1;
            *status = entry["status"].as_str().unwrap().to_owned();
        }
        last.len() == 2 && last.values().all(|(.., status)| status == "MANUFACTURING_APPROVED")
    });

    // From the command line, beside the running process, and at once.
    let revoked = made(&house, &["key", "revoke", "--partner", "acme", first["key_id"].as_str().unwrap(), "--json"]);
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    assert_eq!(by(key, &url, "GET", ORDERS, &Value::Null).0, 401);
    assert_eq!(by(second["key"].as_str().unwrap(), &url, "GET", ORDERS, &Value::Null).0, 200);
    let keys = made(&house, &["key", "list", "--partner", "acme", "--json"]);
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "{keys}");
    assert!(up.end(), "{}", up.messages());
    for secret in [&first, &second].map(|made| made["key"].as_str().unwrap()[17..].to_owned()) {
        assert!(!up.messages().contains(&secret), "a key is in the log lines");
        assert!(!keys.to_string().contains(&secret));
        for file in ["partners.sqlite", "partners.sqlite-wal", "read-models.sqlite"] {
            let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
            assert!(!bytes.windows(20).any(|part| part == &secret.as_bytes()[..20]), "a secret is in {file}");
        }
    }
    let audit = house.run(&["audit"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
