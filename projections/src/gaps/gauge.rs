//! Counts the open gaps for the scrape.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atelier_log::Log;
use atelier_schemas::TimeMs;
use tokio::sync::watch;

use super::{BEHIND_AFTER, Cause, Found};
use crate::{Error, Metrics, Queries, Store};

const EVERY: Duration = Duration::from_secs(5);

/// Counts until told to stop. The store is asked, not this process's events: several processes feed it.
pub(crate) async fn keep_counting(store: Store, log: Arc<dyn Log>, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    let queries = store.queries();
    loop {
        let found = look(&queries, log.clone()).await;
        // What does not arrive is seen in the webhooks' store, and told by those who send; parcels nobody knows lie with the
        // accounts, and are told by the gateways for carriers.
        let mut unknown = vec![Cause::WebhookUndelivered, Cause::UnknownParcel];
        if found.is_err() {
            unknown.extend([Cause::ProjectionBehind, Cause::NoEngine]);
        }
        match queries.open_gaps(&found.unwrap_or_default()).await {
            Ok(open) => metrics.gaps(&open, &unknown),
            Err(_) => metrics.gaps_are_unknown(),
        }
        // An error says that nobody is left to stop it, which is a stop.
        if !matches!(tokio::time::timeout(EVERY, stop.wait_for(|stop| *stop)).await, Err(_elapsed)) {
            return;
        }
    }
}

async fn look(queries: &Queries, log: Arc<dyn Log>) -> Result<Found, Error> {
    let progress = queries.progress().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let now = TimeMs::try_from(now).unwrap_or(TimeMs::MAX);
    let looking = tokio::task::spawn_blocking(move || Found::at(log.as_ref(), &progress, now, BEHIND_AFTER));
    looking.await.unwrap_or_else(|error| Err(Error::Broken(error.to_string())))
}
