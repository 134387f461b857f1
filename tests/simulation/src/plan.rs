//! From a seed to the steps of a run.

use atelier_log::memory::Fault;
use fastrand::Rng;

use crate::clients::CLIENTS;
use crate::step::Step;

/// Steps of a run, at least and at most.
const STEPS: std::ops::Range<usize> = 150..450;
const MINUTE_MS: i64 = 60_000;

/// A kind of fault. Each run draws which kinds it has: where all happen at once, each hides behind the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Engines die.
    Crash,
    /// Commits are refused, lost, or in doubt.
    Commit,
    /// Appends fail, or their replies are lost.
    Reply,
    /// Commands come twice, ids are used twice.
    Double,
    /// Commands of different clients overtake each other.
    Reorder,
    /// Pricing workers are slow, die, and answer late.
    Pricing,
    /// Several engines want the same partitions.
    Owner,
    /// The clock jumps, and goes back.
    Clock,
    /// Feeds of read models die, and their store fails.
    ReadModel,
    /// Records that are no good commands.
    Poison,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Crash,
        Kind::Commit,
        Kind::Reply,
        Kind::Double,
        Kind::Reorder,
        Kind::Pricing,
        Kind::Owner,
        Kind::Clock,
        Kind::ReadModel,
        Kind::Poison,
    ];
}

/// A run to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where it comes from; ids of orders and commands follow from it too.
    pub seed: u64,
    /// Partitions of every topic.
    pub partitions: u32,
    /// Workers of each engine.
    pub engine_workers: u32,
    /// Most commands in one transaction.
    pub batch_max: usize,
    /// What goes wrong.
    pub kinds: Vec<Kind>,
    /// What happens, in this order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| rng.bool()).collect();
        let partitions = rng.u32(1..=3);
        let mut plan = Self {
            seed,
            partitions,
            engine_workers: rng.u32(1..=partitions.min(2)),
            batch_max: [1, 3, 50][rng.usize(0..3)],
            kinds,
            steps: vec![Step::Start { engine: 0 }],
        };
        let count = rng.usize(STEPS);
        while plan.steps.len() < count {
            plan.draw(&mut rng);
        }
        plan.strew_checkpoints(seed);
        plan
    }

    /// Half of the runs have checkpoints, some of them with objects that break. Drawn apart and strewn in afterwards:
    /// they must change nothing of what else happens.
    fn strew_checkpoints(&mut self, seed: u64) {
        let mut rng = Rng::with_seed(!seed);
        let (made, break_one_of) = (if rng.bool() { rng.usize(1..12) } else { 0 }, rng.u8(1..4));
        for _ in 0..made {
            let partition = rng.u32(0..self.partitions);
            self.steps.insert(rng.usize(1..=self.steps.len()), Step::Checkpoint { partition });
            if break_one_of == 1 {
                self.steps.insert(rng.usize(1..=self.steps.len()), Step::BreakCheckpoint { pick: rng.u64(..) });
            }
        }
    }

    /// A plan written by hand, on one partition.
    pub fn written(steps: Vec<Step>) -> Self {
        Self { seed: 0, partitions: 1, engine_workers: 1, batch_max: 50, kinds: Vec::new(), steps }
    }

    fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn draw(&mut self, rng: &mut Rng) {
        let step = match rng.u32(0..100) {
            0..75 => self.ordinary(rng),
            _ => match self.kinds.get(rng.usize(0..Kind::ALL.len())) {
                Some(kind) => self.trouble(*kind, rng),
                None => self.ordinary(rng),
            },
        };
        // Without overtaking whatever is asked is sent at once, so that outboxes hold one command at most.
        let asks = matches!(step, Step::Ask { .. } | Step::Again { .. } | Step::Reuse { .. });
        self.steps.push(step);
        if asks && !self.has(Kind::Reorder) {
            self.steps.push(Step::Send { client: 0 });
        }
    }

    fn ordinary(&self, rng: &mut Rng) -> Step {
        let engine = if self.has(Kind::Owner) && rng.u8(0..3) == 0 { 1 } else { 0 };
        match rng.u32(0..100) {
            0..30 => Step::Engine { engine },
            30..56 => Step::Ask { client: rng.usize(0..CLIENTS), pick: rng.u64(..) },
            56..68 => Step::Send { client: rng.usize(0..CLIENTS) },
            68..86 => Step::Work { worker: rng.usize(0..3), pick: rng.u64(..) },
            86..95 => Step::Clock { by_ms: rng.i64(1..3_000) },
            _ => Step::Read { model: rng.usize(0..5), feed: rng.usize(0..2) },
        }
    }

    fn trouble(&self, kind: Kind, rng: &mut Rng) -> Step {
        let client = rng.usize(0..CLIENTS);
        let engine = rng.usize(0..2);
        let (worker, pick) = (rng.usize(0..3), rng.u64(..));
        let (model, feed) = (rng.usize(0..5), rng.usize(0..2));
        let partition = rng.u32(0..self.partitions);
        let which = rng.usize(0..4);
        match kind {
            Kind::Crash => match which {
                0 => Step::Crash { engine },
                1 => Step::DieInCommit { engine, written: rng.bool() },
                _ => Step::Start { engine },
            },
            Kind::Commit => Step::Fault([Fault::RefuseCommit, Fault::RefuseCommit, Fault::CommitThenLost, Fault::LostBeforeCommit][which]),
            Kind::Reply => Step::Fault(if which == 0 { Fault::RefuseAppend } else { Fault::LoseAppendReply }),
            Kind::Double => match which {
                0 => Step::Reuse { client, pick },
                _ => Step::Again { client, pick },
            },
            Kind::Reorder => Step::Send { client },
            Kind::Pricing => match which {
                0 => Step::WorkerDies { worker },
                1 => Step::LateResult { worker, pick },
                2 => Step::Clock { by_ms: rng.i64(20_000..90_000) },
                _ => Step::Work { worker, pick },
            },
            Kind::Owner => match which {
                0 => Step::Steal { partition },
                1 => Step::GiveBack { partition },
                2 => Step::Start { engine },
                _ => Step::Fault(Fault::RefuseCommit),
            },
            Kind::Clock => match which {
                0 => Step::Clock { by_ms: rng.i64(MINUTE_MS..40 * MINUTE_MS) },
                1 if rng.u8(0..4) == 0 => Step::Clock { by_ms: rng.i64(1..4) * 24 * 60 * MINUTE_MS },
                _ => Step::Clock { by_ms: -rng.i64(1..5_000) },
            },
            Kind::ReadModel => match which {
                0 => Step::FeedDies { model, feed },
                1 => Step::StoreFails { model, feed },
                _ => Step::Read { model, feed },
            },
            Kind::Poison => Step::Poison { pick },
        }
    }
}
