//! What does not move shows up by itself, and goes when it moves again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::roles::{House, PATIENCE, Role, http};

const STAFF: &[(&str, &str)] = &[("X-Staff", "Ann;operator")];

fn post(url: &str, path: &str, key: &str, body: &Value) -> Value {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let (status, answer) = http(url, "POST", path, &headers, body.to_string().as_bytes());
    assert!(matches!(status, 200 | 201), "{path}: {status} {answer}");
    serde_json::from_str(&answer).unwrap()
}

fn created(url: &str, key: &str) -> String {
    let order = json!({"customer": {"name": "Ada", "email": "ada@example.org"}, "item": {"material": "silver-925", "quantity": 1, "finish": "polished"}});
    post(url, "/shop/v1/orders", key, &order)["order_id"].as_str().unwrap().to_owned()
}

pub(crate) fn submitted(url: &str, key: &str) -> String {
    let id = created(url, key);
    let ring = json!({"inner_diameter_mm": 17.0, "width_mm": 4.0, "thickness_mm": 1.8, "profile": "flat"});
    post(url, &format!("/shop/v1/orders/{id}/model/ring"), &format!("{key}-model"), &ring);
    post(url, &format!("/shop/v1/orders/{id}/submit"), &format!("{key}-submit"), &json!({}));
    id
}

/// The open gaps: cause → orders.
fn open(url: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (status, answer) = http(url, "GET", "/mes/v1/gaps?limit=200", STAFF, b"");
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for gap in answer["items"].as_array().unwrap() {
        open.entry(gap["cause"].as_str().unwrap().into()).or_default().insert(gap["order_id"].as_str().unwrap_or_default().into());
    }
    open
}

fn until(up: &Role, what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", up.messages());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn orders_without_a_pricing_worker_show_up_and_clear_themselves_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    let limits = json!({"version": "short", "pricing_accept_ms": 300, "limits": {"pricing_ms": 1500}});
    std::fs::write(&policy, limits.to_string()).unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![("ATELIER_POLICY", policy.display().to_string())] };

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0", "--without", "pricing"]);
    let url = up.url();
    let waiting: BTreeSet<String> = (0..5).map(|number| submitted(&url, &format!("order-{number}"))).collect();
    // One that waits for its buyer, who has a month.
    let draft = created(&url, "draft");
    let wanted = BTreeMap::from([("no_acceptance".to_owned(), waiting.clone()), ("not_priced".to_owned(), waiting.clone())]);
    until(&up, "every order is named by its deadlines", || open(&url) == wanted);

    // The same beside the process that has the log, from the store.
    let listed = house.run(&["gaps", "--json"]);
    assert_eq!(listed.status.code(), Some(1), "{listed:?}");
    let gaps = json_of(&listed)["gaps"].as_array().unwrap().clone();
    assert_eq!(gaps.len(), 10);
    for gap in &gaps {
        assert!(gap["since"].as_str().unwrap() < gap["opened_at"].as_str().unwrap(), "{gap}");
        assert!(gap["expected_by"].as_str().unwrap() <= gap["opened_at"].as_str().unwrap(), "{gap}");
        assert!(gap["allowed"].as_array().unwrap().contains(&json!("quote")), "{gap}");
        assert!(gap["holder"].is_null(), "nobody had it: {gap}");
    }
    let of_one = house.run(&["gaps", "--order", waiting.first().unwrap(), "--cause", "no_acceptance"]);
    let text = String::from_utf8_lossy(&of_one.stdout).into_owned();
    assert!(text.contains("WHAT MAY BE DONE") && text.contains(waiting.first().unwrap()) && text.contains("quote"), "{text}");
    assert!(text.ends_with("1 open\n"), "{text}");
    assert_eq!(house.run(&["gaps", "--order", &draft]).status.code(), Some(0), "nothing is wrong with that one");
    assert!(up.end(), "{}", up.messages());

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    until(&up, "the gaps clear themselves", || open(&url).is_empty());
    let none = house.run(&["gaps"]);
    assert_eq!((none.status.code(), String::from_utf8_lossy(&none.stdout).as_ref()), (Some(0), "no gap is open\n"));
    let closed = json_of(&house.run(&["gaps", "--closed", "--json"]));
    for (cause, by) in [("no_acceptance", "PricingAccepted"), ("not_priced", "PriceCalculated")] {
        let gaps = closed["gaps"].as_array().unwrap().iter().filter(|gap| gap["cause"] == cause);
        let orders: BTreeSet<String> = gaps
            .inspect(|gap| assert!(gap["closed_by"] == by && gap["open_ms"].as_i64() > Some(0), "{gap}"))
            .map(|gap| gap["order_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(orders, waiting, "{cause}");
    }
    let replay = house.run(&["replay", "--type", "PriceCalculated"]);
    let lines = String::from_utf8_lossy(&replay.stdout).into_owned();
    let mut priced: Vec<String> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["order_id"].as_str().unwrap().to_owned()).collect();
    priced.sort();
    assert_eq!(priced, waiting.into_iter().collect::<Vec<_>>(), "each is priced once");
    let audit = house.run(&["audit"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    assert!(up.end(), "{}", up.messages());
}

/// A dead engine cannot report itself; whoever reads the ledger sees it all the same.
#[test]
fn a_deadline_that_passes_while_no_engine_is_there_shows_up_and_is_written_down_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, json!({"version": "short", "limits": {"draft_ms": 2000}}).to_string()).unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![("ATELIER_POLICY", policy.display().to_string())] };
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let order = created(&up.url(), "draft");
    // The read models see the last of it.
    assert!(up.end(), "{}", up.messages());

    let causes = |args: &[&str]| -> Vec<String> {
        let listed = house.run(args);
        let gaps = json_of(&listed)["gaps"].as_array().unwrap().clone();
        gaps.iter()
            .inspect(|gap| assert_eq!(gap["order_id"], order.as_str(), "{gap}"))
            .map(|gap| gap["cause"].as_str().unwrap().to_owned())
            .collect()
    };
    until(&up, "the silence shows up", || causes(&["gaps", "--json", "--grace-s", "1"]) == ["no_engine"]);
    let text = house.run(&["gaps", "--grace-s", "1", "--cause", "no_engine"]);
    assert_eq!(text.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&text.stdout).contains("no engine has decided anything in partition"), "{text:?}");

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    up.url();
    until(&up, "the engine says it itself", || causes(&["gaps", "--json", "--grace-s", "1"]) == ["waiting_for_buyer"]);
    assert!(up.end(), "{}", up.messages());
}

