//! The clients in `examples/`, run as their readers would run them, against the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atelier_http::{Secret, signature};
use serde_json::{Value, json};

use crate::partners::{box_stl, by, made};
use crate::roles::{House, PATIENCE, http};

/// Each with the program that runs it.
const CLIENTS: [(&str, &str); 3] = [("python3", "partner.py"), ("node", "partner.mjs"), ("bash", "partner.sh")];
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhlIGV4YW1wbGVzLCAzMiBieXRlcyE=";

struct Client<'t> {
    program: &'static str,
    file: PathBuf,
    folder: &'t Path,
    url: &'t str,
    key: &'t str,
}

impl Client<'_> {
    fn run(&self, args: &[&str], input: &[u8]) -> Output {
        use std::io::Write as _;
        let mut child = Command::new(self.program)
            .arg(&self.file)
            .args(args)
            .current_dir(self.folder)
            .env("ATELIER_URL", self.url)
            .env("ATELIER_KEY", self.key)
            .env("ATELIER_WEBHOOK_SECRET", SECRET)
            .env("ATELIER_STATE", self.folder.join(format!("{}.json", self.program)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} is needed by this test: {error}", self.program));
        // A client that looks at nothing of it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// The lines it prints, each a JSON value.
    #[track_caller]
    fn told(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args, b"");
        assert!(output.status.success(), "{} {args:?}: {output:?}", self.file.display());
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[test]
fn the_examples_order_follow_reconcile_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: Vec::new() };
    let keys = CLIENTS.map(|(program, _)| made(&house, &["key", "create", "--partner", program, "--sandbox", "--json"]));
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let model = folder.path().join("box.stl");
    std::fs::write(&model, box_stl()).unwrap();
    let model = model.to_str().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
    for ((program, file), key) in CLIENTS.into_iter().zip(&keys) {
        let key = key["key"].as_str().unwrap();
        let client = Client { program, file: examples.join(file), folder: folder.path(), url: &url, key };

        let placed = client.told(&["place", model, "PO-17", "100000.00"]);
        assert_eq!(client.told(&["place", model, "PO-17", "100000.00"]), placed, "{file}: the same reference is the same order");
        let order = placed[0]["order_id"].as_str().unwrap();

        // Each run goes on where the one before ended.
        let mut entries = Vec::new();
        let started = Instant::now();
        while entries.last().is_none_or(|entry: &Value| entry["status"] != "MANUFACTURING_APPROVED") {
            assert!(started.elapsed() < PATIENCE, "{file}: never approved: {entries:?}");
            entries.extend(client.told(&["follow", "--once"]));
            std::thread::sleep(Duration::from_millis(100));
        }
        let sequences: Vec<i64> = entries.iter().map(|entry| entry["sequence"].as_i64().unwrap()).collect();
        assert_eq!(sequences, (1..).take(entries.len()).collect::<Vec<_>>(), "{file}: every change once, in order");

        let agreed = client.run(&["reconcile"], b"");
        assert!(agreed.status.success(), "{file}: {agreed:?}");
        let advance = format!("/partner/v1/sandbox/orders/{order}/advance");
        for _ in 0..2 {
            let (status, advanced) = by(key, &url, "POST", &advance, &json!({"to": "next"}));
            assert_eq!(status, 200, "{advanced}");
        }
        let read = format!("/partner/v1/orders/{order}");
        let (status, _) = http(&url, "GET", &format!("{read}?wait_version=10"), &[("Authorization", &format!("Bearer {key}"))], b"");
        assert_eq!(status, 200);
        let started = Instant::now();
        let differing = loop {
            let output = client.run(&["reconcile"], b"");
            if !output.status.success() {
                break serde_json::from_slice::<Value>(&output.stdout).unwrap();
            }
            assert!(started.elapsed() < PATIENCE, "{file}: the feed never moved on");
        };
        assert_eq!(differing["differing"][0]["ours"]["status"], "MANUFACTURING_STARTED", "{file}: {differing}");

        verifies(&client);
    }
    assert!(up.end(), "{}", up.messages());
}

/// What the product signs is believed; what was changed, is old, or was signed by somebody else is not.
fn verifies(client: &Client<'_>) {
    let (ours, others) = (Secret::parse(SECRET).unwrap(), Secret::parse("somebody else's secret, as long").unwrap());
    let (now, body) = (now_s(), "{\"type\":\"order.held\",\"reference\":\"Ring für Ада\"}\n".as_bytes());
    let signed = |secret: &Secret, id: &str, time_s: i64| signature::sign(secret, id, time_s, body);
    let two = format!("{} {}", signed(&others, "m1", now), signed(&ours, "m1", now));
    let good = signed(&ours, "m1", now);
    for (what, id, time_s, signatures, body, believed) in [
        ("ours", "m1", now, &good, body, true),
        ("ours among two", "m1", now, &two, body, true),
        ("of another message", "m2", now, &good, body, false),
        ("changed", "m1", now, &good, &body[1..], false),
        ("old", "m1", now - 301, &signed(&ours, "m1", now - 301), body, false),
        ("from the future", "m1", now + 400, &signed(&ours, "m1", now + 400), body, false),
        ("somebody else's", "m1", now, &signed(&others, "m1", now), body, false),
        ("not signed", "m1", now, &String::new(), body, false),
    ] {
        let output = client.run(&["verify", id, &time_s.to_string(), signatures], body);
        assert_eq!(output.status.code(), Some(i32::from(!believed)), "{} on a message that is {what}: {output:?}", client.file.display());
    }
}
