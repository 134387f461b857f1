//! Records nobody can read: they stop their order alone, are told by name, and can be put right.

use std::path::Path;
use std::time::{Duration, Instant};

use atelier_log::client::record_of;
use atelier_log::embedded::Embedded;
use atelier_log::{Log, NewRecord};
use atelier_schemas::{Actor, Command, CommandData, Topic, partition_of};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::roles::{House, PATIENCE, Role, http};

const PARTITIONS: u32 = 4;
const ADMIN: &[(&str, &str)] = &[("X-Staff", "Vera;admin")];

fn post(url: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let (status, answer) = http(url, "POST", path, &headers, body.to_string().as_bytes());
    (status, serde_json::from_str(&answer).unwrap())
}

fn created(url: &str, key: &str) -> Uuid {
    let order = json!({"customer": {"name": "Ada", "email": "ada@example.org"}, "item": {"material": "silver-925", "quantity": 1, "finish": "polished"}});
    post(url, "/shop/v1/orders", key, &order).1["order_id"].as_str().unwrap().parse().unwrap()
}

/// Writes to the log of a house that is closed, as a stray script would.
fn write(data: &Path, records: Vec<(Topic, u32, NewRecord)>) -> Vec<u64> {
    let log = Embedded::open(&data.join("log"), PARTITIONS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    records.into_iter().map(|(topic, partition, record)| runtime.block_on(log.append(topic, partition, record)).unwrap()).collect()
}

fn run(house: &House, args: &[&str], code: i32) -> (String, String) {
    let output = house.run(args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out} {err}");
    (out, err)
}

fn run_code(house: &House, args: &[&str]) -> Option<i32> {
    house.run(args).status.code()
}

fn until(up: &Role, what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", up.messages());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_record_nobody_can_read_stops_its_order_alone_and_is_skipped_for_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let (order, other) = (created(&url, "one"), created(&url, "two"));
    assert!(up.end(), "{}", up.messages());

    let partition = partition_of(&order, PARTITIONS);
    let garbage = NewRecord { key: order.to_string(), kind: "OrderTeleported", traceparent: None, payload: b"beam me up".to_vec() };
    let offset = write(folder.path(), vec![(Topic::Events, partition, garbage)])[0];

    let id = order.to_string();
    let (told, _) = run(&house, &["parked"], 1);
    assert!(told.contains(&format!("event {partition}/{offset}  order {id}")) && told.contains("skip-records --offsets"), "{told}");
    assert!(run(&house, &["order", &id], 0).1.contains("cannot be read"), "its history is told without it");

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let cancel = json!({"reason": "changed my mind"});
    let (status, answer) = post(&url, &format!("/shop/v1/orders/{id}/cancel"), "cancel", &cancel);
    assert_eq!((status, answer["type"].as_str().is_some_and(|kind| kind.ends_with("parked"))), (409, true), "{answer}");
    assert_eq!(post(&url, &format!("/shop/v1/orders/{other}/cancel"), "other", &cancel).0, 200, "the other order goes on");
    until(&up, "the gap", || http(&url, "GET", "/mes/v1/gaps?cause=unreadable_record", ADMIN, b"").1.contains(&id));

    let (told, _) = run(&house, &["parked", "--read-models"], 1);
    assert!(told.lines().all(|line| line.contains(&format!("event {partition}/{offset}  order {id}"))) && told.contains("crm  "), "{told}");
    let (status, listed) = http(&url, "GET", &format!("/crm/v1/parked?model=crm&order={id}"), ADMIN, b"");
    assert!(status == 200 && serde_json::from_str::<Value>(&listed).unwrap()["items"][0]["offset"] == offset, "{listed}");

    let wrong = (offset + 1).to_string();
    let offsets = offset.to_string();
    let skip = |offsets: &str, more: &[&str], code| {
        let mut args =
            vec!["repair", &id, "skip-records", "--offsets", offsets, "--reason", "a stray script", "--staff", "vera", "--url", &url];
        args.extend(more);
        run(&house, &args, code)
    };
    assert!(skip(&wrong, &["--apply"], 1).1.contains(&format!("record {offset} cannot be read either")));
    assert!(skip(&offsets, &[], 0).0.contains("Nothing was changed"));
    assert!(run(&house, &["parked", &id], 1).0.contains("is set aside"));
    assert!(skip(&offsets, &["--apply"], 0).0.contains("INITIATED, version 2"));
    assert!(skip(&offsets, &["--apply"], 1).1.contains("there is nothing to skip"), "once");
    assert!(run(&house, &["parked", &id], 0).0.contains("skipped"));
    let (status, shown) = http(&url, "GET", &format!("/crm/v1/orders/{id}?wait_version=2"), ADMIN, b"");
    assert_eq!(status, 200, "the read models follow: {shown}");
    until(&up, "nothing is set aside", || run_code(&house, &["parked", "--read-models"]) == Some(0));
    until(&up, "no gap", || !http(&url, "GET", "/mes/v1/gaps?cause=unreadable_record", ADMIN, b"").1.contains(&id));
    assert!(run(&house, &["order", &id], 0).0.contains("admin vera"), "who did it is on record");
    assert_eq!(post(&url, &format!("/shop/v1/orders/{id}/cancel"), "cancel", &cancel).0, 200);
    let (status, _) = http(&url, "GET", &format!("/crm/v1/orders/{id}?wait_version=3"), ADMIN, b"");
    assert_eq!(status, 200);
    assert!(up.end(), "{}", up.messages());
    run(&house, &["audit"], 0);
    // What is rebuilt from the log says the same.
    for file in ["read-models.sqlite", "read-models.sqlite-wal", "read-models.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let (status, again) = http(&up.url(), "GET", &format!("/crm/v1/orders/{id}?wait_version=3"), ADMIN, b"");
    assert!(status == 200 && again.contains("CANCELLED"), "{again}");
    assert!(up.end(), "{}", up.messages());
    run(&house, &["audit"], 0);
}

/// Nobody can say that it does not count: that would be an event of its order, and there is none.
#[test]
fn an_event_of_no_order_is_named_and_stops_neither_orders_nor_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![("ATELIER_CHECKPOINT_EVERY", "1".to_owned())] };
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let order = created(&up.url(), "one");
    assert!(up.end(), "{}", up.messages());
    let partition = partition_of(&order, PARTITIONS);
    let nobody = (0_u128..).map(Uuid::from_u128).find(|id| partition_of(id, PARTITIONS) == partition).unwrap();
    let garbage = NewRecord { key: nobody.to_string(), kind: "OrderTeleported", traceparent: None, payload: b"beam me up".to_vec() };
    let offset = write(folder.path(), vec![(Topic::Events, partition, garbage)])[0];

    let (told, _) = run(&house, &["parked"], 1);
    assert!(told.contains(&format!("event {partition}/{offset}  order {nobody}")) && told.contains("no order begins with it"), "{told}");
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let cancel = json!({"reason": "changed my mind"});
    assert_eq!(post(&url, &format!("/shop/v1/orders/{order}/cancel"), "cancel", &cancel).0, 200, "its neighbour goes on");
    until(&up, "a checkpoint behind it", || {
        let (_, metrics) = http(&url, "GET", "/metrics", &[], b"");
        metrics.lines().any(|line| line.strip_prefix("engine_checkpoints_total ").is_some_and(|count| count != "0"))
    });
    until(&up, "the gap", || http(&url, "GET", "/mes/v1/gaps?cause=unreadable_record", ADMIN, b"").1.contains(&nobody.to_string()));
    assert!(up.end(), "{}", up.messages());
    let (audited, _) = run(&house, &["audit"], 1);
    assert!(audited.contains("unreadable_event") && audited.contains(&nobody.to_string()), "{audited}");

    // It is looked at again by whoever restores from that checkpoint.
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    until(&up, "it is still known", || {
        let (_, metrics) = http(&url, "GET", "/metrics", &[], b"");
        metrics.contains(&format!("engine_parked_orders{{partition=\"{partition}\"}} 1\n"))
    });
    assert!(up.end(), "{}", up.messages());
}

