//! What the handlers work with.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use atelier_blobs::Blobs;
use atelier_log::client::Client;
use atelier_partners::key::RANDOM_BYTES;
use atelier_partners::{Accounts, Limiter, Places};
use atelier_projections::{Queries, Undelivered};
use atelier_webhooks::Endpoints;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::problem::{Code, Refusal};
use crate::telemetry::Metrics;

/// What the composition root hands in.
#[derive(Clone)]
pub struct App {
    /// Sends commands and waits for their outcomes.
    pub client: Client,
    /// Answers from the read models.
    pub queries: Queries,
    /// Partners, their keys, and the switch of their lane.
    pub accounts: Accounts,
    /// Where partners' messages go.
    pub webhooks: Endpoints,
    /// Bytes of models and previews.
    pub blobs: Blobs,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Fresh ids for commands that bring no idempotency key.
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    /// Bytes nobody can foresee, for new keys.
    pub random: Arc<dyn Fn() -> [u8; RANDOM_BYTES] + Send + Sync>,
    /// Limits and policies.
    pub config: Config,
    /// What is counted.
    pub metrics: Metrics,
    /// Once cancelled, live streams end, so that a graceful shutdown does not wait for them.
    pub stop: CancellationToken,
}

/// The state of the router: the [`App`] and what is bounded across requests. Clones share it.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) app: App,
    /// What `/metrics` shows.
    pub(crate) registry: Arc<Mutex<Registry>>,
    /// How often each partner has asked, and its sandbox.
    pub(crate) limiter: Limiter,
    /// How many requests of each partner are under way.
    pub(crate) places: Places,
    /// One permit per open live stream.
    streams: Arc<Semaphore>,
    /// One permit per reader of the log.
    readers: Arc<Semaphore>,
    /// One probe of the log at a time: a log that hangs must not eat the blocking threads.
    pub(crate) log_probe: Arc<Semaphore>,
}

impl Gateway {
    pub(crate) fn new(app: App, registry: Arc<Mutex<Registry>>) -> Self {
        let (streams, readers) = (app.config.max_streams, app.config.max_readers);
        Self(Arc::new(Inner {
            app,
            registry,
            limiter: Limiter::default(),
            places: Places::default(),
            streams: Arc::new(Semaphore::new(streams)),
            readers: Arc::new(Semaphore::new(readers)),
            log_probe: Arc::new(Semaphore::new(1)),
        }))
    }

    /// What does not arrive at partners, and whether there is more; `None` when nobody can tell, which the log then says.
    pub(crate) async fn undelivered(&self) -> Option<(Vec<Undelivered>, bool)> {
        let late_ms = i64::try_from(self.app.config.undelivered_limit.as_millis()).unwrap_or(i64::MAX);
        let found = self.app.webhooks.undelivered(late_ms).await;
        found.inspect_err(|error| tracing::warn!(%error, "nobody can tell which messages do not arrive")).ok()
    }

    /// A place among the live streams, given back when dropped.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        permit(&self.streams, self.app.config.max_streams, "live streams")
    }

    /// A place among the readers of the log, given back when dropped.
    pub(crate) fn reader_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        permit(&self.readers, self.app.config.max_readers, "readers of the event log")
    }
}

impl Deref for Gateway {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

fn permit(semaphore: &Arc<Semaphore>, limit: usize, what: &str) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(semaphore).try_acquire_owned().map_err(|_| {
        Refusal::new(Code::Busy, format!("All {limit} {what} of this gateway are taken. Try again in a moment.")).retry_after_s(5)
    })
}
