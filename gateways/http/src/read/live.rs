//! Live streams: a reader is told at once when what it looks at changes (server-sent events).
//!
//! A stream asks its question again whenever a read model has moved, and every few seconds in any
//! case, and sends the answer when it differs. Between answers comment lines keep the connection
//! open. Nothing is queued: a slow reader gets the latest answer, not every one in between.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// Comment lines, so that proxies keep the connection and gone readers are noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes that come together are answered together.
const GATHER: Duration = Duration::from_millis(50);
/// The question is asked again after this long even if nothing was announced.
const AT_LEAST: Duration = Duration::from_secs(3);

/// A bounded place for a live stream, and the news that something changed.
pub(crate) struct Live {
    gateway: Gateway,
    changes: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

/// What a question was answered with.
pub(crate) struct Answer {
    /// Name of the event.
    name: &'static str,
    /// What the reader brings back as `Last-Event-ID`.
    id: Option<String>,
    /// JSON.
    data: String,
    /// Nothing follows it.
    last: bool,
}

impl Answer {
    pub(crate) fn new(name: &'static str, value: &impl Serialize) -> Result<Self, Refusal> {
        let data = serde_json::to_string(value).map_err(|_| Refusal::new(Code::Internal, "The answer could not be written."))?;
        Ok(Self { name, id: None, data, last: false })
    }

    pub(crate) fn id(mut self, id: i64) -> Self {
        self.id = Some(id.to_string());
        self
    }

    pub(crate) fn last_if(mut self, last: bool) -> Self {
        self.last = last;
        self
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.data.hash(&mut hasher);
        hasher.finish()
    }

    fn into_event(self) -> Event {
        let event = Event::default().event(self.name).data(self.data);
        match self.id {
            Some(id) => event.id(id),
            None => event,
        }
    }
}

impl Live {
    /// Takes a place among the streams.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub(crate) fn open(gateway: &Gateway) -> Result<Self, Refusal> {
        let place = gateway.stream_permit()?;
        Ok(Self { gateway: gateway.clone(), changes: gateway.app.queries.changes(), _place: place })
    }

    /// Waits for news; `false` when the gateway is stopping.
    async fn changed(&mut self) -> bool {
        let stop = self.gateway.app.stop.clone();
        let news = async {
            if tokio::time::timeout(AT_LEAST, self.changes.changed()).await.is_ok_and(|changed| changed.is_err()) {
                // Whoever announces changes is gone (a shutdown, or another process feeds the store).
                tokio::time::sleep(AT_LEAST).await;
            }
            tokio::time::sleep(GATHER).await;
        };
        tokio::select! {
            () = stop.cancelled() => false,
            () = news => true,
        }
    }
}

/// The stream: `ask` is put at once and after every change, and its answer sent when it is another
/// one. A question that fails is put again later; the reader keeps what it has.
pub(crate) fn event_stream<A, F>(live: Live, ask: A) -> Response
where
    A: Fn() -> F + Send + 'static,
    F: Future<Output = Result<Answer, Refusal>> + Send,
{
    struct State<A> {
        live: Live,
        ask: A,
        asked: bool,
        ended: bool,
        sent: Option<u64>,
    }
    let state = State { live, ask, asked: false, ended: false, sent: None };
    let events = futures::stream::unfold(state, |mut state| async move {
        loop {
            if state.ended || (state.asked && !state.live.changed().await) {
                return None;
            }
            state.asked = true;
            let Ok(answer) = (state.ask)().await else { continue };
            let digest = answer.digest();
            if state.sent == Some(digest) {
                continue;
            }
            state.sent = Some(digest);
            state.ended = answer.last;
            return Some((Ok::<_, Infallible>(answer.into_event()), state));
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here")).into_response()
}
