//! `atelier audit`: is anything missing?
//!
//! Everything is reconciled from the log itself: each command offset with its one outcome, each outcome
//! with the events it says it caused, each order's versions, each pricing request with its job; then
//! the read models with what the events say. The equation at the end is
//! `accepted = done + failed + open`, once for commands and once for orders.

mod read_models;
mod report;
mod scan;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atelier_log::Log;
use atelier_projections::Store;

pub(crate) use report::Report;

use crate::Failure;
use crate::cli::AuditArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Audits and prints.
pub(crate) async fn run(settings: &Settings, args: &AuditArgs) -> Result<ExitCode, Failure> {
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let store = wiring::store(settings).await?;
    let report = audit(log, &store, Duration::from_secs(args.settle_s)).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.balances() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Audits the log and the read models. Waits at most `settle` for the read models to get to where the
/// log ends now; what is behind after that is named.
///
/// # Errors
/// When log or store do not answer.
pub(crate) async fn audit(log: Arc<dyn Log>, store: &Store, settle: Duration) -> Result<Report, Failure> {
    let mut scanned = tokio::task::spawn_blocking(move || scan::scan(log.as_ref())).await??;
    read_models::compare(store, &mut scanned, settle).await?;
    Ok(Report::new(scanned))
}
