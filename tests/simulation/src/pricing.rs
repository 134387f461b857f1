//! Pricing workers: a small model of when they do what. Their claims, their commands and their ids are the product's;
//! the measuring is replaced by its result.

use atelier_log::memory::Memory;
use atelier_log::{Log, Record, Subscription};
use atelier_pricing::worker::{Claims, Fate, command};
use atelier_schemas::{Command, CommandData, Framed, Measures, Money, OutcomeResult, PricingJob, Quote, QuoteLine, TimeMs, Topic};

use crate::clients::append;
use crate::trace::Trace;
use crate::watch::Watch;

/// Names of the workers there are.
const NAMES: [&str; 3] = ["w1", "w2", "w3"];
const GROUP: &str = "pricing";
/// Of the ids of results that come late, so that they are commands of their own.
const LATE: &str = "late";

/// What a worker without trouble would pick: see [`Step::Work`](crate::Step::Work).
const HELPFUL: u64 = 99;

/// Where a worker stands with its job.
enum Doing {
    /// Asks for the attempt.
    Asking(Command),
    /// Believes to hold the lease.
    Measuring { beats: u32 },
    /// Brings the result.
    Answering(Command),
}

struct Job {
    place: (u32, u64),
    job: PricingJob,
    doing: Doing,
}

struct Worker {
    name: &'static str,
    subscription: Box<dyn Subscription>,
    claims: Claims,
    job: Option<Job>,
    /// Jobs it had in any of its lives.
    past: Vec<PricingJob>,
}

/// All pricing workers of a run.
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

impl Workers {
    pub(crate) fn new(log: &Memory) -> Self {
        Self { workers: NAMES.map(|name| Worker::new(name, log)).into() }
    }

    /// How many there are.
    pub(crate) const fn count() -> usize {
        NAMES.len()
    }

    /// A worker dies and comes back under its name.
    pub(crate) fn dies(&mut self, worker: usize, log: &Memory, now: TimeMs, trace: &mut Trace) {
        let worker = &mut self.workers[worker % NAMES.len()];
        trace.line(now, worker.name, format_args!("dies{} and comes back", if worker.job.is_some() { " with a job" } else { "" }));
        // Its share goes to the others and comes back, from the group's offset.
        let past = std::mem::take(&mut worker.past);
        *worker = Worker { past, ..Worker::new(worker.name, log) };
    }

    /// A result of an attempt the worker had once, whatever became of it.
    pub(crate) fn late(&mut self, worker: usize, pick: u64, log: &Memory, now: TimeMs, watch: &mut Watch, trace: &mut Trace) {
        let worker = &self.workers[worker % NAMES.len()];
        if worker.past.is_empty() {
            return;
        }
        let job = &worker.past[pick as usize % worker.past.len()];
        let late = command(worker.name, job, &format!("{LATE}/{pick}"), now, complete(worker.name, job));
        trace.line(now, worker.name, format_args!("brings a late result of attempt {}", job.attempt));
        // Nobody waits for this one: where it does not arrive, it does not.
        let _ = append(log, &late, watch);
    }

    /// The worker does the next thing: by its `pick`, or, without one, what helps. `false`: it had nothing to do.
    pub(crate) fn step(
        &mut self,
        worker: usize,
        pick: Option<u64>,
        log: &Memory,
        now: TimeMs,
        watch: &mut Watch,
        trace: &mut Trace,
    ) -> bool {
        let worker = &mut self.workers[worker % NAMES.len()];
        match worker.job.take() {
            None => {
                worker.take(log, now, watch, trace);
                worker.job.is_some()
            }
            Some(job) => {
                worker.job = worker.go_on(job, pick, log, now, watch, trace);
                true
            }
        }
    }
}

impl Worker {
    fn new(name: &'static str, log: &Memory) -> Self {
        let subscription = log.subscribe(Topic::PricingJobs, GROUP).expect("the log in memory takes any subscription");
        Self { name, subscription, claims: Claims::default(), job: None, past: Vec::new() }
    }

    fn take(&mut self, log: &Memory, now: TimeMs, watch: &mut Watch, trace: &mut Trace) {
        let records = self.subscription.poll(1, std::time::Duration::ZERO).expect("the log in memory can be read");
        let Some(Record { partition, offset, payload, .. }) = records.into_iter().next() else { return };
        if !self.claims.open(partition, offset) {
            return;
        }
        let job = PricingJob::decode(&payload).expect("the engine writes jobs that can be read");
        trace.line(now, self.name, format_args!("takes job {partition}/{offset}, attempt {}", job.attempt));
        let data = CommandData::AcceptPricing { attempt: job.attempt, worker: self.name.to_owned() };
        let accept = command(self.name, &job, "accept", now, data);
        // Where the reply is lost it is sent again, below.
        let _ = append(log, &accept, watch);
        self.past.push(job.clone());
        self.job = Some(Job { place: (partition, offset), job, doing: Doing::Asking(accept) });
    }

