//! `atelier pricing`: measures and prices.

use std::process::ExitCode;
use std::time::Duration;

use atelier_blobs::Blobs;
use atelier_log::client::Client;
use atelier_pricing::worker::Metrics;
use atelier_pricing::{Worker, WorkerConfig, WorkerHandle};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::Failure;
use crate::cli::PricingArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Runs one worker until told to stop; what it measures then is finished first.
pub(crate) async fn pricing(settings: &Settings, args: &PricingArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let log = wiring::log(settings, Access::Full).await?;
    let registry = wiring::registry();
    let client = Client::start(log.clone())?;
    let worker = {
        let mut registry = registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        start(settings, client, wiring::blobs(settings)?, args, &mut registry)?
    };
    let ops = super::ops::ops(args.role.listen, log, registry, stop.clone()).await?;
    tracing::info!("pricing started");
    stop.cancelled().await;
    worker.drain().await;
    super::ops::ended(ops).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a worker.
pub(crate) fn start(
    settings: &Settings,
    client: Client,
    blobs: Blobs,
    args: &PricingArgs,
    registry: &mut Registry,
) -> Result<WorkerHandle, Failure> {
    let name = args.worker.clone().unwrap_or_else(|| format!("pricing-{}", Uuid::new_v4().simple()));
    // A third of the lease: two heartbeats may get lost.
    let lease_ms = u64::try_from(crate::policy::policy(settings)?.pricing_lease_ms).unwrap_or(30_000);
    let metrics = Metrics::default();
    metrics.register(registry);
    let config = WorkerConfig {
        capacity: args.capacity,
        heartbeat: Duration::from_millis((lease_ms / 3).max(100)),
        slowdown: (args.slowdown_ms > 0).then(|| Duration::from_millis(args.slowdown_ms)),
        metrics,
        ..WorkerConfig::new(name)
    };
    Ok(Worker::start(config, client, blobs, wiring::price_book(settings)?, wiring::clock())?)
}
