//! The audit: what it says when something is missing, altered or slipped in, and that it goes on where it ended.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::Value;

use crate::filled::{self, Filled};
use crate::roles::{House, PATIENCE, http};

/// Partitions of an embedded log unless said otherwise.
const PARTITIONS: u32 = 4;

fn house(folder: &Path) -> House {
    House { data: folder.to_owned(), settings: vec![] }
}

/// A day at the maker's, over.
fn day() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = house(folder.path()).run(&["demo", "--orders", "16", "--seed", "3"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    folder
}

fn copy(of: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    std::fs::create_dir(to.path().join("log")).unwrap();
    for folder in ["", "log"] {
        for file in std::fs::read_dir(of.join(folder)).unwrap().flatten().filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), to.path().join(folder).join(file.file_name())).unwrap();
        }
    }
    to
}

fn log_of(folder: &Path) -> Connection {
    Connection::open(folder.join("log/log.sqlite")).unwrap()
}

fn rows_of(folder: &Path) -> Connection {
    Connection::open(folder.join("read-models.sqlite")).unwrap()
}

/// The report with its exit code.
fn audit(folder: &Path, more: &[&str]) -> (i32, Value) {
    let args: Vec<&str> = ["audit", "--json"].iter().chain(more).copied().collect();
    let output = house(folder).run(&args);
    let code = output.status.code().unwrap();
    assert!(code < 2, "{}", String::from_utf8_lossy(&output.stderr));
    (code, serde_json::from_slice(&output.stdout).unwrap())
}

fn ids(report: &Value) -> BTreeSet<String> {
    report["problems"].as_array().unwrap().iter().map(|problem| problem["id"].as_str().unwrap().to_owned()).collect()
}

fn kinds(report: &Value) -> BTreeSet<String> {
    report["problems"].as_array().unwrap().iter().map(|problem| problem["kind"].as_str().unwrap().to_owned()).collect()
}

/// Partition, offset and key of a record about the middle of the fullest partition.
fn some_record(log: &Connection, table: &str, of_kind: &str) -> (u32, i64, String) {
    let found = (0..PARTITIONS).filter_map(|partition| {
        let sql = format!(
            "SELECT offset, key FROM {table}_{partition} WHERE kind LIKE ? ORDER BY offset \
             LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table}_{partition} WHERE kind LIKE ?)"
        );
        let row = log.query_row(&sql, [of_kind, of_kind], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).ok()?;
        Some((partition, row.0, row.1))
    });
    found.max_by_key(|(_, offset, _)| *offset).unwrap()
}

fn remove(log: &Connection, table: &str, partition: u32, offset: i64) {
    assert_eq!(log.execute(&format!("DELETE FROM {table}_{partition} WHERE offset = ?"), [offset]).unwrap(), 1);
}

#[test]
fn what_is_missing_from_the_log_is_named_and_nothing_else() {
    let day = day();
    assert_eq!(audit(day.path(), &[]).0, 0, "the day itself balances");
    let cases = [
        ("events", "PriceCalculated", "missing_event"),
        ("events", "OrderCreated", "missing_event"),
        ("events", "OrderDelivered", "missing_event"),
        ("outcomes", "%", "missing_outcome"),
        ("pricing_jobs", "%", "pricing_jobs"),
    ];
    for (table, of_kind, kind) in cases {
        let copy = copy(day.path());
        let log = log_of(copy.path());
        let (partition, offset, key) = some_record(&log, table, of_kind);
        remove(&log, table, partition, offset);
        drop(log);
        let (code, report) = audit(copy.path(), &[]);
        assert_eq!((code, ids(&report)), (1, BTreeSet::from([key])), "{table} {of_kind}: {:#}", report["problems"]);
        assert!(kinds(&report).contains(kind), "{table} {of_kind}: {:#}", report["problems"]);
        assert_eq!(report["balanced"], false);
    }
}

