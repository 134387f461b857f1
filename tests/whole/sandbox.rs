//! A partner tries things out on the real program: priced like any other order, played to its end, and never at the works.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::partners::{box_file, by, made};
use crate::roles::{House, PATIENCE, http};
use crate::servers::{Settings, on_servers};

const ORDERS: &str = "/partner/v1/orders";

#[test]
fn an_order_of_the_sandbox_is_priced_and_played_and_the_house_does_not_see_it() {
    played(vec![]);
}

#[test]
fn an_order_of_the_sandbox_is_played_on_kafka_and_postgresql() {
    played(on_servers("sandbox"));
}

fn played(settings: Settings) {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings };
    let sandbox = made(&house, &["key", "create", "--partner", "acme", "--sandbox", "--json"]);
    assert_eq!(sandbox["sandbox"], json!(true));
    let live = made(&house, &["key", "create", "--partner", "acme", "--json"]);
    let (sandbox, live) = (sandbox["key"].as_str().unwrap(), live["key"].as_str().unwrap());
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
    let at_once = json!({"approve": "at_once", "max_price": {"amount": "100000.00", "currency": "EUR"}});
    let id = |placed: &Value| placed["order_id"].as_str().unwrap().to_owned();
    let (status, placed) = by(sandbox, &url, "POST", ORDERS, &order("PO-1", at_once));
    assert_eq!(status, 201, "{placed}");
    let (_, quoted) = by(sandbox, &url, "POST", ORDERS, &order("PO-2", json!({"approve": "quote"})));
    let (played, waiting) = (id(&placed), id(&quoted));
    let status_of = |order: &str| by(sandbox, &url, "GET", &format!("{ORDERS}/{order}"), &Value::Null).1["status"].clone();
    let until = |what: &str, seen: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !seen() {
            assert!(started.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("priced and approved", &|| status_of(&played) == "MANUFACTURING_APPROVED");
    until("priced", &|| status_of(&waiting) == "PRICE_CALCULATED");

    // Nobody at the works is given it, and no key of the other kind finds it.
    let operator = [("X-Staff", "Ann;operator"), ("Content-Type", "application/json")];
    let (status, answer) = http(&url, "POST", "/mes/v1/queue/claim", &operator, b"{}");
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = http(&url, "POST", &format!("/mes/v1/orders/{played}/start"), &operator, b"{}");
    assert!(status == 409 && answer.contains("sandbox_order"), "{status} {answer}");
    assert_eq!(by(live, &url, "GET", &format!("{ORDERS}/{played}"), &Value::Null).0, 404);

    let advance = format!("/partner/v1/sandbox/orders/{played}/advance");
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let (status, advanced) = by(sandbox, &url, "POST", &advance, &json!({"to": "next"}));
        assert_eq!(status, 200, "{advanced}");
        statuses.push(advanced["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(statuses, ["MANUFACTURING_APPROVED", "MANUFACTURING_STARTED", "MANUFACTURING_COMPLETED", "PACKAGING", "SHIPPED", "CLOSED"]);
    let (status, refused) = by(live, &url, "POST", &advance, &json!({"to": "next"}));
    assert_eq!(status, 404, "{refused}");

    // A hundred days pass for the other one: all its deadlines are missed, in their order, and nobody in the house is told.
    let clock = format!("/partner/v1/sandbox/orders/{waiting}/clock");
    let (status, later) = by(sandbox, &url, "POST", &clock, &json!({"by_seconds": 8_640_000}));
    assert_eq!(status, 200, "{later}");
    let missed = || {
        let events = house.run(&["replay", "--order", &waiting, "--type", "DeadlineMissed", "--format", "jsonl"]);
        let text = String::from_utf8_lossy(&events.stdout).into_owned();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["action"].clone()).collect::<Vec<_>>()
    };
    until("its deadlines are missed", &|| missed() == [json!("attention"), json!("escalate"), json!("late")]);
    let gaps = house.run(&["gaps"]);
    assert!(gaps.status.success(), "{}", String::from_utf8_lossy(&gaps.stdout));
    let (_, attention) = http(&url, "GET", "/crm/v1/attention", &[("X-Staff", "Sue;seller")], b"");
    assert!(attention.contains("\"items\":[]"), "{attention}");
    assert!(up.end(), "{}", up.messages());
    let audit = house.run(&["audit"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
