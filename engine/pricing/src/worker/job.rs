//! One job, from the question for its attempt to the last answer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use atelier_schemas::{CommandData, PricingJob, Quote};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument;

use super::Shared;
use super::ask::Answered;
use super::intake::Claim;
use super::measuring::{Progress, price};
use super::metrics::{Ended, Metrics};
use crate::failure::Failure;

/// A place among the jobs that ask and measure, while the job has it.
type Slot = Option<Arc<OwnedSemaphorePermit>>;

/// Runs a job in a span of its own and counts how it ended. It keeps its `place` to the end.
pub(super) async fn run(shared: Arc<Shared>, mut job: PricingJob, claim: Claim, slot: OwnedSemaphorePermit, place: OwnedSemaphorePermit) {
    let span = tracing::info_span!("pricing_job", order_id = %job.order_id, attempt = job.attempt, correlation_id = %job.correlation_id, worker = shared.config.name);
    async {
        let mut counted = Counted { metrics: &shared.config.metrics, ended: Ended::Broken };
        counted.ended = steps(&shared, &mut job, claim, Some(Arc::new(slot))).await;
    }
    .instrument(span)
    .await;
    drop(place);
}

/// Counts when it goes, so that a job that breaks off is counted too.
struct Counted<'a> {
    metrics: &'a Metrics,
    ended: Ended,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.count(self.ended);
    }
}

async fn steps(shared: &Arc<Shared>, job: &mut PricingJob, claim: Claim, mut slot: Slot) -> Ended {
    let repeated = match answered(shared, &mut slot, ask_for(shared, job)).await {
        Answered::Accepted { repeated } => repeated,
        Answered::Refused { code, detail, .. } => {
            tracing::info!(code, detail, "the attempt was not granted; skipped");
            claim.decided();
            return Ended::Skipped;
        }
        Answered::Nothing(why) => {
            // The claim is dropped undecided: the job comes again.
            tracing::warn!(why, "nobody granted the attempt; left to other workers");
            return Ended::Unanswered;
        }
    };
    claim.decided();
    let _running = Running::new(&shared.config.metrics, shared.waited_seconds(job));
    let progress = Progress::default();
    let measured = async {
        let slot = slot_of(shared, &mut slot).await;
        price(shared, job, &progress, slot).await
    };
    let result = tokio::select! {
        biased;
        result = measured => result,
        why = lease_lost(shared, job, &progress.percent, repeated) => {
            tracing::warn!(why, "the lease is lost; the job is dropped, the next attempt belongs to the engine");
            return Ended::Abandoned;
        }
    };
    answered(shared, &mut slot, finish(shared, job, result)).await
}

/// Waits for what the engine answers, without the slot when that takes long.
async fn answered<T>(shared: &Shared, slot: &mut Slot, asking: impl Future<Output = T>) -> T {
    let mut asking = pin!(asking);
    tokio::select! {
        biased;
        answered = &mut asking => return answered,
        () = tokio::time::sleep(shared.config.command_wait) => {}
    }
    *slot = None;
    asking.await
}

/// The job's slot, or the next one that is free.
async fn slot_of(shared: &Shared, slot: &mut Slot) -> Arc<OwnedSemaphorePermit> {
    match slot {
        Some(slot) => slot.clone(),
        none => {
            let free = shared.slots.clone().acquire_owned().await.expect("nobody closes the slots");
            none.insert(Arc::new(free)).clone()
        }
    }
}

/// Asks for the job's attempt. Where that is over because nobody took it in time, the one that is free for the same work
/// becomes the job's: whichever dispatch of an order comes to its turn first, it is priced then.
async fn ask_for(shared: &Shared, job: &mut PricingJob) -> Answered {
    let mut answered = ask_once(shared, job, "accept").await;
    let dispatched = job.attempt;
    while let Answered::Refused { free: Some(free), .. } = answered
        && free > job.attempt
    {
        tracing::info!(attempt = free, "an earlier dispatch of the same work; the attempt that is free is asked for");
        job.attempt = free;
        tracing::Span::current().record("attempt", free);
        // A command of its own: the free attempt's own job may lie with this worker too, and must not get this answer again.
        answered = ask_once(shared, job, &format!("accept/{dispatched}")).await;
    }
    answered
}

