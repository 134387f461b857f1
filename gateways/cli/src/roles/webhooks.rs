//! `atelier webhooks`: sends partners' messages.

use std::process::ExitCode;
use std::sync::Arc;

use atelier_log::Log;
use atelier_webhooks::{Handle, Limits, Metrics, Parts, Retention};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::Failure;
use crate::cli::RoleArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Sends until told to stop; what is under way then may take five seconds.
pub(crate) async fn webhooks(settings: &Settings, args: &RoleArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    // It appends nothing, so it works beside the process that has the embedded log.
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let store = wiring::webhooks_store(settings).await?;
    let registry = wiring::registry();
    let handle = {
        let mut registry = registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        start(settings, log.clone(), store, &mut registry)?
    };
    let ops = super::ops::ops(args.listen, log, registry, stop.clone()).await?;
    tracing::info!("webhooks started");
    stop.cancelled().await;
    handle.drain().await;
    super::ops::ended(ops).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts sending.
pub(crate) fn start(
    settings: &Settings,
    log: Arc<dyn Log>,
    store: atelier_store::Store,
    registry: &mut Registry,
) -> Result<Handle, Failure> {
    Ok(atelier_webhooks::start(Parts {
        store,
        log,
        transport: Arc::new(wiring::webhooks_sender(settings)?),
        clock: wiring::clock(),
        metrics: Metrics::register(registry),
        link_base: settings.public_url.clone(),
        limits: Limits::default(),
        retention: Retention::default(),
        late_ms: settings.webhook_late_ms(),
        name: Uuid::new_v4().to_string(),
    }))
}
