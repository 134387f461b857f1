//! Keys and secrets are where they have to be and nowhere else: not in log lines, metrics, traces, records, rows,
//! files or answers, whatever goes wrong and however much is logged.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_schemas::Topic;
use atelier_support::{Postgres, free_port};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::partner_side::{Partner, start_receiver};
use crate::roles::{House, PATIENCE, Role, http};
use crate::servers;

/// Everything of ours, and of others what a person would turn on to look for a fault.
const LOUD: &str = "trace,rdkafka=warn,sqlx=warn,h2=off,hyper=off,reqwest=off,tower=off";
const CARRIER: &str = "carrier-secret-of-at-least-24-bytes";
const PASSWORD: &str = "hunter2-of-the-database";
/// In the address that a partner has messages sent to.
const TOKEN: &str = "token-in-the-address-4711";
/// Where messages are signed from, in the clear, and where the addresses are.
const ENDPOINTS: &str = "webhook_endpoints";

/// Where something was written, and what.
type Written = BTreeMap<String, Vec<u8>>;

/// Takes traces and keeps their bytes.
fn start_traces() -> (Arc<Mutex<Vec<u8>>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = keeps.clone();
            std::thread::spawn(move || keep(stream, &kept));
        }
    });
    (kept, url)
}

/// Requests of one connection, each by its `Content-Length`.
fn keep(mut stream: TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 16 * 1024];
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        while let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length: usize = text.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
            if bytes.len() < head + 4 + length {
                break;
            }
            kept.lock().unwrap().extend(bytes.drain(..head + 4 + length));
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }
}

/// All files of a folder and the folders in it.
fn files(folder: &Path, written: &mut Written) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, written);
        } else {
            written.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}

/// The rows of every table of a SQLite file.
fn rows(file: &Path, written: &mut Written) {
    let database = Connection::open(file).unwrap();
    let text = |value: rusqlite::types::Value| format!("{value:?}");
    let mut tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut all = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        let of_table = written.entry(format!("table {table}")).or_default();
        while let Some(row) = rows.next().unwrap() {
            (0..columns).for_each(|column| of_table.extend(text(row.get(column).unwrap()).bytes()));
        }
    }
}

fn tables(postgres: &Postgres, database: &str, written: &mut Written) {
    for table in postgres.query(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'").lines() {
        let rows = postgres.query(database, &format!("SELECT t::text FROM \"{table}\" t"));
        written.insert(format!("table {table}"), rows.into_bytes());
    }
}

/// Everything in the topics.
fn records(log: &dyn Log, written: &mut Written) {
    let started = Instant::now();
    for (topic, partition) in Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |partition| (topic, partition))) {
        let of_topic = written.entry(format!("topic {topic}")).or_default();
        let end = log.end(topic, partition).unwrap();
        let mut reader = log.read(topic, &[(partition, 0)]).unwrap();
        while reader.position(partition) < end {
            assert!(started.elapsed() < PATIENCE, "{topic} cannot be read to its end");
            for record in reader.poll(1000, Duration::from_millis(100)).unwrap() {
                of_topic.extend([record.key.as_bytes(), record.kind.as_bytes(), &record.payload].concat());
            }
        }
    }
}

