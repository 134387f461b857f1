//! `atelier audit`: is anything missing?
//!
//! Everything is reconciled from the log itself: each command offset with its one outcome, each outcome
//! with the events it says it caused, each order's versions, each pricing request with its job
//! ([`partition`], [`ledger`], [`scan`]); then every row of every read model with what the log says, both
//! ways ([`read_models`], [`rows_of_outcomes`], [`orders`]); then partners' messages with the events they tell
//! of, both ways ([`webhooks`], [`strays`]). The equation at the end is
//! `accepted = done + failed + open`, once for commands and once for orders.
//!
//! What it learns lies in a file ([`books`]); memory does not grow with the log, but for two bytes per
//! command of the week that the outcomes are kept. With `--state` the next run goes on from there; the
//! hashes of what was audited ([`chain`]) are held against the log again ([`past`]), so that the past
//! cannot be altered unseen.

mod answers;
mod books;
mod chain;
mod ends;
mod every;
mod ledger;
mod newer;
mod orders;
mod partition;
mod past;
mod problem;
mod progress;
mod read_models;
mod report;
mod rows_of_outcomes;
mod scan;
mod shown;
mod strays;
mod stream;
mod webhooks;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_projections::Store;
use serde::Serialize;

use books::{Books, Of};
use past::Which;
pub(crate) use report::Report;
use report::{Equation, PartitionReport, Problems};
use scan::Scanned;
use webhooks::Webhooks;

use crate::Failure;
use crate::cli::AuditArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Audits and prints.
pub(crate) async fn run(settings: &Settings, args: &AuditArgs) -> Result<ExitCode, Failure> {
    let log = wiring::log(settings, Access::ReadOnly).await?;
    if let Some(state) = &args.verify {
        let books = Arc::new(Books::existing(state, log.partitions())?);
        let progress = progress::Progress::start();
        let counter = progress.counter();
        let verified = tokio::task::spawn_blocking(move || past::verify(log.as_ref(), &books, &counter)).await??;
        progress.end();
        print(args.json, &verified)?;
        return Ok(code(verified.intact));
    }
    let store = if args.log_only { None } else { Some(wiring::store(settings).await?) };
    let books = Arc::new(match &args.state {
        Some(folder) => Books::at(folder, log.partitions())?,
        None => Books::temporary(log.partitions())?,
    });
    let webhooks = if args.log_only { None } else { wiring::webhooks_store_if_any(settings).await? };
    let auditor = Auditor { log, store, webhooks, books, settle: Duration::from_secs(args.settle_s) };
    if let Some(pause) = args.every {
        return every::run(&auditor, args, pause).await;
    }
    let progress = progress::Progress::start();
    let report = auditor.audit(Which::All, progress.counter()).await;
    progress.end();
    let report = report?;
    print(args.json, &report)?;
    Ok(code(report.balances()))
}

fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// For people, or as one JSON document.
fn print(json: bool, answer: &(impl Serialize + std::fmt::Display)) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, answer)?;
        writeln!(out)?;
    } else {
        write!(out, "{answer}")?;
    }
    Ok(out.flush()?)
}

/// Audits the log, the read models and what `webhooks` holds from the beginning. Waits at most `settle` for the read models to get
/// to where the log ends now; what is behind after that is named.
///
/// # Errors
/// When log or store do not answer, or there is no temporary folder.
pub(crate) async fn audit(
    log: Arc<dyn Log>,
    store: &Store,
    webhooks: Option<atelier_store::Store>,
    settle: Duration,
) -> Result<Report, Failure> {
    let books = Arc::new(Books::temporary(log.partitions())?);
    let auditor = Auditor { log, store: Some(store.clone()), webhooks, books, settle };
    auditor.audit(Which::All, Arc::default()).await
}

/// What is audited, and where the books are kept.
struct Auditor {
    log: Arc<dyn Log>,
    /// `None`: the read models are left out.
    store: Option<Store>,
    /// `None`: partners' messages are left out.
    webhooks: Option<atelier_store::Store>,
    books: Arc<Books>,
    settle: Duration,
}

impl Auditor {
    /// Audits what is new since the last time, and `which` of what is not.
    async fn audit(&self, which: Which, progress: Arc<AtomicU64>) -> Result<Report, Failure> {
        let started = Instant::now();
        let (log, books) = (self.log.clone(), self.books.clone());
        let scanned = tokio::task::spawn_blocking(move || scan::scan(log.as_ref(), &books, which, &progress)).await??;
        let read_models = match &self.store {
            Some(store) => read_models::compare(self.log.as_ref(), store, &self.books, &scanned.ends, self.settle).await?,
            None => Default::default(),
        };
        let webhooks = match &self.webhooks {
            Some(store) => webhooks::compare(&self.log, store, &self.books, &scanned.ends, self.settle).await?,
            None => Webhooks::LeftOut("their store was not asked for, or there is none"),
        };
        let (log, books) = (self.log.clone(), self.books.clone());
        let totals = tokio::task::spawn_blocking(move || orders::count(log.as_ref(), &books)).await??;
        if let Some(store) = &self.store {
            orders::compare_counts(self.log.as_ref(), &store.queries(), &self.books, &totals).await?;
        }
        self.report(&scanned, totals.equation(), read_models, webhooks, started)
    }

    fn report(
        &self,
        scanned: &Scanned,
        orders: Equation,
        read_models: std::collections::BTreeMap<&'static str, u64>,
        webhooks: Webhooks,
        started: Instant,
    ) -> Result<Report, Failure> {
        let mut commands = Equation { accepted: scanned.undecided, done: 0, failed: 0, open: scanned.undecided };
        let (mut repeated_commands, mut events, mut pricing_jobs) = (0, 0, 0);
        let mut partitions = Vec::new();
        for (partition, from) in (0..).zip(&scanned.from) {
            let summary = self.books.summary(partition)?;
            commands.accepted += summary.counts.commands;
            commands.done += summary.counts.applied;
            commands.failed += summary.counts.refused;
            repeated_commands += summary.counts.repeated;
            events += summary.counts.events;
            pricing_jobs += summary.counts.pricing_jobs;
            let events_sha256 = chain::hex(&summary.chain.head);
            partitions.push(PartitionReport { partition, from: *from, to: summary.next, events_sha256 });
        }
        let problems = Problems::of(&self.books, &[Of::Log, Of::Run]);
        let balanced = problems.count()? == 0 && commands.holds() && orders.holds();
        Ok(Report {
            balanced,
            commands,
            orders,
            repeated_commands,
            events,
            events_before: scanned.events_before,
            pricing_jobs,
            read_models,
            webhooks,
            partitions,
            seconds: started.elapsed().as_secs_f64(),
            peak_memory_bytes: progress::peak_memory_bytes(),
            problems,
        })
    }
}
