//! `atelier audit --every`: again and again, with metrics.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::past::Which;
use super::{Auditor, Report, print};
use crate::Failure;
use crate::cli::AuditArgs;
use crate::roles::ops;
use crate::wiring;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    /// `balanced`, `unbalanced`, `failed`.
    result: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// What the job tells about its audits.
#[derive(Clone, Default)]
struct Metrics {
    balanced: Gauge,
    problems: Family<Kind, Gauge>,
    last: Seconds,
    duration: Seconds,
    runs: Family<Ending, Counter>,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("atelier_audit_balanced", "1 when the last audit balanced, 0 when not", metrics.balanced.clone());
        registry.register("atelier_audit_problems", "Problems the last audit has named, by kind", metrics.problems.clone());
        registry.register("atelier_audit_last_seconds", "When the last audit ended that could tell, as Unix time", metrics.last.clone());
        registry.register("atelier_audit_duration_seconds", "How long it took", metrics.duration.clone());
        registry.register("atelier_audit_runs", "Audits by result: balanced, unbalanced, failed", metrics.runs.clone());
        metrics
    }

    fn ended(&self, result: &'static str) {
        self.runs.get_or_create(&Ending { result }).inc();
    }

    fn tell(&self, report: &Report, now_ms: i64) -> Result<(), Failure> {
        let mut kinds: BTreeMap<String, i64> = BTreeMap::new();
        for problem in report.problems.iter()? {
            *kinds.entry(problem?.kind.into_owned()).or_default() += 1;
        }
        self.balanced.set(i64::from(report.balances()));
        self.problems.clear();
        for (kind, count) in kinds {
            self.problems.get_or_create(&Kind { kind }).set(count);
        }
        self.last.set(now_ms as f64 / 1000.0);
        self.duration.set(report.seconds);
        self.ended(if report.balances() { "balanced" } else { "unbalanced" });
        Ok(())
    }
}

/// Audits, prints, pauses, until told to stop. The first run looks at all of the past, the later ones at a
/// share of it each. One that cannot tell is counted and tried again after the pause.
pub(super) async fn run(auditor: &Auditor, args: &AuditArgs, pause: Duration) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let registry = wiring::registry();
    let metrics = Metrics::register(&mut registry.lock().unwrap_or_else(PoisonError::into_inner));
    let ops = ops::ops(args.listen, auditor.log.clone(), registry, stop.clone()).await?;
    let clock = wiring::clock();
    tracing::info!(pause_s = pause.as_secs(), "auditing again and again");
    let mut which = Which::All;
    loop {
        let audited = tokio::select! {
            audited = auditor.audit(which, Arc::default()) => audited,
            // What is written so far is kept; the next run goes on from it.
            () = stop.cancelled() => break,
        };
        match audited {
            Ok(report) => {
                metrics.tell(&report, clock())?;
                print(args.json, &report)?;
                which = match which {
                    Which::All => Which::Share(0),
                    Which::Share(turn) => Which::Share(turn + 1),
                };
            }
            Err(error) => {
                metrics.ended("failed");
                tracing::error!(%error, "the audit could not tell; it tries again after the pause");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => break,
        }
    }
    ops::ended(ops).await?;
    Ok(ExitCode::SUCCESS)
}
