//! The HTTP API as the simulated people use it.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call while the gateway says that nothing was accepted.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// Calls one gateway.
#[derive(Clone)]
pub(super) struct Api {
    url: String,
    client: reqwest::Client,
    /// Without a limit on the whole of an answer.
    streaming: reqwest::Client,
    /// Every acknowledged command is written here, where it is given.
    acks: Option<Arc<Mutex<File>>>,
}

/// An answer that is no success.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{call}: {status} {detail}")]
pub(super) struct Refused {
    pub(super) call: String,
    pub(super) status: u16,
    pub(super) detail: String,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum As<'a> {
    /// A customer.
    Customer,
    /// Staff: name and role.
    Staff(&'a str, &'a str),
    /// A partner, by its key.
    Partner(&'a str),
}

impl Api {
    pub(super) fn new(url: String, acks: Option<File>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { url, client, streaming: reqwest::Client::new(), acks: acks.map(|file| Arc::new(Mutex::new(file))) })
    }

    pub(super) async fn get(&self, who: As<'_>, path: &str) -> Result<Value, Refused> {
        self.call(Method::GET, path, |request| staffed(request, who)).await
    }

    pub(super) async fn post(&self, who: As<'_>, path: &str, key: &str, body: &Value) -> Result<Value, Refused> {
        self.call(Method::POST, path, |request| staffed(request, who).header("Idempotency-Key", key).json(body)).await
    }

    pub(super) async fn delete(&self, who: As<'_>, path: &str) -> Result<(), Refused> {
        self.call(Method::DELETE, path, |request| staffed(request, who)).await.map(drop)
    }

    /// The body as it comes, for as long as it comes.
    pub(super) async fn lines(&self, path: &str) -> Result<impl futures::Stream<Item = reqwest::Result<bytes::Bytes>>, reqwest::Error> {
        let request = staffed(self.streaming.get(format!("{}{path}", self.url)), As::Staff("demo", "admin"));
        Ok(request.send().await?.error_for_status()?.bytes_stream())
    }

    pub(super) async fn put_model(&self, path: &str, key: &str, content_type: &str, bytes: &[u8]) -> Result<Value, Refused> {
        let build =
            |request: RequestBuilder| request.header("Idempotency-Key", key).header("Content-Type", content_type).body(bytes.to_vec());
        self.call(Method::PUT, path, build).await
    }

    /// A partner's file, before its order.
    pub(super) async fn upload(&self, who: As<'_>, content_type: &str, bytes: &[u8]) -> Result<Value, Refused> {
        let build = |request: RequestBuilder| staffed(request, who).header("Content-Type", content_type).body(bytes.to_vec());
        self.call(Method::POST, "/partner/v1/uploads", build).await
    }

    pub(super) async fn post_signed(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Value, Refused> {
        let build = |request: RequestBuilder| {
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            request.header("Content-Type", "application/json").body(body.to_vec())
        };
        self.call(Method::POST, path, build).await
    }

    fn acknowledged(&self, answer: &Value) -> std::io::Result<()> {
        let Some(file) = self.acks.as_ref().filter(|_| answer["order_id"].is_string()) else { return Ok(()) };
        let line = serde_json::json!({"order_id": answer["order_id"], "version": answer["version"], "status": answer["status"]});
        writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{line}")
    }

    /// Every call can be repeated: reads change nothing, writes carry a key.
    async fn call(&self, method: Method, path: &str, build: impl Fn(RequestBuilder) -> RequestBuilder) -> Result<Value, Refused> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = build(self.client.request(method.clone(), format!("{}{path}", self.url)));
            let refused = |status, detail| Refused { call: format!("{method} {path}"), status, detail };
            let (status, body) = match request.send().await {
                Ok(response) => (response.status(), response.bytes().await.unwrap_or_default()),
                Err(_) if tries < TRIES => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(refused(0, error.to_string())),
            };
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            match status {
                // Durable, not decided yet: the same call again tells.
                StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if tries < TRIES => {
                    tokio::time::sleep(PAUSE).await;
                }
                status if status.is_success() => {
                    if method != Method::GET {
                        self.acknowledged(&value).map_err(|error| refused(0, format!("the acknowledgement cannot be noted: {error}")))?;
                    }
                    return Ok(value);
                }
                status => {
                    let detail = value["detail"].as_str().unwrap_or_default().to_owned();
                    return Err(refused(status.as_u16(), detail));
                }
            }
        }
    }
}

fn staffed(request: RequestBuilder, who: As<'_>) -> RequestBuilder {
    match who {
        As::Customer => request,
        As::Staff(name, role) => request.header("X-Staff", format!("{name};{role}")),
        As::Partner(key) => request.bearer_auth(key),
    }
}
