//! `atelier projections`: feeds the read models.

use std::process::ExitCode;

use atelier_projections::{Metrics, Model, Runner};

use crate::Failure;
use crate::cli::RoleArgs;
use crate::policy;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Runs the read models until told to stop.
pub(crate) async fn projections(settings: &Settings, args: &RoleArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let log = wiring::log(settings, Access::Full).await?;
    let store = wiring::store(settings).await?;
    let registry = wiring::registry();
    let metrics = Metrics::register(&mut registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let keep = policy::keep(policy::in_force(settings)?);
    let runner = Runner::keeping(store, log.clone(), Model::ALL, metrics, keep);
    let ops = super::ops::ops(args.listen, log, registry, stop.clone()).await?;
    tracing::info!("projections started");
    stop.cancelled().await;
    runner.drain().await;
    super::ops::ended(ops).await?;
    Ok(ExitCode::SUCCESS)
}