#[test]
fn a_dead_letter_is_replayed_once_however_often_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let order = created(&url, "one");
    assert!(up.end(), "{}", up.messages());

    // A command under a wrong key, and one that is no command at all.
    let actor = Actor { role: "customer".into(), name: "shop".into() };
    let cancel = Command::new(Uuid::from_u128(7), order, 1_790_000_000_000, actor, CommandData::CancelOrder { reason: "by script".into() });
    let astray = NewRecord { key: "astray".into(), ..record_of(&cancel) };
    let garbage = NewRecord { key: order.to_string(), kind: "CancelOrder", traceparent: None, payload: b"please".to_vec() };
    let partition = partition_of(&order, PARTITIONS);
    let places = write(folder.path(), vec![(Topic::Commands, partition, astray), (Topic::Commands, partition, garbage)]);
    let place = |which: usize| format!("{partition}/{}", places[which]);

    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    until(&up, "both are refused", || String::from_utf8_lossy(&house.run(&["parked"]).stdout).matches("command ").count() == 2);
    let (told, _) = run(&house, &["parked"], 1);
    assert!(told.contains(&format!("--replay {}", place(0))) && told.contains("nothing was changed"), "{told}");

    let replay = |which: usize, more: &[&str], code| {
        let place = place(which);
        let mut args = vec!["parked", "--replay", &place, "--reason", "its sender had the key wrong", "--url", &url];
        args.extend(more);
        run(&house, &args, code)
    };
    assert!(replay(0, &[], 0).0.contains("would give CANCELLED, version 2"));
    assert!(run(&house, &["order", &order.to_string()], 0).0.contains("version 1"), "a dry run changes nothing");
    for _ in 0..2 {
        assert!(replay(0, &["--apply"], 0).0.contains("CANCELLED, version 2"));
    }
    let (told, _) = run(&house, &["order", &order.to_string()], 0);
    assert!(told.contains("version 2"), "once: {told}");
    assert!(
        told.contains("customer shop, replayed by admin on-call: its sender had the key wrong"),
        "who did it and why is on record: {told}"
    );
    let published = run(&house, &["replay", "--order", &order.to_string(), "--type", "OrderCancelled"], 0).0;
    let replayed = &serde_json::from_str::<Value>(&published).unwrap()["replayed"];
    assert_eq!(*replayed, json!({"actor": {"role": "admin", "name": "on-call"}, "reason": "its sender had the key wrong"}));
    assert!(replay(1, &["--apply"], 1).1.contains("cannot be read by this program either"));
    let (status, _) = http(&url, "GET", &format!("/crm/v1/orders/{order}?wait_version=2"), ADMIN, b"");
    assert_eq!(status, 200);
    let seller = [("X-Staff", "Sam;seller"), ("Content-Type", "application/json")];
    let path = format!("/crm/v1/dead-letters/{}/replay", place(0));
    assert_eq!(http(&url, "POST", &path, &seller, br#"{"reason": "me too"}"#).0, 403);
    let nowhere = format!("/crm/v1/dead-letters/{partition}/999/replay");
    let admin = [("X-Staff", "Vera;admin"), ("Content-Type", "application/json")];
    assert_eq!(http(&url, "POST", &nowhere, &admin, br#"{"reason": "lost"}"#).0, 404);
    assert!(up.end(), "{}", up.messages());
    run(&house, &["audit"], 0);
}
