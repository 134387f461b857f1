//! Partners' endpoints over HTTP, and the document of messages.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use atelier_http::signature;
use atelier_support::Clients;
use serde_json::{Value, json};

use crate::house::{Answer, House};

const BASE: &str = "/partner/v1/webhooks";

/// A request with a key.
async fn ask(house: &House, key: &str, method: &str, path: &str, body: Value) -> Answer {
    house.by(key, method, path, &if body.is_null() { String::new() } else { body.to_string() }).await
}

#[tokio::test]
async fn an_endpoint_lives_through_its_partners_requests() {
    let house = House::new().await;
    let north = house.key("north").await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook?key=s3cret", listener.local_addr().expect("a port"));
    let made = ask(&house, &north, "POST", BASE, json!({"url": url, "events": ["order.held"], "description": "mine"})).await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let (id, secret) = (made.json()["id"].as_str().expect("an id").to_owned(), made.json()["secret"].clone());
    assert!(secret.as_str().is_some_and(|secret| secret.starts_with("whsec_")), "{}", made.text());
    let one = format!("{BASE}/{id}");
    let read = ask(&house, &north, "GET", &one, Value::Null).await.expect(200).json();
    assert_eq!((&read["state"], &read["events"], &read["secret"]), (&json!("ok"), &json!(["order.held"]), &Value::Null));
    assert_eq!(ask(&house, &north, "GET", BASE, Value::Null).await.expect(200).json()["items"], json!([read]));
    // A test message arrives, signed.
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut request = vec![0; 8192];
        let mut read = 0;
        // The body is an object in an object, and nothing comes after it.
        while !request[..read].ends_with(b"}}") {
            let more = stream.read(&mut request[read..]).expect("a request");
            assert!(more > 0, "the request breaks off");
            read += more;
        }
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 6\r\n\r\nthanks").expect("it takes an answer");
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let tested = ask(&house, &north, "POST", &format!("{one}/test"), Value::Null).await.expect(200).json();
    assert_eq!((&tested["delivered"], &tested["status"], &tested["answer"]), (&json!(true), &json!(202), &json!("thanks")));
    let request = receiver.join().expect("it received");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).expect(name).to_owned();
    let stamp: i64 = header("webhook-timestamp").parse().expect("seconds");
    let shared = atelier_http::Secret::parse(secret.as_str().expect("text")).expect("a secret");
    let believed = signature::verify(&shared, &header("webhook-id"), stamp, body.as_bytes(), &header("webhook-signature"), stamp);
    assert_eq!(believed, Ok(()));
    // Another secret, another state, no messages yet, and gone.
    let rotated = ask(&house, &north, "POST", &format!("{one}/rotate"), json!({"overlap_s": 60})).await.expect(200).json();
    assert!(rotated["old_secret_until"].is_string(), "{rotated}");
    let disabled = ask(&house, &north, "PATCH", &one, json!({"enabled": false})).await.expect(200).json();
    assert_eq!((&disabled["state"], &disabled["disabled_why"]), (&json!("disabled"), &json!("the partner disabled it")));
    let again = format!("{one}/resend");
    let since = json!({"since": "2026-01-01T00:00:00Z", "failed_only": true});
    ask(&house, &north, "POST", &again, since.clone()).await.refused(409, "endpoint_disabled", "Enable it first");
    ask(&house, &north, "PATCH", &one, json!({"enabled": true})).await.expect(200);
    assert_eq!(ask(&house, &north, "POST", &again, since).await.expect(202).json()["count"], 0);
    let log = ask(&house, &north, "GET", &format!("{one}/deliveries?state=given_up"), Value::Null).await.expect(200).json();
    assert_eq!(log, json!({"items": [], "next": null}));
    ask(&house, &north, "DELETE", &one, Value::Null).await.expect(204);
    ask(&house, &north, "GET", &one, Value::Null).await.refused(404, "unknown_endpoint", "lists yours");
}

#[tokio::test]
async fn what_is_asked_for_twice_under_one_key_is_made_once() {
    let house = House::new().await;
    let (north, south) = (house.key("north").await, house.key("south").await);
    let once = async |key: &str, path: &str, body: Value| {
        let mut request = crate::partner::request("POST", path, key, &body.to_string());
        request.headers_mut().insert("idempotency-key", "setup-1".parse().expect("a value"));
        house.call(request).await
    };
    let wish = json!({"url": "http://127.0.0.1:9/", "events": ["order.held"]});
    let made = once(&north, BASE, wish.clone()).await.expect(201);
    let again = once(&north, BASE, wish.clone()).await.expect(201);
    assert_eq!((again.json(), again.header("idempotent-replayed"), made.header("idempotent-replayed")), (made.json(), "true", ""));
    assert_eq!(again.header("cache-control"), "no-store");
    let other = once(&north, BASE, json!({"url": "http://127.0.0.1:9/"})).await;
    other.refused_field(422, "key_reused", "Idempotency-Key", "another payload");
    assert_ne!(once(&south, BASE, wish.clone()).await.expect(201).json()["id"], made.json()["id"]);
    assert_eq!(ask(&house, &north, "GET", BASE, Value::Null).await.expect(200).json()["items"].as_array().map(Vec::len), Some(1));
    let one = format!("{BASE}/{}", made.json()["id"].as_str().expect("an id"));
    ask(&house, &north, "POST", &format!("{one}/rotate"), Value::Null).await.expect(200);
    assert_eq!(once(&north, BASE, wish).await.expect(201).json()["secret"], Value::Null);

    // A key cannot be shown again: the one nobody got is revoked for another.
    let key = |answer: &Answer| answer.json()["key"].as_str().expect("a key").to_owned();
    let lost = key(&once(&north, "/partner/v1/keys", json!({})).await.expect(201));
    let got = key(&once(&north, "/partner/v1/keys", json!({})).await.expect(201));
    ask(&house, &lost, "GET", BASE, Value::Null).await.expect(401);
    ask(&house, &got, "GET", BASE, Value::Null).await.expect(200);
    let used = once(&north, "/partner/v1/keys", json!({})).await;
    used.refused_field(422, "key_reused", "Idempotency-Key", "which is in use");
}