#[test]
fn the_last_outcome_is_missed_too() {
    let day = day();
    let log = log_of(day.path());
    let (partition, _, _) = some_record(&log, "outcomes", "%");
    let last = format!("SELECT offset, key FROM outcomes_{partition} ORDER BY offset DESC LIMIT 1");
    let (offset, key): (i64, String) = log.query_row(&last, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    remove(&log, "outcomes", partition, offset);
    drop(log);
    let (code, report) = audit(day.path(), &[]);
    assert_eq!((code, ids(&report)), (1, BTreeSet::from([key])), "{:#}", report["problems"]);
    assert!(kinds(&report).contains("missing_outcome"), "{:#}", report["problems"]);
}

#[test]
fn rows_that_are_missing_wrong_or_invented_are_named_in_every_read_model() {
    let day = day();
    for table in ["shop_orders", "queue_items", "crm_orders", "partner_orders"] {
        let one = format!("(SELECT order_id FROM {table} ORDER BY order_id LIMIT 1 OFFSET 1)");
        let invented = "ffffffff-0000-4000-8000-000000000001";
        let cases = [
            ("missing_row", format!("DELETE FROM {table} WHERE order_id = {one}")),
            ("stale_row", format!("UPDATE {table} SET version = version - 1 WHERE order_id = {one}")),
            ("wrong_row", format!("UPDATE {table} SET status = 'INITIATED' WHERE order_id = {one}")),
            ("wrong_row", format!("UPDATE {table} SET held = 1 - held WHERE order_id = {one}")),
            ("unknown_row", format!("UPDATE {table} SET version = version + 1 WHERE order_id = {one}")),
        ];
        for (kind, sql) in cases {
            let copy = copy(day.path());
            let rows = rows_of(copy.path());
            let id: String = rows.query_row(&format!("SELECT * FROM {one}"), [], |row| row.get(0)).unwrap();
            assert_eq!(rows.execute(&sql, []).unwrap(), 1, "{sql}");
            drop(rows);
            let (code, report) = audit(copy.path(), &[]);
            assert_eq!((code, ids(&report)), (1, BTreeSet::from([id])), "{sql}: {:#}", report["problems"]);
            assert_eq!(kinds(&report), BTreeSet::from([kind.to_owned()]), "{sql}");
        }
        let copy = copy(day.path());
        let rows = rows_of(copy.path());
        let invent = format!(
            "CREATE TEMP TABLE one AS SELECT * FROM {table} LIMIT 1; UPDATE one SET order_id = '{invented}'; INSERT INTO {table} SELECT * FROM one"
        );
        rows.execute_batch(&invent).unwrap();
        drop(rows);
        let (code, report) = audit(copy.path(), &[]);
        assert_eq!((code, ids(&report)), (1, BTreeSet::from([invented.to_owned()])), "{table}: {:#}", report["problems"]);
    }
}

#[test]
fn answers_that_are_missing_or_wrong_and_wrong_counts_are_named() {
    let day = day();
    let one = "(SELECT command_id FROM outcomes ORDER BY command_id LIMIT 1 OFFSET 5)";
    let cases = [
        ("missing_row", format!("DELETE FROM outcomes WHERE command_id = {one}")),
        (
            "wrong_row",
            format!(
                "UPDATE outcomes SET outcome = replace(replace(outcome, '\"version\":', '\"version\":9'), '\"code\":\"', '\"code\":\"x') WHERE command_id = {one}"
            ),
        ),
    ];
    for (kind, sql) in cases {
        let copy = copy(day.path());
        let rows = rows_of(copy.path());
        let outcome: String =
            rows.query_row(&format!("SELECT outcome FROM outcomes WHERE command_id = {one}"), [], |row| row.get(0)).unwrap();
        let outcome: Value = serde_json::from_str(&outcome).unwrap();
        assert_eq!(rows.execute(&sql, []).unwrap(), 1, "{sql}");
        drop(rows);
        let (code, report) = audit(copy.path(), &[]);
        let id = outcome["order_id"].as_str().unwrap().to_owned();
        assert_eq!((code, ids(&report)), (1, BTreeSet::from([id])), "{sql}: {:#}", report["problems"]);
        assert_eq!(kinds(&report), BTreeSet::from([kind.to_owned()]), "{sql}");
    }
    // The house is old: its first commands are no longer asked for, its last ones are.
    let old = copy(day.path());
    let log = log_of(old.path());
    for partition in 0..PARTITIONS {
        let first = format!("UPDATE commands_{partition} SET time = time - 9 * 86400000 WHERE offset = 0");
        log.execute(&first, []).unwrap();
    }
    drop(log);
    assert_eq!(audit(old.path(), &[]).0, 0, "nothing is missing yet");
    let rows = rows_of(old.path());
    let last = "(SELECT command_id FROM outcomes ORDER BY decided_at DESC LIMIT 1)";
    assert_eq!(rows.execute(&format!("DELETE FROM outcomes WHERE command_id = {last}"), []).unwrap(), 1);
    drop(rows);
    let (code, report) = audit(old.path(), &[]);
    assert_eq!((code, kinds(&report)), (1, BTreeSet::from(["missing_row".to_owned()])));
    let copy = copy(day.path());
    rows_of(copy.path()).execute("UPDATE crm_counts SET orders = orders + 1 WHERE status = 'CLOSED'", []).unwrap();
    let (code, report) = audit(copy.path(), &[]);
    assert_eq!(
        (code, ids(&report), kinds(&report)),
        (1, BTreeSet::from(["CLOSED".to_owned()]), BTreeSet::from(["wrong_count".to_owned()]))
    );
}

#[test]
fn the_past_cannot_be_altered_unseen() {
    let day = day();
    let state = |folder: &Path| -> PathBuf { folder.join("audit") };
    let flags = |folder: &Path, flag: &str| vec![flag.to_owned(), state(folder).display().to_string()];
    let with = |folder: &Path, flag: &str| {
        let flags = flags(folder, flag);
        audit(folder, &flags.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let audited = || {
        let copy = copy(day.path());
        assert_eq!(with(copy.path(), "--state").0, 0);
        copy
    };
    let untouched = audited();
    let (code, report) = with(untouched.path(), "--verify");
    assert_eq!((code, &report["intact"]), (0, &Value::Bool(true)));
    assert_eq!(with(untouched.path(), "--state").0, 0, "again, with nothing new");

    // A second answer, and one that nobody can read, behind all that was audited.
    for (payload, kind) in [("payload", "stray_outcome"), ("x'00'", "unreadable_outcome")] {
        let doubled = audited();
        let log = log_of(doubled.path());
        let (partition, offset, key) = some_record(&log, "outcomes", "%");
        let again = format!(
            "CREATE TEMP TABLE one AS SELECT * FROM outcomes_{partition} WHERE offset = {offset};
             UPDATE one SET offset = (SELECT max(offset) + 1 FROM outcomes_{partition}), payload = {payload};
             INSERT INTO outcomes_{partition} SELECT * FROM one"
        );
        log.execute_batch(&again).unwrap();
        drop(log);
        let (code, report) = with(doubled.path(), "--state");
        let named =
            |kind: &str| report["problems"].as_array().unwrap().iter().any(|problem| problem["kind"] == kind && problem["id"] == key);
        assert!(code == 1 && named(kind), "{:#}", report["problems"]);
    }

    // One letter of a customer's address (partners' orders have none): the record can still be read.
    let altered = audited();
    let log = log_of(altered.path());
    let (partition, offset, mut payload) = (0..PARTITIONS)
        .find_map(|partition| {
            let sql = format!("SELECT offset, payload FROM events_{partition} WHERE instr(payload, CAST('example' AS BLOB)) LIMIT 1");
            let row = log.query_row(&sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).ok()?;
            Some((partition, row.0, row.1))
        })
        .expect("somebody ordered in the shop");
    let at = payload.windows(7).position(|bytes| bytes == b"example").expect("the address is in it");
    payload[at] = b'E';
    log.execute(&format!("UPDATE events_{partition} SET payload = ? WHERE offset = ?"), (payload, offset)).unwrap();
    drop(log);
    for flag in ["--verify", "--state"] {
        let (code, report) = with(altered.path(), flag);
        assert_eq!((code, kinds(&report)), (1, BTreeSet::from(["altered".to_owned()])), "{:#}", report["problems"]);
        let place = format!("orders.events partition {partition} offsets 0 to ");
        assert!(ids(&report).iter().all(|id| id.starts_with(&place)), "{:#}", report["problems"]);
    }

    let removed = audited();
    let log = log_of(removed.path());
    let (partition, offset, key) = some_record(&log, "events", "PriceCalculated");
    remove(&log, "events", partition, offset);
    drop(log);
    let (code, report) = with(removed.path(), "--verify");
    assert_eq!(code, 1);
    assert!(ids(&report).contains(&key) && kinds(&report).contains("altered"), "{:#}", report["problems"]);
    assert_eq!(ids(&report).len(), 2, "the place and the order: {:#}", report["problems"]);

    let cut = audited();
    let log = log_of(cut.path());
    log.execute(&format!("DELETE FROM events_{partition} WHERE offset = (SELECT max(offset) FROM events_{partition})"), []).unwrap();
    drop(log);
    let (code, report) = with(cut.path(), "--verify");
    assert_eq!(code, 1);
    assert!(kinds(&report).contains("cut"), "{:#}", report["problems"]);
}

#[test]
fn a_state_that_does_not_fit_is_refused_by_a_sentence() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, orders) in [(&one, 0..20), (&other, 100..120)] {
        Filled::open(&folder.path().join("log")).live(orders, 0..1);
    }
    let state = one.path().join("audit").display().to_string();
    let nothing = house(one.path()).run(&["audit", "--verify", &state]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no state"), "{nothing:?}");
    assert_eq!(audit(one.path(), &["--log-only", "--state", &state]).0, 0);
    let refused = house(other.path()).run(&["audit", "--log-only", "--state", &state]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("belongs to another log"), "{refused:?}");
}

#[test]
fn many_orders_take_little_memory_and_the_next_run_goes_on() {
    const ORDERS: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("audit").display().to_string();
    let mut log = Filled::open(&folder.path().join("log"));
    log.live(0..ORDERS / 2, 0..filled::STEPS);
    log.live(ORDERS / 2..ORDERS, 0..2);
    let (code, first) = audit(folder.path(), &["--log-only", "--state", &state]);
    assert_eq!(code, 0, "{:#}", first["problems"]);
    // The same orders live on, beside the audit's eyes.
    log.live(ORDERS / 2..ORDERS, 2..filled::STEPS);
    let (code, second) = audit(folder.path(), &["--log-only", "--state", &state]);
    assert_eq!(code, 0, "{:#}", second["problems"]);
    let (_, whole) = audit(folder.path(), &["--log-only"]);
    for (before, after) in first["partitions"].as_array().unwrap().iter().zip(second["partitions"].as_array().unwrap()) {
        assert_eq!(before["to"], after["from"], "it goes on where it ended");
    }
    for what in ["balanced", "commands", "orders", "events", "pricing_jobs"] {
        assert_eq!(second[what], whole[what], "{what}: in two runs as in one");
    }
    let hashes = |report: &Value| -> Vec<Value> {
        report["partitions"].as_array().unwrap().iter().map(|partition| partition["events_sha256"].clone()).collect()
    };
    assert_eq!(hashes(&second), hashes(&whole));
    assert_eq!(whole["orders"], serde_json::json!({"accepted": ORDERS, "done": 0, "failed": ORDERS / 2, "open": ORDERS / 2}));
    assert_eq!(whole["pricing_jobs"], ORDERS);
    for report in [&first, &second, &whole] {
        let peak = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < 256 << 20, "{peak} bytes");
    }
}

#[test]
fn beside_a_running_house_it_raises_no_false_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("audit").display().to_string();
    let mut demo = house(folder.path()).start("demo", &["demo", "--orders", "150", "--customers", "32"]);
    let (mut beside, mut past) = (0, Value::Null);
    while demo.is_running() {
        if !folder.path().join("log/log.sqlite").exists() || !folder.path().join("read-models.sqlite").exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
            continue;
        }
        let output = house(folder.path()).run(&["audit", "--json", "--settle-s", "60", "--state", &state]);
        // It cannot tell while the log is being created.
        if output.status.code() != Some(2) {
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{:#}", report["problems"]);
            past = report["events"].clone();
            beside += 1;
        }
    }
    let (code, report) = audit(folder.path(), &["--state", &state]);
    assert_eq!((code, &report["events_before"]), (0, &past), "{:#}", report["problems"]);
    assert!(beside > 0 && report["orders"]["accepted"] == 150, "{beside} audits beside it: {report:#}");
}

#[test]
fn a_job_audits_again_and_again_and_tells_its_metrics() {
    let day = day();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut job = house(day.path()).start("audit", &["audit", "--every", "1s", "--settle-s", "1", "--listen", &address]);
    let started = Instant::now();
    let mut wait_for = |line: &str| loop {
        assert!(job.is_running() && started.elapsed() < PATIENCE, "{line} does not come: {}", job.messages());
        // It listens before its first audit.
        let listens = std::net::TcpStream::connect(&address).is_ok();
        if listens && http(&address, "GET", "/metrics", &[], b"").1.lines().any(|found| found == line) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    wait_for("atelier_audit_balanced 1");
    rows_of(day.path()).execute("DELETE FROM shop_orders WHERE order_id = (SELECT min(order_id) FROM shop_orders)", []).unwrap();
    wait_for("atelier_audit_balanced 0");
    wait_for("atelier_audit_problems{kind=\"missing_row\"} 1");
    assert!(job.end(), "{}", job.messages());
}
