//! The clients in `examples/`, run as their readers would run them, against the real program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atelier_http::{Secret, signature};
use atelier_support::free_port;
use serde_json::{Value, json};

use crate::partners::{box_stl, by, made};
use crate::roles::{House, PATIENCE, http};
use crate::servers::{Settings, on_servers};

/// Each with the program that runs it.
const CLIENTS: [(&str, &str); 3] = [("python3", "partner.py"), ("node", "partner.mjs"), ("bash", "partner.sh")];
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhlIGV4YW1wbGVzLCAzMiBieXRlcyE=";

#[derive(Clone, Copy)]
struct Client<'t> {
    program: &'static str,
    file: &'t Path,
    folder: &'t Path,
    url: &'t str,
    key: &'t str,
    /// Of its endpoint.
    secret: &'t str,
}

impl Client<'_> {
    fn spawn(&self, args: &[&str]) -> Child {
        Command::new(self.program)
            .arg(self.file)
            .args(args)
            .current_dir(self.folder)
            .env("ATELIER_URL", self.url)
            .env("ATELIER_KEY", self.key)
            .env("ATELIER_WEBHOOK_SECRET", self.secret)
            .env("ATELIER_STATE", self.state())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} is needed by this test: {error}", self.program))
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.spawn(args);
        // A client that looks at nothing of it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// Where it keeps what it has learned.
    fn state(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.program))
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
    run(vec![]);
}

#[test]
fn the_examples_do_the_same_on_kafka_and_postgresql() {
    run(on_servers("examples"));
}

fn run(mut settings: Settings) {
    let folder = tempfile::tempdir().unwrap();
    settings.push(("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".to_owned()));
    let house = House { data: folder.path().to_owned(), settings };
    let keys = CLIENTS.map(|(program, _)| made(&house, &["key", "create", "--partner", program, "--sandbox", "--json"]));
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let model = folder.path().join("box.stl");
    std::fs::write(&model, box_stl()).unwrap();
    let model = model.to_str().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
    for ((program, file), key) in CLIENTS.into_iter().zip(&keys) {
        let key = key["key"].as_str().unwrap();
        let path = examples.join(file);
        let client = Client { program, file: &path, folder: folder.path(), url: &url, key, secret: SECRET };
        let (address, messages) = receiver();
        let endpoint = client.told(&["subscribe", &address]).remove(0);
        assert_eq!(client.told(&["subscribe", &address]), std::slice::from_ref(&endpoint), "{file}: the same address is the same endpoint");

        // Bash has no server.
        let listening = (program != "bash").then(|| Listening::start(&client));

        // Answers get lost, and one says nothing yet: the call is sent again, and is the same order.
        let place = ["place", model, "PO;17, again", "100000.00"];
        let faulty = faulty(&url);
        let placed = Client { url: &faulty, ..client }.told(&place);
        assert_eq!(client.told(&place), placed, "{file}: the same reference is the same order");
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
        believes(&Client { secret: endpoint["secret"].as_str().unwrap(), ..client }, &messages);
        if let Some(listening) = listening {
            listening.has_heard(&client);
        }
        disagrees_about_many(&client);
    }
    assert!(up.end(), "{}", up.messages());
}

/// What Atelier has sent is believed, as it was sent and when it came.
fn believes(client: &Client<'_>, messages: &Receiver<Message>) {
    let Message { id, timestamp, signatures, body } = messages.recv_timeout(PATIENCE).expect("a message comes");
    assert!(String::from_utf8_lossy(&body).contains("order."), "{}", String::from_utf8_lossy(&body));
    for (what, secret, body, believed) in [
        ("as it came", client.secret, &body[..], true),
        ("changed", client.secret, &body[1..], false),
        ("another's", SECRET, &body[..], false),
    ] {
        let output = Client { secret, ..*client }.run(&["verify", &id, &timestamp, &signatures], body);
        assert_eq!(output.status.code(), Some(i32::from(!believed)), "{} on a message {what}: {output:?}", client.file.display());
    }
}

/// A client that listens for messages of its own.
struct Listening {
    child: Child,
    url: String,
    heard: Receiver<String>,
}