/// What the log says of a deadline is older than the policy in force; a dead engine would look the same.
#[test]
fn a_longer_limit_looks_like_a_dead_engine_until_the_engine_is_asked_anything() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    let limit = |version: &str, draft_ms: u32| {
        let next = folder.path().join("next.json");
        std::fs::write(&next, json!({"version": version, "limits": {"draft_ms": draft_ms}}).to_string()).unwrap();
        std::fs::rename(&next, &policy).unwrap();
    };
    limit("short", 10_000);
    let house = House { data: folder.path().to_owned(), settings: vec![("ATELIER_POLICY", policy.display().to_string())] };
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let order = created(&url, "draft");
    limit("long", 86_400_000);
    until(&up, "the policy is in force", || up.messages().contains("another policy is in force"));

    let gaps = || json_of(&house.run(&["gaps", "--json", "--grace-s", "1"]))["gaps"].as_array().unwrap().clone();
    until(&up, "nothing tells it from a dead engine", || gaps().iter().any(|gap| gap["cause"] == "no_engine"));
    let found = gaps();
    assert_eq!((found.len(), &found[0]["order_id"]), (1, &json!(order)));
    let asks = format!("`atelier repair {order} hold --reason asked`");
    assert!(found[0]["detail"].as_str().is_some_and(|detail| detail.contains(&asks)), "{found:?}");
    let asked = house.run(&["repair", &order, "hold", "--reason", "asked", "--url", &url]);
    assert!(asked.status.success() && String::from_utf8_lossy(&asked.stdout).contains("Nothing was changed"), "{asked:?}");
    until(&up, "its answer is enough", || gaps().is_empty());
    assert!(up.end(), "{}", up.messages());
}
