//! The partner's side of things: a client that asks until it is answered, and a receiver of messages that notes
//! what it is sent. They know nothing of ours.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::partners::box_file;
use crate::roles::{House, PATIENCE, Role, try_http_within};

/// How long a partner's client waits for an answer before it asks again.
const ASKED: Duration = Duration::from_secs(10);

/// By order: its messages' sequence numbers and ids.
pub(crate) type Messages = BTreeMap<String, Vec<(i64, String)>>;

/// What a receiver saw, in the order of arrival, by endpoint.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) arrivals: Mutex<BTreeMap<String, Messages>>,
    /// What was tried before.
    tried: Mutex<HashSet<(String, String)>>,
    pub(crate) count: AtomicU64,
    /// While true every POST is answered with 500 and not noted.
    pub(crate) refuses: AtomicBool,
}

/// Answers each POST: 200, or at a message's first attempt now and then 500, before or after it has noted it. (A
/// second failure would have to be waited for five minutes.)
fn receive(stream: TcpStream, seen: &Seen) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut path, mut id, mut length) = (String::new(), String::new(), String::new(), 0);
    while stream.read_line(&mut line).ok()? > 2 {
        let text = line.trim_end();
        if let Some(rest) = text.strip_prefix("POST ") {
            path = rest.split(' ').next()?.to_owned();
        } else if let Some((name, value)) = text.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "webhook-id" => id = value.to_owned(),
                _ => {}
            }
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let nth = seen.count.fetch_add(1, Ordering::SeqCst);
    let first = seen.tried.lock().unwrap().insert((path.clone(), id.clone()));
    let refuses = seen.refuses.load(Ordering::SeqCst);
    let (loses, lies) = (refuses || first && nth % 13 == 12, first && nth % 17 == 16);
    if !loses {
        let (order, sequence) = (body["data"]["order_id"].as_str()?.to_owned(), body["data"]["sequence"].as_i64()?);
        seen.arrivals.lock().unwrap().entry(path).or_default().entry(order).or_default().push((sequence, id));
    }
    let status = if loses || lies { "500 No" } else { "200 OK" };
    write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
}

pub(crate) fn start_receiver() -> (Arc<Seen>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = shared.clone();
            std::thread::spawn(move || receive(stream, &seen));
        }
    });
    (seen, url)
}

/// A partner's system: it asks until it has an answer.
pub(crate) struct Partner {
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Partner {
    /// With a key of its own, made from the command line.
    pub(crate) fn new(house: &House, name: &str, url: String) -> Self {
        let made = house.run(&["key", "create", "--partner", name, "--class", "large", "--json"]);
        assert!(made.status.success(), "{made:?}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        Self { url, key: made["key"].as_str().unwrap().to_owned() }
    }

    /// The answer, unless there is none now: the gateway is dead, or its database, or it wants a pause.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = try_http_within(ASKED, &self.url, method, path, &headers, body.as_bytes()).ok()?;
        let again = status >= 500 || status == 429;
        // It may have died in the middle of its answer.
        serde_json::from_str(&answer).ok().filter(|_| !again).map(|answer| (status, answer))
    }

    /// Asks until there is an answer.
    pub(crate) fn told(&self, roles: &mut [Role], method: &str, path: &str, body: &Value) -> (u16, Value) {
        let started = Instant::now();
        loop {
            if let Some(answer) = self.ask(method, path, body) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "no answer to {method} {path}; {}", said(roles));
            revive(roles);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An order that waits for its price to be accepted, and is cancelled instead.
    pub(crate) fn place(&self, roles: &mut [Role], number: u32) -> String {
        let order = json!({
            "reference": format!("N-{number}"),
            "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
            "model": {"base64": box_file(), "format": "stl"},
            "terms": {"approve": "quote"},
        });
        let (status, placed) = self.told(roles, "POST", "/partner/v1/orders", &order);
        assert!([200, 201, 202].contains(&status), "{status} {placed}");
        placed["order_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn cancel(&self, roles: &mut [Role], order: &str) {
        let path = format!("/partner/v1/orders/{order}/cancel");
        let (status, answer) = self.told(roles, "POST", &path, &json!({"reason": "enough"}));
        // Where the first answer was lost, it is cancelled already.
        assert!([200, 202, 409].contains(&status), "{status} {answer}");
    }

    /// Everything the feed says, and whether the last of every order is that it was cancelled.
    pub(crate) fn feed(&self, orders: usize) -> Option<(Messages, bool)> {
        let (mut all, mut last) = (Messages::new(), BTreeMap::new());
        let mut path = "/partner/v1/feed?limit=500".to_owned();
        loop {
            let (_, page) = self.ask("GET", &path, &Value::Null)?;
            let items = page["items"].as_array()?;
            if items.is_empty() {
                let done = last.len() == orders && last.values().all(|status| status == "CANCELLED");
                return Some((all, done));
            }
            for entry in items {
                let order = entry["order_id"].as_str()?.to_owned();
                last.insert(order.clone(), entry["status"].clone());
                all.entry(order).or_default().push((entry["sequence"].as_i64()?, entry["event_id"].as_str()?.to_owned()));
            }
            path = format!("/partner/v1/feed?limit=500&cursor={}", page["next"].as_str()?);
        }
    }
}

/// A role that starts while the database is dead says so and ends; what supervises it starts it again.
pub(crate) fn revive(roles: &mut [Role]) {
    for role in roles.iter_mut() {
        if !role.is_running() {
            role.kill_and_restart();
        }
    }
}

pub(crate) fn said(roles: &[Role]) -> String {
    roles.iter().map(Role::messages).collect::<Vec<_>>().join("\n---\n")
}