    fn go_on(&mut self, job: Job, pick: Option<u64>, log: &Memory, now: TimeMs, watch: &mut Watch, trace: &mut Trace) -> Option<Job> {
        let dice = pick.map_or(HELPFUL, |pick| pick % 100);
        match &job.doing {
            Doing::Asking(accept) => {
                let answer = watch.answer(&accept.command_id);
                if let Some(OutcomeResult::Refused { attempt: Some(free), .. }) = answer
                    && *free > job.job.attempt
                    && dice >= 15
                {
                    let free = PricingJob { attempt: *free, ..job.job };
                    trace.line(now, self.name, format_args!("asks for attempt {}, which is free", free.attempt));
                    let data = CommandData::AcceptPricing { attempt: free.attempt, worker: self.name.to_owned() };
                    let accept = command(self.name, &free, &format!("accept/{}/{}", job.place.0, job.place.1), now, data);
                    let _ = append(log, &accept, watch);
                    self.past.push(free.clone());
                    return Some(Job { job: free, doing: Doing::Asking(accept), ..job });
                }
                let granted = match answer {
                    None => {
                        if dice < 50 || pick.is_none() {
                            let _ = append(log, accept, watch);
                        }
                        return Some(job);
                    }
                    Some(OutcomeResult::Accepted { .. }) => true,
                    // A worker that did not understand the refusal goes on without a lease.
                    Some(OutcomeResult::Refused { .. }) => dice < 15,
                };
                self.decided(job.place);
                if !granted {
                    return None;
                }
                trace.line(now, self.name, format_args!("measures, attempt {}", job.job.attempt));
                Some(Job { doing: Doing::Measuring { beats: 0 }, ..job })
            }
            Doing::Measuring { beats } => {
                let beats = *beats;
                let (step, data) = match dice {
                    0..30 => {
                        let progress_percent = i32::try_from(beats).unwrap_or(0).min(100);
                        let data =
                            CommandData::HeartbeatPricing { attempt: job.job.attempt, worker: self.name.to_owned(), progress_percent };
                        let beat = command(self.name, &job.job, &format!("heartbeat/{now}/{beats}"), now, data);
                        let _ = append(log, &beat, watch);
                        return Some(Job { doing: Doing::Measuring { beats: beats + 1 }, ..job });
                    }
                    30..50 => return Some(job),
                    50..60 => ("fail", failed(self.name, &job.job, dice < 57)),
                    _ => ("complete", complete(self.name, &job.job)),
                };
                let answer = command(self.name, &job.job, step, now, data);
                let _ = append(log, &answer, watch);
                Some(Job { doing: Doing::Answering(answer), ..job })
            }
            Doing::Answering(answer) => match watch.answer(&answer.command_id) {
                Some(_) => None,
                None => {
                    if dice < 50 || pick.is_none() {
                        let _ = append(log, answer, watch);
                    }
                    Some(job)
                }
            },
        }
    }

    fn decided(&mut self, (partition, offset): (u32, u64)) {
        self.claims.close(partition, offset, Fate::Decided);
        for (partition, next) in self.claims.ready() {
            match self.subscription.commit(partition, next) {
                Ok(()) => self.claims.committed(partition, next),
                Err(_) => drop(self.claims.commit_failed(partition)),
            }
        }
    }
}

fn complete(worker: &str, job: &PricingJob) -> CommandData {
    let quote = quote(&job.model.sha256, i64::from(job.item.quantity) * 100 + i64::from(job.attempt));
    CommandData::CompletePricing { attempt: job.attempt, worker: worker.to_owned(), quote }
}

fn failed(worker: &str, job: &PricingJob, retryable: bool) -> CommandData {
    CommandData::FailPricing {
        attempt: job.attempt,
        worker: worker.to_owned(),
        failure: "internal".into(),
        detail: "simulated".into(),
        retryable,
    }
}

/// A sound quote for a model.
pub(crate) fn quote(sha256: &str, minor: i64) -> Quote {
    Quote {
        price: Money { minor, currency: "EUR".into() },
        lines: vec![QuoteLine { code: "metal".into(), text: "silver".into(), minor }],
        model_sha256: sha256.to_owned(),
        algorithm: "simulated".into(),
        price_book: "simulated".into(),
        metal_fix: "simulated".into(),
        measures: Measures { volume_mm3: 1.0, area_mm2: 6.0, triangles: 12, watertight: true, size_mm: vec![1.0, 1.0, 1.0] },
        warnings: Vec::new(),
    }
}
