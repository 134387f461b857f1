//! One signed POST: bounded in time and bytes, guarded, never redirected.
//!
//! The client is bare on purpose: it knows no proxies, follows no redirects and unpacks no bodies.

mod connect;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use connect::{Connector, Unreachable};
pub use connect::{Dial, Doing, Resolve, System};

use crate::guard::Guard;
use crate::{Secret, signature};

/// From the resolver to the last byte of the answer.
pub const TOTAL_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of an answer read before the connection is closed.
const READ_MAX: usize = 64 * 1024;
/// Bytes of an answer kept.
const KEPT_MAX: usize = 4 * 1024;
/// A connection that rests so long is closed.
const IDLE: Duration = Duration::from_secs(30);
/// Connections that rest, per host: as many as eight endpoints there have under way. With fewer, each message of a
/// busy host would open a connection and close it.
const IDLE_MAX: usize = 64;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// The endpoint.
    pub url: Arc<str>,
    /// `webhook-id`: the same at every attempt.
    pub id: Arc<str>,
    /// `webhook-timestamp`: seconds since 1970, of this attempt.
    pub timestamp_s: i64,
    /// Signed with each of these; two while a secret is being changed.
    pub secrets: Arc<[Secret]>,
    /// JSON.
    pub body: Bytes,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What came back.
    pub answer: Answer,
    /// From the beginning to the end.
    pub duration_ms: i64,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status, and the first bytes of the body as text.
    Status {
        /// HTTP.
        code: u16,
        /// At most 4 KiB.
        body: String,
        /// The header, in seconds or as a date.
        retry_after: Option<String>,
    },
    /// None; why, for people. It holds neither URL nor secret.
    None(String),
}

/// Sends messages. The seam for tests that need no network.
pub trait Transport: Send + Sync + 'static {
    /// Sends one; takes at most [`TOTAL_LIMIT`].
    fn send(&self, message: Message) -> Doing<Attempt>;
}

/// Certificates that cannot be trusted because they cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not certificates in PEM: {0}")]
pub struct BadRoots(String);

/// Sends over HTTP/1.1. Clones share the connections.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    limit: Duration,
}

impl Sender {
    /// A sender with the machine's resolver and network. The certificates in `pem` are trusted beside Mozilla's.
    ///
    /// # Errors
    /// [`BadRoots`].
    pub fn new(guard: Guard, pem: &[u8]) -> Result<Self, BadRoots> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| BadRoots(error.to_string()))?;
            roots.add(certificate).map_err(|error| BadRoots(error.to_string()))?;
        }
        if roots.is_empty() && !pem.is_empty() {
            return Err(BadRoots("there is none in it".into()));
        }
        Ok(Self::with(guard, roots, Arc::new(System), Arc::new(System), TOTAL_LIMIT))
    }

    /// The same over another resolver and network, with another limit on an attempt.
    pub fn with(guard: Guard, mut roots: RootCertStore, resolve: Arc<dyn Resolve>, dial: Arc<dyn Dial>, limit: Duration) -> Self {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring offers what rustls asks for")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = Connector { guard, resolve, dial, tls: TlsConnector::from(Arc::new(config)), limit };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .retry_canceled_requests(false)
            .http1_max_headers(100)
            .http1_max_buf_size(READ_MAX)
            .build(connector.clone());
        Self { client, connector, limit }
    }

    /// Whether messages may go to `text` now: the guard's words on the URL and on every address of its host.
    ///
    /// # Errors
    /// A sentence part for the partner: "leads to …", "cannot be resolved".
    pub async fn check(&self, text: &str) -> Result<String, String> {
        let url = self.connector.guard.url(text).map_err(|blocked| blocked.to_string())?;
        let (host, tls) = (url.host_str().unwrap_or_default(), url.scheme() == "https");
        let looked = self.connector.addresses(host, url.port_or_known_default().unwrap_or(443), tls);
        match tokio::time::timeout(self.limit, looked).await {
            Ok(Ok(_)) => Ok(url.into()),
            Ok(Err(Unreachable::Blocked(blocked))) => Err(blocked.to_string()),
            Ok(Err(_)) => Err("names a host that cannot be resolved".into()),
            Err(_) => Err("names a host that could not be resolved in time".into()),
        }
    }

    async fn attempt(self, message: Message) -> Attempt {
        let begun = Instant::now();
        let answer = match self.exchange(message, begun + self.limit).await {
            Ok(answer) => answer,
            Err(why) => Answer::None(why),
        };
        Attempt { answer, duration_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX) }
    }

    async fn exchange(&self, message: Message, end: Instant) -> Result<Answer, String> {
        // Again at every attempt: the rules may have changed since the URL was saved.
        let url = self.connector.guard.url(&message.url).map_err(|blocked| format!("the address {blocked}"))?;
        let uri: Uri = url.as_str().parse().map_err(|_| "the address is not a URL".to_owned())?;
        let request = Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("Atelier-Webhooks/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &*message.id)
            .header("webhook-timestamp", message.timestamp_s)
            .header("webhook-signature", signatures(&message))
            .body(Full::new(message.body))
            .map_err(|_| "the message cannot be written as a request".to_owned())?;
        let late = |_| format!("no answer within {} s", self.limit.as_secs_f32());
        let response = tokio::time::timeout_at(end, self.client.request(request)).await.map_err(late)?.map_err(|error| said(&error))?;
        let (head, mut body) = response.into_parts();
        let mut kept = Vec::new();
        let mut read = 0;
        // The status is the answer; a body that does not come, or not in time, takes nothing from it.
        while let Ok(Some(Ok(frame))) = tokio::time::timeout_at(end, body.frame()).await {
            let Some(data) = frame.data_ref() else { continue };
            read += data.len();
            kept.extend_from_slice(&data[..data.len().min(KEPT_MAX - kept.len())]);
            if read >= READ_MAX {
                break;
            }
        }
        Ok(Answer::Status { code: head.status.as_u16(), body: text(&kept), retry_after: retry_after(&head.headers) })
    }
}

impl Transport for Sender {
    fn send(&self, message: Message) -> Doing<Attempt> {
        Box::pin(self.clone().attempt(message))
    }
}

/// One signature per secret, separated by spaces.
fn signatures(message: &Message) -> String {
    let signed = message.secrets.iter().map(|secret| signature::sign(secret, &message.id, message.timestamp_s, &message.body));
    signed.collect::<Vec<_>>().join(" ")
}

/// The text of an answer; a column takes no NUL, and bytes that are no text show as such.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

fn retry_after(headers: &HeaderMap) -> Option<String> {
    headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).filter(|value| value.len() <= 64).map(ToOwned::to_owned)
}

/// Why the client has no answer, without the URL.
fn said(error: &hyper_util::client::legacy::Error) -> String {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(unreachable) = inner.downcast_ref::<Unreachable>() {
            return unreachable.to_string();
        }
        if let Some(http) = inner.downcast_ref::<hyper::Error>() {
            return match http {
                error if error.is_incomplete_message() => "the connection was closed before an answer came".into(),
                error if error.is_parse() => "the answer is not HTTP".into(),
                _ => "the connection broke".into(),
            };
        }
        source = inner.source();
    }
    "the connection broke".into()
}