/// Asks for an attempt until it is decided; a draining worker stops asking.
async fn ask_once(shared: &Shared, job: &PricingJob, step: &str) -> Answered {
    let data = CommandData::AcceptPricing { attempt: job.attempt, worker: shared.config.name.clone() };
    let command = shared.command(job, step, data);
    let give_up = async {
        shared.drained().await;
        // An answer that is already on its way is still worth having: the lease would be lost otherwise.
        tokio::time::sleep(shared.config.command_wait).await;
    };
    tokio::select! {
        biased;
        answered = shared.ask(&command, None) => answered,
        () = give_up => Answered::Nothing("the worker is draining".to_owned()),
    }
}

/// Sends heartbeats; returns only once one is refused.
async fn lease_lost(shared: &Shared, job: &PricingJob, percent: &AtomicI32, at_once: bool) -> String {
    let start = if at_once { Instant::now() } else { Instant::now() + shared.config.heartbeat };
    // The first one goes out at once where the grant is an old answer: its lease may be over already.
    let mut beats = tokio::time::interval_at(start, shared.config.heartbeat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for beat in 0_u64.. {
        beats.tick().await;
        let data = CommandData::HeartbeatPricing {
            attempt: job.attempt,
            worker: shared.config.name.clone(),
            progress_percent: percent.load(Ordering::Relaxed),
        };
        // The time is in the id: after a restart, beat 0 is another command and extends the lease again.
        let step = format!("heartbeat/{}/{beat}", (shared.clock)());
        match shared.ask(&shared.command(job, &step, data), None).await {
            Answered::Accepted { .. } => {}
            Answered::Refused { code, detail, .. } => return format!("{code}: {detail}"),
            Answered::Nothing(why) => tracing::warn!(why, "a heartbeat was not answered"),
        }
    }
    unreachable!("nobody counts that far")
}

async fn finish(shared: &Shared, job: &PricingJob, result: Result<Quote, Failure>) -> Ended {
    let (attempt, worker) = (job.attempt, shared.config.name.clone());
    let (step, data, ended) = match result {
        Ok(quote) => {
            tracing::info!(minor = quote.price.minor, currency = quote.price.currency, warnings = quote.warnings.len(), "priced");
            ("complete", CommandData::CompletePricing { attempt, worker, quote }, Ended::Priced)
        }
        Err(failure) => {
            tracing::warn!(failure = failure.kind.code(), detail = failure.detail, "the model could not be priced");
            let (code, retryable) = (failure.kind.code().to_owned(), failure.kind.retryable());
            ("fail", CommandData::FailPricing { attempt, worker, failure: code, detail: failure.detail, retryable }, Ended::Failed)
        }
    };
    match shared.ask(&shared.command(job, step, data), Some(shared.config.patience)).await {
        Answered::Accepted { .. } => ended,
        Answered::Refused { code, detail, .. } => {
            tracing::warn!(code, detail, "the result came too late and was refused");
            Ended::Late
        }
        Answered::Nothing(why) => {
            tracing::error!(why, "nobody took the result; the lease runs out and the engine sends the next attempt");
            Ended::Unanswered
        }
    }
}

impl Shared {
    fn waited_seconds(&self, job: &PricingJob) -> f64 {
        (self.clock)().saturating_sub(job.requested_at).max(0) as f64 / 1000.0
    }
}

/// Measures how long a granted job runs, however it ends.
struct Running<'a> {
    metrics: &'a Metrics,
    since: Instant,
}

impl<'a> Running<'a> {
    fn new(metrics: &'a Metrics, waited_seconds: f64) -> Self {
        metrics.wait_seconds.observe(waited_seconds);
        metrics.running.inc();
        Self { metrics, since: Instant::now() }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.running.dec();
        self.metrics.run_seconds.observe(self.since.elapsed().as_secs_f64());
    }
}
