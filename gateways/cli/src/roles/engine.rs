//! `atelier engine`: decides.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atelier_log::Log;
use atelier_runtime::checkpoint::Checkpoints;
use atelier_runtime::{Engine, EngineHandle, EngineSettings, Metrics, PolicyInForce};
use prometheus_client::registry::Registry;

use crate::Failure;
use crate::checkpoints::InBlobs;
use crate::cli::RoleArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// How often a running engine is asked whether it still runs.
const WATCH: Duration = Duration::from_millis(100);

/// Runs one engine until told to stop.
pub(crate) async fn engine(settings: &Settings, args: &RoleArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let log = wiring::log(settings, Access::Full).await?;
    let registry = wiring::registry();
    let policy = crate::policy::in_force(settings)?;
    let engine = start(settings, &policy, log.clone(), &mut registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner))?;
    let ops = super::ops::ops(args.listen, log, registry, stop.clone()).await?;
    tracing::info!("engine started");
    tokio::select! {
        () = stop.cancelled() => {}
        () = ended(&engine) => stop.cancel(),
    }
    engine.stop();
    tokio::task::spawn_blocking(move || engine.join()).await??;
    super::ops::ended(ops).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the engine's workers.
pub(crate) fn start(
    settings: &Settings,
    policy: &PolicyInForce,
    log: Arc<dyn Log>,
    registry: &mut Registry,
) -> Result<EngineHandle, Failure> {
    let checkpoints = match settings.checkpoint_every {
        0 => None,
        every_events => Some(Checkpoints { store: Arc::new(InBlobs::new(wiring::blobs(settings)?)), every_events }),
    };
    let defaults = EngineSettings::new(wiring::scratch(settings), policy.current().as_ref().clone());
    let engine = EngineSettings { instance: settings.instance.clone(), checkpoints, policy: policy.clone(), ..defaults };
    Ok(Engine::start(log, &engine, wiring::clock(), Metrics::register(registry))?)
}

/// Resolves when the engine has ended by itself.
pub(crate) async fn ended(engine: &EngineHandle) {
    while engine.is_running() {
        tokio::time::sleep(WATCH).await;
    }
}