fn until(roles: &[Role], what: &str, mut seen: impl FnMut() -> bool) {
    let started = Instant::now();
    while !seen() {
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", roles[0].messages());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Traffic in which everything happens that has to do with secrets; gives them by name, and what was answered.
fn traffic(house: &House, roles: &mut [Role], url: &str, answers: &mut Vec<u8>) -> BTreeMap<&'static str, String> {
    let (seen, receiver) = start_receiver();
    let partner = Partner::new(house, "north", url.to_owned());
    let second = Partner::new(house, "south", url.to_owned());
    let mut ask = |method: &str, path: &str, body: &Value| partner.told(roles, method, path, body);
    let mut secrets = BTreeMap::from([("the carrier's secret", CARRIER.to_owned()), ("the token in an address", TOKEN.to_owned())]);
    let (status, made) = ask("POST", "/partner/v1/webhooks", &json!({"url": format!("{receiver}/{TOKEN}")}));
    assert_eq!(status, 201, "{made}");
    let endpoint = format!("/partner/v1/webhooks/{}", made["id"].as_str().unwrap());
    let (status, rotated) = ask("POST", &format!("{endpoint}/rotate"), &json!({}));
    assert_eq!(status, 200, "{rotated}");
    // Without `whsec_`, which is no secret.
    let bare = |made: &Value| made["secret"].as_str().unwrap()["whsec_".len()..].to_owned();
    secrets.extend([("an endpoint's secret", bare(&rotated)), ("its secret before", bare(&made))]);
    // The first letters say whose key it is.
    secrets.extend([("a key", partner.key[17..].to_owned()), ("another key", second.key[17..].to_owned())]);
    // Nobody listens there.
    let dead = format!("http://127.0.0.1:{}/{TOKEN}", free_port());
    assert_eq!(ask("POST", "/partner/v1/webhooks", &json!({"url": dead})).0, 201);
    let wrong = json!({"url": format!("https://u:{}@example.org/", bare(&rotated))});
    answers.extend(ask("POST", "/partner/v1/webhooks", &wrong).1.to_string().bytes());
    answers.extend(ask("POST", &format!("{endpoint}/test"), &Value::Null).1.to_string().bytes());
    answers.extend(ask("POST", &format!("{endpoint}/rotate"), &json!({"overlap_s": -1})).1.to_string().bytes());
    seen.refuses.store(true, Ordering::SeqCst);
    for number in 0..3 {
        let order = partner.place(roles, number);
        partner.cancel(roles, &order);
    }
    until(roles, "messages were tried and refused", || seen.count.load(Ordering::SeqCst) > 2);
    seen.refuses.store(false, Ordering::SeqCst);
    let bearer = format!("Bearer {}", partner.key);
    let json_type = ("Content-Type", "application/json");
    let unfinished = format!("{{\"reference\": \"{}", partner.key);
    let signature = ("Webhook-Signature", CARRIER);
    let (in_query, in_path) = (format!("/partner/v1/orders?key={}", partner.key), format!("/partner/v1/{}", partner.key));
    let wrong_calls = [
        ("GET", in_query.as_str(), vec![], ""),
        ("GET", in_path.as_str(), vec![("Authorization", bearer.as_str())], ""),
        ("GET", "/partner/v1/orders", vec![("Authorization", &bearer[..bearer.len() - 1])], ""),
        ("GET", "/shop/v1/orders", vec![("Authorization", bearer.as_str()), ("Cookie", bearer.as_str())], ""),
        ("POST", "/partner/v1/orders", vec![json_type, ("Authorization", bearer.as_str())], unfinished.as_str()),
        ("POST", "/carrier/v1/deliveries", vec![json_type, signature], "{}"),
    ];
    for (method, path, headers, body) in &wrong_calls {
        let (status, answer) = http(url, method, path, headers, body.as_bytes());
        assert!((400..500).contains(&status), "{method}: {status}");
        answers.extend(answer.bytes());
    }
    secrets
}

/// Runs the traffic, and looks for every secret in everything that was written.
fn nothing_leaks(store: Option<(&Postgres, &str)>) {
    let folder = tempfile::tempdir().unwrap();
    let (traces, traced) = start_traces();
    let mut settings = vec![
        ("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".to_owned()),
        ("ATELIER_CARRIER_SECRET", CARRIER.to_owned()),
        ("ATELIER_OTLP", traced),
        ("RUST_LOG", LOUD.to_owned()),
    ];
    if let Some((postgres, database)) = store {
        let with_password = |url: String| url.replace("atelier@", &format!("atelier:{PASSWORD}@"));
        settings.extend(servers::on(database, postgres).into_iter().map(|(name, value)| (name, with_password(value))));
    }
    let house = House { data: folder.path().to_owned(), settings };
    let mut roles = vec![house.start("up", &["up", "--listen", "127.0.0.1:0"])];
    let url = roles[0].url();
    let listen = format!("127.0.0.1:{}", free_port());
    roles.push(house.start("webhooks", &["webhooks", "--listen", &listen]));
    let mut written = Written::new();
    let mut answers = Vec::new();
    let mut secrets = traffic(&house, &mut roles, &url, &mut answers);
    if store.is_some() {
        secrets.insert("the database's password", PASSWORD.to_owned());
    }
    written.insert("answers".into(), answers);
    for address in [url.as_str(), &format!("http://{listen}")] {
        let (status, metrics) = http(address, "GET", "/metrics", &[], b"");
        assert!(status == 200 && metrics.contains("webhook_in_flight"), "{metrics}");
        written.insert(format!("metrics of {address}"), metrics.into_bytes());
    }
    for tool in [&["audit"] as &[&str], &["gaps", "--json"], &["replay"], &["key", "list"]] {
        let output = house.run(tool);
        written.insert(format!("{tool:?}"), [output.stdout, output.stderr].concat());
    }
    for role in &mut roles {
        assert!(role.end(), "{}", role.messages());
    }
    files(folder.path(), &mut written);
    match store {
        Some((postgres, database)) => {
            tables(postgres, database, &mut written);
            records(&servers::log(database), &mut written);
            assert!(written["topic orders.events"].len() > 1000, "there are events: {:?}", written.keys());
        }
        None => rows(&folder.path().join("webhooks.sqlite"), &mut written),
    }
    let traces = traces.lock().unwrap().clone();
    assert!(traces.windows(10).any(|part| part == b"partner/v1"), "requests are traced: {} bytes", traces.len());
    written.insert("traces".into(), traces);

    let contains = |bytes: &[u8], secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
    // What is looked for is found where it has to be.
    let endpoints = written.remove(&format!("table {ENDPOINTS}")).expect("endpoints are kept");
    for name in ["an endpoint's secret", "its secret before", "the token in an address"] {
        assert!(contains(&endpoints, &secrets[name]), "{name}");
    }
    let logged = written.iter().find(|(place, _)| place.ends_with("up.stderr")).expect("log lines");
    assert!(contains(logged.1, "partition taken") && contains(logged.1, "DEBUG"), "everything is logged");
    // The file itself holds that table; its others were looked into row by row.
    written.retain(|place, _| !place.contains("webhooks.sqlite"));
    assert!(written.len() > 10, "{:?}", written.keys());
    for (place, bytes) in &written {
        for (name, secret) in &secrets {
            assert!(!contains(bytes, secret), "{name} is in {place}");
        }
    }
}

#[test]
fn keys_and_secrets_are_nowhere_else_on_the_embedded_log_and_sqlite() {
    nothing_leaks(None);
}

#[test]
fn keys_and_secrets_are_nowhere_else_on_kafka_and_postgresql() {
    nothing_leaks(Some((Postgres::shared(), "leaks")));
}