#[tokio::test]
async fn nobody_without_a_key_and_nobody_elses() {
    let house = House::new().await;
    let (north, south) = (house.key("north").await, house.key("south").await);
    house.get(BASE).await.refused_field(401, "unauthenticated", "Authorization", "Bearer atl_…");
    let made = ask(&house, &north, "POST", BASE, json!({"url": "http://127.0.0.1:9/"})).await.expect(201).json();
    let one = format!("{BASE}/{}", made["id"].as_str().expect("an id"));
    for (method, path, body) in [
        ("GET", one.clone(), Value::Null),
        ("PATCH", one.clone(), json!({"enabled": false})),
        ("DELETE", one.clone(), Value::Null),
        ("POST", format!("{one}/test"), Value::Null),
        ("POST", format!("{one}/rotate"), Value::Null),
        ("POST", format!("{one}/resend"), json!({"since": "2026-01-01T00:00:00Z"})),
        ("GET", format!("{one}/deliveries"), Value::Null),
    ] {
        ask(&house, &south, method, &path, body).await.refused(404, "unknown_endpoint", "no such endpoint");
    }
    assert_eq!(ask(&house, &south, "GET", BASE, Value::Null).await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn a_wish_that_cannot_be_is_refused_by_its_field() {
    let house = House::new().await;
    let north = house.key("north").await;
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "https://169.254.169.254/latest/meta-data"}), "url"),
        (json!({"url": "https://2130706433.evil@10.0.0.1/"}), "url"),
        (json!({"url": "https://[::ffff:192.168.0.1]/"}), "url"),
        (json!({"url": "file:///etc/passwd"}), "url"),
        (json!({"url": "http://127.0.0.1:9/", "events": ["order.exploded"]}), "events"),
        (json!({"url": "http://127.0.0.1:9/", "secret": "mine"}), "secret"),
        (json!({"url": "http://127.0.0.1:9/", "description": "x".repeat(300)}), "description"),
    ] {
        let answer = ask(&house, &north, "POST", BASE, body.clone()).await;
        let problem = answer.refused(422, "invalid", field);
        assert!(problem["errors"][0]["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{body}");
    }
    let made = ask(&house, &north, "POST", BASE, json!({"url": "http://127.0.0.1:9/"})).await.expect(201).json();
    let again = format!("{BASE}/{}/resend", made["id"].as_str().expect("an id"));
    for body in
        [json!({}), json!({"since": "yesterday"}), json!({"failed_only": true}), json!({"event_id": made["id"], "failed_only": true})]
    {
        assert_eq!(ask(&house, &north, "POST", &again, body.clone()).await.status, 422, "{body}");
    }
    ask(&house, &north, "POST", &again, json!({"event_id": made["id"]})).await.refused(404, "unknown_endpoint", "");
}

/// The official parser takes the description of topics and webhooks, and knows all there is in it.
#[tokio::test]
async fn the_asyncapi_document_is_one() {
    const SCRIPT: &str = r#"
const { Parser } = require("@asyncapi/parser");
const { AvroSchemaParser } = require("@asyncapi/avro-schema-parser");
const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
parser.parse(require("fs").readFileSync(0, "utf8")).then(({ document, diagnostics }) => {
  const faults = diagnostics.filter((found) => found.severity === 0).map((found) => found.path.join(".") + ": " + found.message);
  const names = document ? document.allMessages().all().map((message) => message.name()).sort() : [];
  console.log(JSON.stringify({ faults, names }));
});
"#;
    let house = House::new().await;
    let document = house.get("/asyncapi.json").await.expect(200);
    assert_eq!(document.json(), atelier_http::asyncapi());
    let mut node = Clients::installed().node();
    let mut child = node.args(["-e", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
    child.stdin.take().expect("piped").write_all(&document.bytes).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(verdict["faults"], json!([]), "{verdict}");
    let mut expected = vec!["commands", "events", "outcomes", "pricing_jobs", "webhook.test"];
    expected.extend(atelier_projections::feed::TYPES);
    expected.sort_unstable();
    assert_eq!(verdict["names"], json!(expected));
}
