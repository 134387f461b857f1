//! The official client libraries believe our messages, also while a secret is being changed, and nobody else's.

use std::io::Write;
use std::process::{Command, Stdio};

use atelier_support::Clients;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::bed::{Bed, On};
use crate::{Secret, Wish};

const NODE: &str = r#"
const { Webhook } = require("standardwebhooks");
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(({ secret, headers, body }) => {
  try { return new Webhook(secret).verify(body, headers).type; } catch (error) { return "refused: " + error.name; }
})));
"#;

const PYTHON: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook
def verify(case):
    try:
        return Webhook(case["secret"]).verify(case["body"], case["headers"])["type"]
    except Exception as error:
        return "refused: " + type(error).__name__
print(json.dumps([verify(case) for case in json.load(sys.stdin)]))
"#;

/// What a client says to each case.
fn verdicts(mut command: Command, cases: &Value) -> Vec<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The headers and the body of one real delivery over HTTP.
async fn taken(listener: &TcpListener) -> (Value, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let (mut headers, mut line, mut length) = (serde_json::Map::new(), String::new(), 0);
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some((name, value)) = line.trim().split_once(": ") {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
            headers.insert(name.to_lowercase(), json!(value));
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
    (Value::Object(headers), String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn official_clients_believe_our_messages() {
    let clients = Clients::installed();
    let bed = Bed::new(On::Sqlite, "clients").await;
    // The clients look at their clock.
    bed.now.store(chrono::Utc::now().timestamp_millis(), std::sync::atomic::Ordering::SeqCst);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (endpoint, old) = bed.endpoints.create("north", Wish { url: Some(url), ..Wish::default() }).await.unwrap();
    let deliver = async || {
        let (tested, taken) = tokio::join!(bed.endpoints.test("north", endpoint.id), taken(&listener));
        assert!(tested.unwrap().delivered);
        taken
    };
    let (headers, body) = deliver().await;
    let (_, new) = bed.endpoints.rotate("north", endpoint.id, None).await.unwrap();
    let (both, rotated) = deliver().await;
    bed.endpoints.rotate("north", endpoint.id, Some(0)).await.unwrap();
    let (after, last) = deliver().await;
    let case = |secret: &Secret, headers: &Value, body: &str| json!({"secret": secret.reveal(), "headers": headers, "body": body});
    let mut late = headers.clone();
    late["webhook-timestamp"] = json!("1600000000");
    let cases = json!([
        case(&old, &headers, &body),
        case(&old, &both, &rotated),
        case(&new, &both, &rotated),
        case(&old, &after, &last),
        case(&new, &headers, &body),
        case(&old, &headers, &body.replace("webhook.test", "webhook.tesT")),
        case(&old, &late, &body),
    ]);
    for (client, command) in [("node", with(clients.node(), "-e", NODE)), ("python", with(clients.python(), "-c", PYTHON))] {
        let verdicts = verdicts(command, &cases);
        assert_eq!(verdicts[..3], ["webhook.test", "webhook.test", "webhook.test"], "{client}");
        assert_eq!(verdicts.len(), 7);
        assert!(verdicts[3..].iter().all(|verdict| verdict.starts_with("refused: WebhookVerificationError")), "{client}: {verdicts:?}");
    }
}

fn with(mut command: Command, flag: &str, script: &str) -> Command {
    command.args([flag, script]);
    command
}
