//! Serving HTTP: the gateway's surfaces, or only a role's own health and metrics.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atelier_blobs::Blobs;
use atelier_http::{App, Config, Limits, Metrics, StaffPolicy, Surface};
use atelier_log::client::Client;
use atelier_partners::Accounts;
use atelier_projections::Store;
use atelier_webhooks::Endpoints;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Failure;
use crate::settings::Settings;
use crate::wiring;

/// What a gateway is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) accounts: Accounts,
    pub(crate) webhooks: Endpoints,
    pub(crate) blobs: Blobs,
    pub(crate) registry: Arc<Mutex<Registry>>,
}

/// A gateway that listens.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

/// Binds and serves until `stop`.
///
/// # Errors
/// When the address is taken or not ours, or staff surfaces would be open to a network without a login.
pub(crate) async fn serve(
    settings: &Settings,
    listen: SocketAddr,
    surfaces: &[Surface],
    parts: Parts,
    config: Config,
    stop: CancellationToken,
) -> Result<Serving, Failure> {
    let config = Config {
        staff: StaffPolicy::for_surfaces(listen, surfaces)?,
        carrier_secret: config.carrier_secret.or(wiring::carrier_secret(settings)?),
        decide_limit: Duration::from_secs(u64::from(settings.decide_within_s)),
        undelivered_limit: Duration::from_secs(u64::from(settings.webhook_late_s)),
        ..config
    };
    let metrics = Metrics::register(&mut parts.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let app = App {
        client: parts.client,
        queries: parts.store.queries(),
        accounts: parts.accounts,
        webhooks: parts.webhooks,
        blobs: parts.blobs,
        clock: wiring::clock(),
        ids: Arc::new(Uuid::now_v7),
        // A system without randomness costs the one request that wanted a key, as any defect does.
        random: Arc::new(|| wiring::random_bytes().expect("the system gives random bytes")),
        config,
        metrics,
        stop: stop.clone(),
    };
    if surfaces.contains(&Surface::Carrier) {
        tokio::spawn(atelier_http::follow_parcels(app.clone()));
    }
    let router = atelier_http::router(app, surfaces, parts.registry);
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}; choose another address with --listen"))?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(atelier_http::serve(listener, router, Limits::default(), stop.cancelled_owned()));
    Ok(Serving { address, task })
}

impl Serving {
    /// Waits until the last answer is given.
    pub(crate) async fn join(self) -> Result<(), Failure> {
        Ok(self.task.await?)
    }
}
