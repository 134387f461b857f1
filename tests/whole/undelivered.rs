//! Messages that do not arrive: a gap until they do; and what the audit says when one is gone.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atelier_support::Postgres;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::partner_side::{Partner, start_receiver};
use crate::roles::{House, PATIENCE, Role, http};

const ORDERS: u32 = 4;

fn until(up: &Role, what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", up.messages());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The answer of a tool in JSON, with its exit code.
fn told(house: &House, args: &[&str]) -> (i32, Value) {
    let output = house.run(args);
    let code = output.status.code().unwrap();
    assert!(code < 2, "{}", String::from_utf8_lossy(&output.stderr));
    (code, serde_json::from_slice(&output.stdout).unwrap())
}

fn gaps(house: &House) -> (i32, Vec<Value>) {
    let (code, answer) = told(house, &["gaps", "--cause", "webhook_undelivered", "--json"]);
    (code, answer["gaps"].as_array().unwrap().clone())
}

/// The orders for which sellers are told that a message does not arrive.
fn attention(url: &str) -> Vec<String> {
    let (status, answer) = http(url, "GET", "/crm/v1/attention?limit=200", &[("X-Staff", "nora;seller")], b"");
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let concerned = |order: &&Value| order["gaps"].as_array().unwrap().contains(&json!("webhook_undelivered"));
    answer["items"].as_array().unwrap().iter().filter(concerned).map(|order| order["order_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_message_that_does_not_arrive_is_a_gap_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let settings = vec![("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".to_owned()), ("ATELIER_WEBHOOK_LATE_S", "1".to_owned())];
    let house = House { data: folder.path().to_owned(), settings };
    let (seen, receiver) = start_receiver();
    let mut roles = vec![house.start("up", &["up", "--listen", "127.0.0.1:0"])];
    let url = roles[0].url();
    let partner = Partner::new(&house, "north", url.clone());
    assert_eq!(gaps(&house), (0, Vec::new()));
    let (status, endpoint) = partner.told(&mut roles, "POST", "/partner/v1/webhooks", &json!({"url": format!("{receiver}/0")}));
    assert_eq!(status, 201, "{endpoint}");
    let endpoint = endpoint["id"].as_str().unwrap().to_owned();

    seen.refuses.store(true, Ordering::SeqCst);
    let order = partner.place(&mut roles, 0);
    until(&roles[0], "the order's message is late", || gaps(&house).0 == 1);
    let found = gaps(&house).1;
    assert_eq!((found.len(), found[0]["order_id"].as_str(), found[0]["holder"].as_str()), (1, Some(order.as_str()), Some("north")));
    assert_eq!(found[0]["allowed"], json!(["endpoint_resend"]), "{found:?}");
    assert_eq!(attention(&url), std::slice::from_ref(&order));
    let (_, listed) = http(&url, "GET", "/mes/v1/gaps?cause=webhook_undelivered", &[("X-Staff", "vera;operator")], b"");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed["items"][0]["gap_id"].clone(), listed["unknown"].clone()), (found[0]["gap_id"].clone(), json!([])), "{listed}");

    // The partner repairs its side, and staff need not wait for the next attempt.
    seen.refuses.store(false, Ordering::SeqCst);
    let (code, resent) = told(&house, &["endpoint", "resend", &endpoint, "--json"]);
    assert_eq!((code, resent["partner"].as_str()), (0, Some("north")), "{resent}");
    until(&roles[0], "nothing is late any more", || gaps(&house) == (0, Vec::new()));
    assert_eq!(attention(&url), [""; 0]);

    // A disabled endpoint with messages waiting is one, whatever their number.
    let path = format!("/partner/v1/webhooks/{endpoint}");
    assert_eq!(partner.told(&mut roles, "PATCH", &path, &json!({"enabled": false})).0, 200);
    partner.cancel(&mut roles, &order);
    until(&roles[0], "a disabled endpoint has something waiting", || gaps(&house).0 == 1);
    let found = gaps(&house).1;
    assert_eq!(
        (found.len(), found[0]["order_id"].is_null(), found[0]["allowed"].clone()),
        (1, true, json!(["endpoint_enable"])),
        "{found:?}"
    );
    assert_eq!(told(&house, &["endpoint", "enable", &endpoint, "--json"]).0, 0);
    until(&roles[0], "nothing waits any more", || gaps(&house) == (0, Vec::new()));
    assert!(roles[0].end(), "{}", roles[0].messages());
}

/// What the audit is to say of what was spoilt: the problem, under which name it is counted, and how much more is due.
struct Said {
    kind: &'static str,
    counted: &'static str,
    more_due: u64,
}

const MISSING: Said = Said { kind: "missing_delivery", counted: "missing", more_due: 0 };
/// Due now, and was not then.
const WANTED: Said = Said { more_due: 1, ..MISSING };
const STRAY: Said = Said { kind: "stray_delivery", counted: "stray", more_due: 0 };

/// Lets some orders' messages arrive, then spoils one by `spoil`, which says whose it was.
fn audited(store: Option<String>, said: &Said, spoil: impl FnOnce(&House) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = vec![("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".to_owned())];
    settings.extend(store.map(|url| ("ATELIER_STORE", url)));
    let house = House { data: folder.path().to_owned(), settings };
    let (_seen, receiver) = start_receiver();
    let mut roles = vec![house.start("up", &["up", "--listen", "127.0.0.1:0"])];
    let partner = Partner::new(&house, "north", roles[0].url());
    let left_out = |report: &Value| report["webhooks"]["left_out"].is_string();
    let (code, report) = told(&house, &["audit", "--json"]);
    assert_eq!((code, left_out(&report)), (0, true), "{report:#}");
    // Before the endpoint is there: not due. Nor is what would follow, such as its price: there is nothing left to tell of it.
    let early = partner.place(&mut roles, ORDERS);
    partner.cancel(&mut roles, &early);
    let path = format!("/partner/v1/orders/{early}");
    until(&roles[0], "it is cancelled", || {
        partner.ask("GET", &path, &Value::Null).is_some_and(|(_, order)| order["status"] == "CANCELLED")
    });
    until(&roles[0], "the webhooks have read it", || told(&house, &["audit", "--json"]).0 == 0);
    for wish in [json!({"url": format!("{receiver}/0")}), json!({"url": format!("{receiver}/1"), "events": ["order.created"]})] {
        let (status, answer) = partner.told(&mut roles, "POST", "/partner/v1/webhooks", &wish);
        assert_eq!(status, 201, "{answer}");
    }
    for number in 0..ORDERS {
        let order = partner.place(&mut roles, number);
        partner.cancel(&mut roles, &order);
    }
    let messages = |report: &Value, state: &str| report["webhooks"]["reconciled"][state].as_u64().unwrap();
    until(&roles[0], "all messages are delivered", || {
        let (_, report) = told(&house, &["audit", "--json"]);
        // At least: created at both, and cancelled.
        messages(&report, "due") >= u64::from(ORDERS) * 3 && messages(&report, "delivered") == messages(&report, "due")
    });
    assert!(roles[0].end(), "{}", roles[0].messages());
    let (code, before) = told(&house, &["audit", "--json"]);
    assert_eq!(code, 0, "{before:#}");

    let order = spoil(&house);
    let (code, report) = told(&house, &["audit", "--json"]);
    assert_eq!((code, messages(&report, said.counted)), (1, 1), "{report:#}");
    assert_eq!(messages(&report, "due"), messages(&before, "due") + said.more_due);
    let named: Vec<_> = report["problems"].as_array().unwrap().iter().map(|problem| (&problem["kind"], &problem["id"])).collect();
    assert_eq!(named, [(&json!(said.kind), &json!(order))], "{report:#}");
    let text = String::from_utf8(house.run(&["audit"]).stdout).unwrap();
    let counted = if said.counted == "stray" { "; stray 1\n" } else { "+ missing 1\n" };
    assert!(text.contains(counted), "{text}");
}

/// One message of the second order by id.
const ONE: &str =
    "SELECT d.order_id, d.number, d.endpoint_id FROM webhook_deliveries d ORDER BY d.order_id, d.endpoint_id, d.number LIMIT 1 OFFSET 4";

#[test]
fn a_delivery_that_is_gone_is_named_by_the_audit_on_sqlite() {
    audited(None, &MISSING, |house| {
        let rows = Connection::open(house.data.join("webhooks.sqlite")).unwrap();
        let (order, number, endpoint): (String, i64, String) =
            rows.query_row(ONE, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let delete = "DELETE FROM webhook_deliveries WHERE number = ? AND endpoint_id = ?";
        assert_eq!(rows.execute(delete, (number, &endpoint)).unwrap(), 1);
        order
    });
}

#[test]
fn a_delivery_that_is_gone_is_named_by_the_audit_on_postgresql() {
    let database = "webhooks_audited";
    let store = Postgres::shared().create_database(database);
    audited(Some(store), &MISSING, |_| {
        let delete = format!(
            "WITH one AS ({ONE}) DELETE FROM webhook_deliveries d USING one WHERE d.number = one.number AND d.endpoint_id = one.endpoint_id \
             RETURNING d.order_id"
        );
        Postgres::shared().query(database, &delete)
    });
}

/// A copy of the first message, as one more of its order's, which everybody has been sent.
const COPY: &str = "INSERT INTO webhook_messages (partner, number, order_id, sequence, event_id, event_type, event_at, log_partition, \
    log_offset, body) SELECT partner, 0, order_id, 99, event_id, event_type, event_at, log_partition, log_offset, body \
    FROM webhook_messages ORDER BY order_id, sequence LIMIT 1";

#[test]
fn a_message_that_tells_of_nothing_is_named_by_the_audit_on_sqlite() {
    audited(None, &STRAY, |house| {
        let rows = Connection::open(house.data.join("webhooks.sqlite")).unwrap();
        assert_eq!(rows.execute(COPY, []).unwrap(), 1);
        rows.query_row("SELECT order_id FROM webhook_messages WHERE sequence = 99", [], |row| row.get(0)).unwrap()
    });
}

#[test]
fn a_message_that_tells_of_nothing_is_named_by_the_audit_on_postgresql() {
    let database = "webhooks_strays";
    let store = Postgres::shared().create_database(database);
    audited(Some(store), &STRAY, |_| Postgres::shared().query(database, &format!("{COPY} RETURNING order_id")));
}

/// An endpoint that wants its type from an earlier offset on ought to have been told of the order before it.
#[test]
fn an_endpoint_whose_offsets_were_moved_lacks_a_delivery() {
    audited(None, &WANTED, |house| {
        let rows = Connection::open(house.data.join("webhooks.sqlite")).unwrap();
        let moved = "UPDATE webhook_endpoints SET events_from = '0 0 0 0' WHERE events = 'order.created'";
        assert_eq!(rows.execute(moved, []).unwrap(), 1);
        let before = "SELECT order_id FROM webhook_orders WHERE order_id NOT IN (SELECT order_id FROM webhook_deliveries)";
        rows.query_row(before, [], |row| row.get(0)).unwrap()
    });
}
