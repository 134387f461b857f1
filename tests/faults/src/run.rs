//! A run: faults under load, looks after each, checkpoints.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use atelier_cli::trials::{Load, Step, Tally, plan};

use crate::house::House;
use crate::inflict::{Inflicted, inflict};
use crate::judge::Judge;
use crate::kept::Kept;
use crate::{Kind, Outcome, circumstances};

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Faults, their order and the load are drawn from it.
    pub seed: u64,
    /// How many.
    pub faults: u32,
    /// What kinds.
    pub kinds: Vec<Kind>,
    /// Faults from one checkpoint to the next, at least 1.
    pub checkpoint_every: usize,
    /// Everything moves again within it, or a rule is broken; within twice as long the orders that were placed come to
    /// their end. A machine with little to spare needs more.
    pub recover_within: Duration,
    /// Where the table is written, anew after each checkpoint.
    pub table: Option<PathBuf>,
    /// Where is kept how far the run is; one that is there goes on from its last checkpoint, with servers of its own.
    pub state: Option<PathBuf>,
}

impl Options {
    /// The faults in their order.
    pub fn plan(&self) -> Vec<Step<Kind>> {
        plan(&self.kinds, self.seed, self.faults)
    }
}

/// Starts everything, inflicts the faults and judges. Says on standard output how far it is.
///
/// # Errors
/// When it cannot go on: a server does not start, or nothing moves any more also without a fault.
pub fn run(options: &Options) -> Outcome<Tally> {
    let folder = tempfile::Builder::new().prefix("atelier-faults-").tempdir().map_err(crate::text)?;
    let started = Instant::now();
    let mut kept = Kept::read(options)?;
    if kept.rounds > 0 {
        println!("goes on after {} faults", kept.tally.times());
    }
    let house = House::start(folder.path(), options.recover_within)?;
    println!("3 Kafka nodes, PostgreSQL and {} roles work after {:.0} s", house.roles.len(), started.elapsed().as_secs_f64());
    let judge = Judge::new(house.log.partitions());
    let Options { seed, faults, .. } = *options;
    let mut run = Run { house, judge, tally: kept.tally.clone(), seed, faults, folder: folder.path().to_owned(), told: false };
    let ended = run.rounds(options, &mut kept);
    if let Err(why) = &ended {
        run.told = false;
        run.broken("the run", &format!("cannot go on: {why}"));
    }
    kept.tally = run.tally.clone();
    let written = kept.write(options);
    let Run { house, judge, tally, .. } = run;
    println!("{}; {:.0} s", judge.seen(), started.elapsed().as_secs_f64());
    drop(house);
    // However it ended: what is wrong can be found out only from there.
    if !tally.violations().is_empty() {
        println!("log and messages of the roles are kept in {}", folder.keep().display());
    }
    ended.and(written).map(|()| tally)
}

struct Run {
    house: House,
    judge: Judge,
    tally: Tally,
    seed: u64,
    faults: u32,
    folder: PathBuf,
    /// How everything stood is written down for this fault or checkpoint.
    told: bool,
}

const CHECKPOINT: &str = "at a checkpoint";

impl Run {
    /// The rounds that are left, and the end.
    fn rounds(&mut self, options: &Options, kept: &mut Kept) -> Outcome<()> {
        for (round, steps) in options.plan().chunks(options.checkpoint_every.max(1)).enumerate().skip(kept.rounds) {
            self.round(round, steps)?;
            (kept.rounds, kept.tally) = (round + 1, self.tally.clone());
            kept.write(options)?;
        }
        self.end();
        Ok(())
    }

    fn round(&mut self, round: usize, steps: &[Step<Kind>]) -> Outcome<()> {
        let mut load = self.house.load(self.seed ^ round as u64, &format!("load-{round}"))?;
        for step in steps {
            if load.must_run().is_err() {
                // What it says has been said; the rest of the round needs another one.
                load = self.house.load(self.seed ^ round as u64, &format!("load-{round}-{}", step.number))?;
            }
            self.step(step, &mut load)?;
        }
        self.checkpoint(load);
        Ok(())
    }

    fn step(&mut self, step: &Step<Kind>, load: &mut Load) -> Outcome<()> {
        let kind = step.kind;
        self.told = false;
        let done = self.house.after_events(step.after_events, load).and_then(|()| inflict(&mut self.house, step));
        let place = format!("{:>4}/{}  {kind:<29}", step.number, self.faults);
        match done.and_then(|done| self.house.must_run().map(|()| done)) {
            Ok(Inflicted { recovery, poisoned }) => {
                println!("{place}  {:>5.1} s", recovery.as_secs_f64());
                self.judge.poisoned(poisoned);
                self.tally.add(kind, Some(recovery));
            }
            Err(why) => {
                self.tally.add(kind, None);
                // Before it is mended, so that what is written down is what was the matter.
                self.broken(&kind.to_string(), &format!("{place}  {why}"));
                self.house.mend()?;
            }
        }
        for why in self.judge.looks(self.house.log.as_ref()) {
            self.broken(&kind.to_string(), &format!("{place}  {why}"));
        }
        Ok(())
    }

    /// The load comes to its end; then everything has to add up.
    fn checkpoint(&mut self, load: Load) {
        let started = Instant::now();
        self.told = false;
        let mut broken = Vec::new();
        match self.house.finish(load) {
            Ok(acks) => broken.extend(self.judge.noted(&acks).err()),
            Err(why) => broken.push(why),
        }
        broken.extend(self.house.must_run().err());
        let acks = self.house.acknowledged();
        self.judge.acknowledged(acks);
        broken.extend(self.judge.settled(self.house.log.as_ref(), self.house.recover_within));
        match self.house.tool(&["audit", "--json", "--settle-s", &self.house.recover_within.as_secs().to_string()]) {
            Ok(output) => broken.extend(self.judge.audited(&output)),
            Err(why) => broken.push(why),
        }
        for why in &broken {
            self.broken(CHECKPOINT, why);
        }
        let verdict = if broken.is_empty() { "everything adds up" } else { "BROKEN" };
        println!("           checkpoint after {} faults: {verdict}, {:.1} s", self.tally.times(), started.elapsed().as_secs_f64());
    }

    /// Roles that are asked end well.
    fn end(&mut self) {
        self.told = false;
        for at in (0..self.house.roles.len()).rev() {
            if let Err(why) = self.house.roles[at].end(self.house.recover_within) {
                self.broken("at the end", &why.to_string());
            }
        }
    }

    fn broken(&mut self, kind: &str, what: &str) {
        println!("BROKEN (seed {}): {what}", self.seed);
        self.tally.violation(kind, what);
        // Several of one moment have one cause.
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let file = self.folder.join(format!("broken-{}.txt", self.tally.violations().len()));
        let text = format!("{kind}: {what}\n\n{}", circumstances::of(&self.house));
        match std::fs::write(&file, &text) {
            Ok(()) => println!("           how everything stood then: {}", file.display()),
            Err(error) => println!("           {error}; how everything stood then:\n{text}"),
        }
    }
}