impl Listening {
    fn start(client: &Client<'_>) -> Self {
        let port = free_port().to_string();
        let url = format!("http://127.0.0.1:{port}");
        let endpoint = client.told(&["subscribe", &format!("{url}/atelier")]).remove(0);
        let secret = endpoint["secret"].as_str().unwrap();
        let mut child = Client { secret, ..*client }.spawn(&["receive", &port]);
        let (sender, heard) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port.parse().unwrap())).is_err() {
            assert!(started.elapsed() < PATIENCE, "{} never listens", client.file.display());
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, url, heard }
    }

    /// What Atelier has sent, and nothing of what somebody else sends.
    fn has_heard(&self, client: &Client<'_>) {
        let line = self.heard.recv_timeout(PATIENCE).expect("a message comes");
        let message: Value = serde_json::from_str(&line).unwrap();
        assert!(message["type"].as_str().is_some_and(|kind| kind.starts_with("order.")), "{}: {line}", client.file.display());
        let now = now_s().to_string();
        let others = signature::sign(&Secret::parse(SECRET).unwrap(), "m1", now_s(), line.as_bytes());
        for headers in [&[][..], &[("webhook-id", "m1"), ("webhook-timestamp", &now), ("webhook-signature", &others)]] {
            assert_eq!(http(&self.url, "POST", "/atelier", headers, line.as_bytes()).0, 401, "{}", client.file.display());
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// More orders than one question takes, none of which is known.
fn disagrees_about_many(client: &Client<'_>) {
    let orders: serde_json::Map<String, Value> =
        (0..1001_u128).map(|number| (uuid::Uuid::from_u128(number << 64 | 7).to_string(), json!(1))).collect();
    std::fs::write(client.state(), json!({"cursor": null, "orders": orders}).to_string()).unwrap();
    let output = client.run(&["reconcile"], b"");
    let text = String::from_utf8_lossy(&output.stdout);
    let unknown = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["unknown"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!((output.status.code(), unknown), (Some(1), 1001), "{}: {output:?}", client.file.display());
}

/// What a partner's endpoint gets.
struct Message {
    id: String,
    timestamp: String,
    signatures: String,
    body: Vec<u8>,
}

/// A partner's endpoint: its address, and what arrives there.
fn receiver() -> (String, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/atelier", listener.local_addr().unwrap());
    let (sender, messages) = channel();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(|stream| drop(received(stream, &sender))));
    (address, messages)
}

/// One request, answered with 204.
fn received(stream: TcpStream, messages: &Sender<Message>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    let mut message = Message { id: String::new(), timestamp: String::new(), signatures: String::new(), body: Vec::new() };
    while stream.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or_default(),
                "webhook-id" => message.id = value.to_owned(),
                "webhook-timestamp" => message.timestamp = value.to_owned(),
                "webhook-signature" => message.signatures = value.to_owned(),
                _ => {}
            }
        }
        line.clear();
    }
    message.body.resize(length, 0);
    stream.read_exact(&mut message.body)?;
    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    // The test may have seen enough.
    let _ = messages.send(message);
    Ok(())
}

/// Stands before a gateway. What it passes on is carried out; but the first answer is lost, the second breaks off, the third
/// is a 202. From the fourth on all is well.
fn faulty(gateway: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = gateway.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for (nth, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let gateway = TcpStream::connect(&gateway).unwrap();
            std::thread::spawn(move || drop(pass(nth, client, gateway)));
        }
    });
    url
}

fn pass(nth: usize, mut client: TcpStream, mut gateway: TcpStream) -> std::io::Result<()> {
    let (mut asking, mut asked) = (client.try_clone()?, gateway.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut asking, &mut asked);
        // The gateway need not wait for more.
        let _ = asked.shutdown(Shutdown::Both);
    });
    let mut answer = vec![0; 64 * 1024];
    loop {
        let length = gateway.read(&mut answer)?;
        match nth {
            0 => {}
            1 => client.write_all(&answer[..length.saturating_sub(20)])?,
            2 => client.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")?,
            _ => client.write_all(&answer[..length])?,
        }
        if nth < 3 || length == 0 {
            return client.shutdown(Shutdown::Both);
        }
    }
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
