//! The thread that follows the topic. It never stops polling: a member that does not poll loses its
//! share of the topic, also when it only waits for a free slot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use atelier_log::{Error, Record, Subscription};
use atelier_schemas::{Framed, PricingJob, Topic};

use super::claims::{Claims, Fate};
use super::metrics::Ended;
use super::{Shared, job};

/// The group all workers share the topic in.
const GROUP: &str = "pricing";
/// How long a poll waits; a decided claim is committed and a freed slot used within it.
const POLL: Duration = Duration::from_millis(50);
/// The same while jobs wait for a slot.
const POLL_BUSY: Duration = Duration::from_millis(5);
/// Between two tries while the log cannot be reached.
const RETRY: Duration = Duration::from_millis(500);

/// What a job reports back.
pub(super) struct Closed {
    record: (u32, u64),
    fate: Fate,
}

/// Tells the intake about a claim exactly once, also when the job breaks off before it is decided.
pub(super) struct Claim {
    record: (u32, u64),
    fate: Fate,
    tell: Sender<Closed>,
}

impl Claim {
    /// The engine has decided; the record is done with.
    pub(super) fn decided(mut self) {
        self.fate = Fate::Decided;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = self.tell.send(Closed { record: self.record, fate: self.fate });
    }
}

pub(super) fn run(shared: &Arc<Shared>) {
    let Some(subscription) = subscribe(shared) else { return };
    let (tell, told) = channel();
    Intake { shared, subscription, claims: Claims::default(), waiting: VecDeque::new(), paused: false, reachable: true, tell }.run(&told);
}

/// Until the log can be reached; `None` when the worker is to end before.
fn subscribe(shared: &Shared) -> Option<Box<dyn Subscription>> {
    let mut warned = false;
    while !shared.is_draining() {
        match shared.client.log().subscribe(Topic::PricingJobs, GROUP) {
            Ok(subscription) => return Some(subscription),
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "the pricing worker cannot follow its jobs; it tries again until it can");
                }
                std::thread::sleep(RETRY);
            }
        }
    }
    None
}

struct Intake<'a> {
    shared: &'a Arc<Shared>,
    subscription: Box<dyn Subscription>,
    claims: Claims,
    /// Taken from the log, no slot yet; at most [`WorkerConfig::backlog`](super::WorkerConfig::backlog).
    waiting: VecDeque<Record>,
    paused: bool,
    reachable: bool,
    tell: Sender<Closed>,
}

impl Intake<'_> {
    fn run(&mut self, told: &Receiver<Closed>) {
        loop {
            for Closed { record: (partition, offset), fate } in told.try_iter() {
                // While this worker lives, its position only moves on, so a job that broke off before it
                // was granted cannot come again here. It must not hold back the others: the engine misses
                // it by its deadline and sends the next attempt.
                let fate = if self.shared.is_draining() { fate } else { Fate::Decided };
                self.claims.close(partition, offset, fate);
            }
            self.commit();
            if self.shared.is_draining() {
                // Not yet claimed: they stay in the log for others.
                self.waiting.clear();
                if self.claims.is_settled() {
                    return;
                }
            }
            self.start_waiting();
            if let Err(error) = self.poll() {
                if std::mem::replace(&mut self.reachable, false) {
                    tracing::warn!(%error, "the pricing worker cannot reach the log; it tries again until it can");
                }
                std::thread::sleep(RETRY);
            }
        }
    }

    fn poll(&mut self) -> Result<(), Error> {
        let room = (self.shared.slots.available_permits() + self.shared.config.backlog).saturating_sub(self.waiting.len());
        let room = if self.shared.is_draining() { 0 } else { room };
        // Going on after a pause costs a round of fetching: once paused, half the backlog is worked off first.
        let pause = if self.paused { room <= self.shared.config.backlog / 2 } else { room == 0 };
        if self.paused != pause {
            self.subscription.pause(pause)?;
            self.paused = pause;
        }
        let patience = if self.waiting.is_empty() { POLL } else { POLL_BUSY };
        let records = self.subscription.poll(room.max(1), patience)?;
        self.reachable = true;
        self.waiting.extend(records);
        self.start_waiting();
        Ok(())
    }

    fn start_waiting(&mut self) {
        while !self.shared.is_draining() && !self.waiting.is_empty() {
            let Ok(place) = self.shared.places.clone().try_acquire_owned() else { return };
            let Ok(slot) = self.shared.slots.clone().try_acquire_owned() else { return };
            let Some(record) = self.waiting.pop_front() else { return };
            let at = (record.partition, record.offset);
            if !self.claims.open(at.0, at.1) {
                continue;
            }
            let claim = Claim { record: at, fate: Fate::Unknown, tell: self.tell.clone() };
            match PricingJob::decode(&record.payload) {
                Ok(job) => drop(self.shared.runtime.spawn(job::run(self.shared.clone(), job, claim, slot, place))),
                Err(error) => {
                    tracing::error!(%error, order_id = %record.key, partition = at.0, offset = at.1, "a pricing job cannot be read and is skipped; its order's deadline brings the next attempt");
                    self.shared.config.metrics.count(Ended::Unreadable);
                    claim.decided();
                }
            }
        }
    }

    fn commit(&mut self) {
        for (partition, next) in self.claims.ready() {
            match self.subscription.commit(partition, next) {
                Ok(()) => self.claims.committed(partition, next),
                Err(error) => {
                    if self.claims.commit_failed(partition) {
                        tracing::warn!(%error, partition, next, "cannot commit decided pricing jobs; they may come again and are refused then");
                    }
                }
            }
        }
    }
}
