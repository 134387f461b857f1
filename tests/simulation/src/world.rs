//! Everything there is in a run, and what each step does to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use atelier_domain::Policy;
use atelier_log::memory::{Fault, Memory};
use atelier_log::{Log, NewRecord};
use atelier_runtime::{GROUP, PolicyInForce};
use atelier_schemas::{Actor, Command, CommandData, Framed, TimeMs, Topic, partition_of};
use fastrand::Rng;
use uuid::Uuid;

use crate::bed::Bed;
use crate::clients::{Clients, done};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::pricing::Workers;
use crate::reading::Feeds;
use crate::step::Step;
use crate::trace::{START, Trace};
use crate::watch::Watch;

/// One run under way.
pub(crate) struct World<'b> {
    pub(crate) bed: &'b Bed,
    pub(crate) log: Memory,
    pub(crate) engines: Engines,
    pub(crate) clients: Clients,
    pub(crate) workers: Workers,
    pub(crate) feeds: Feeds,
    pub(crate) watch: Watch,
    pub(crate) stolen: Vec<u32>,
    clock: Arc<AtomicI64>,
}

impl<'b> World<'b> {
    pub(crate) fn new(bed: &'b Bed, plan: &Plan) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let log = Memory::with_clock(plan.partitions, clock.clone());
        let policy = PolicyInForce::new(Policy::default());
        Self {
            bed,
            engines: Engines::new(plan, log.clone(), clock.clone(), policy, bed.scratch()),
            clients: Clients::new(plan.seed),
            workers: Workers::new(&log),
            feeds: Feeds::new(bed, log.clone()),
            watch: Watch::new(&log),
            stolen: Vec::new(),
            log,
            clock,
        }
    }

    pub(crate) fn now(&self) -> TimeMs {
        self.clock.load(Ordering::SeqCst)
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, by_ms: i64) {
        self.clock.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Reads what was written. `true`: there was something.
    pub(crate) fn look(&mut self, trace: &mut Trace) -> Result<bool, Failure> {
        let now = self.now();
        self.watch.look(&self.log, now, trace)
    }

    /// Does what the step says, and looks at what came of it.
    pub(crate) fn step(&mut self, step: &Step, trace: &mut Trace) -> Result<(), Failure> {
        let now = self.now();
        let Self { bed, log, engines, clients, workers, feeds, watch, .. } = self;
        match step {
            Step::Ask { client, pick } => clients.ask(*client, *pick, now, watch),
            Step::Tell { client, order, data } => clients.tell(*client, *order, (**data).clone(), now, watch),
            Step::Send { client } => clients.send(*client, log, now, watch, trace),
            Step::Again { client, pick } => clients.again(*client, *pick),
            Step::Reuse { client, pick } => clients.reuse(*client, *pick),
            Step::Engine { engine } => _ = engines.turn(*engine, now, trace),
            Step::Start { engine } => engines.start(*engine, now, trace),
            Step::Crash { engine } => engines.crash(*engine, now, trace),
            Step::DieInCommit { engine, written } => {
                log.inject(if *written { Fault::CommitThenLost } else { Fault::LostBeforeCommit });
                trace.line(now, "fault", format_args!("the next commit is its engine's last, written: {written}"));
                engines.turn(*engine, now, trace);
                engines.crash(*engine, now, trace);
            }
            Step::Fault(fault) => {
                log.inject(*fault);
                trace.line(now, "fault", format_args!("{fault:?} is to come"));
            }
            Step::Steal { partition } => {
                let partition = partition % log.partitions();
                log.steal(GROUP, partition);
                trace.line(now, "fault", format_args!("partition {partition} goes to an engine nobody sees"));
                self.stolen.push(partition);
            }
            Step::GiveBack { partition } => self.give_back(partition % self.log.partitions(), trace),
            Step::Work { worker, pick } => _ = workers.step(*worker, Some(*pick), log, now, watch, trace),
            Step::WorkerDies { worker } => workers.dies(*worker, log, now, trace),
            Step::LateResult { worker, pick } => workers.late(*worker, *pick, log, now, watch, trace),
            Step::Clock { by_ms } => {
                self.pass(*by_ms);
                trace.line(self.now(), "clock", format_args!("moved by {by_ms} ms"));
            }
            Step::Read { model, feed } => feeds.step(bed, *model, *feed, now, trace)?,
            Step::FeedDies { model, feed } => feeds.dies(bed, *model, *feed, now, trace),
            Step::StoreFails { model, feed } => feeds.store_fails(bed, *model, *feed, now, trace)?,
            Step::Checkpoint { partition } => engines.checkpoint(partition % log.partitions(), now, trace)?,
            Step::BreakCheckpoint { pick } => engines.break_checkpoint(*pick, now, trace),
            Step::Poison { pick } => self.poison(*pick, trace),
        }
        self.look(trace).map(drop)
    }

    pub(crate) fn give_back(&mut self, partition: u32, trace: &mut Trace) {
        if self.stolen.contains(&partition) {
            self.stolen.retain(|stolen| *stolen != partition);
            self.log.give_back(GROUP, partition);
            trace.line(self.now(), "fault", format_args!("partition {partition} is given back"));
        }
    }

    /// A record that is no good command.
    fn poison(&mut self, pick: u64, trace: &mut Trace) {
        let mut rng = Rng::with_seed(pick);
        let partitions = self.log.partitions();
        let mut partition = rng.u32(0..partitions);
        let order = self.clients.orders.first().copied().unwrap_or(Uuid::nil());
        let actor = Actor { role: "customer".into(), name: "shop".into() };
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, &pick.to_be_bytes());
        let mut command = Command::new(id, order, self.now(), actor, CommandData::SubmitOrder {});
        let mut key = order.to_string();
        let (what, payload) = match rng.u8(0..6) {
            0 => ("no frame", b"not a command".to_vec()),
            1 => {
                let mut bytes = command.encode();
                bytes.truncate(20);
                ("cut off", bytes)
            }
            2 => {
                key = Uuid::nil().to_string();
                ("another order's key", command.encode())
            }
            3 => {
                command.actor.role = "wizard".into();
                partition = partition_of(&order, partitions);
                ("no such role", command.encode())
            }
            4 => {
                command.expected_version = Some(-1);
                partition = partition_of(&order, partitions);
                ("a negative version", command.encode())
            }
            _ => {
                partition = (partition_of(&order, partitions) + 1) % partitions;
                ("another order's partition", command.encode())
            }
        };
        trace.line(self.now(), "fault", format_args!("poison: {what}, partition {partition}"));
        let record = NewRecord { key, kind: "SubmitOrder", traceparent: None, payload };
        // An append that fails has no one who would send it again.
        let _ = done(self.log.append(Topic::Commands, partition, record));
    }
}
