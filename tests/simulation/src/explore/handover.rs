//! The hand-over of a partition: two engines want it, and between any two steps of either one may die, be started
//! again, lose the partition to an engine nobody sees, or have a commit fail on its way. Engines that take no steps for
//! a while are in every order of steps anyhow: those are the pauses and the late commits.
//!
//! The steps are those of the product's worker, over the product's log in memory. Neither can be copied, so a state is
//! kept as the way to it, which is gone again for each step beyond.

use std::path::Path;
use std::sync::Arc;

use atelier_domain::Policy;
use atelier_domain::testing::ring_model;
use atelier_log::Log;
use atelier_log::client::record_of;
use atelier_log::memory::{Fault, Memory};
use atelier_runtime::{Clock, EngineSettings, GROUP, Metrics, PolicyInForce, Worker};
use atelier_schemas::{Actor, Command, CommandData, Item, Model as WireModel, Topic};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use super::search::{Model, Next, search};
use super::{Explored, Found};
use crate::clients::done;
use crate::failure::{Failure, hold};
use crate::trace::{START, Trace};
use crate::watch::Watch;

/// More states than there are.
const LIMIT: usize = 200_000;
/// Most commands in one transaction.
const BATCH_MAX: usize = 2;
/// Engines that die.
const CRASHES: usize = 1;
/// Thefts of the partition.
const STEALS: usize = 1;
/// Commits that fail on their way.
const FAULTS: usize = 1;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The engine takes a step.
    Step(usize),
    Start(usize),
    Crash(usize),
    Steal,
    GiveBack,
    Fault(Fault),
}

#[derive(Clone)]
struct State {
    way: Vec<Action>,
    /// Where everything stands.
    text: String,
    running: [bool; 2],
    stolen: bool,
    done: bool,
}

struct Handover<'a> {
    names: [&'a str; 2],
    commands: Vec<Command>,
    scratch: &'a Path,
}

/// Visits every state of two engines with these names; the second of two with one name replaces the first.
/// `scratch` is a folder for files that go again.
///
/// # Errors
/// [`Found`], with a shortest way to it.
pub fn explore(names: [&str; 2], scratch: &Path) -> Result<Explored, Box<Found>> {
    search(&Handover { names, commands: commands(), scratch }, LIMIT)
}

/// One order; the second command comes twice.
fn commands() -> Vec<Command> {
    let order = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"handed over");
    let command = |number: u8, data| {
        let id = Uuid::new_v5(&order, &[number]);
        Command::new(id, order, START, Actor { role: "customer".into(), name: "shop".into() }, data)
    };
    let item = Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() };
    let create = CommandData::CreateOrder { channel: "shop".into(), client: "shop".into(), reference: None, customer: None, item };
    let model = ring_model();
    let model = WireModel { sha256: model.sha256.to_string(), format: model.format.into(), size_bytes: 84 };
    let attach = command(1, CommandData::AttachModel { model });
    vec![command(0, create), attach.clone(), attach]
}

/// Everything there is, made anew for each way.
struct House<'a> {
    model: &'a Handover<'a>,
    log: Memory,
    settings: EngineSettings,
    metrics: Metrics,
    engines: [Option<Engine>; 2],
    /// Who joined the owners, in this order, and lives.
    joined: Vec<usize>,
    /// Who should own the partition.
    holder: Option<usize>,
    stolen: bool,
}

struct Engine {
    worker: Worker,
    joined: bool,
    /// Another one joined under its name.
    replaced: bool,
}

impl<'a> House<'a> {
    fn new(model: &'a Handover<'a>) -> Self {
        let log = Memory::new(1);
        log.advance_ms(START);
        for command in &model.commands {
            done(log.append(Topic::Commands, 0, record_of(command))).expect("the log in memory takes any command");
        }
        let settings = EngineSettings {
            instance: None,
            workers: 1,
            batch_max: BATCH_MAX,
            policy: PolicyInForce::new(Policy::default()),
            index_folder: model.scratch.to_owned(),
            checkpoints: None,
        };
        let metrics = Metrics::register(&mut Registry::default());
        Self { model, log, settings, metrics, engines: [None, None], joined: Vec::new(), holder: None, stolen: false }
    }

    fn act(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Start(engine) => {
                let instance = Some(self.model.names[engine].to_owned());
                let settings = EngineSettings { instance, ..self.settings.clone() };
                let clock: Clock = Arc::new(|| START);
                let worker = Worker::new(Arc::new(self.log.clone()), settings, 0, 1, clock, self.metrics.clone());
                self.engines[engine] = Some(Engine { worker, joined: false, replaced: false });
            }
            Action::Crash(engine) => self.gone(engine),
            Action::Steal => {
                self.log.steal(GROUP, 0);
                (self.stolen, self.holder) = (true, None);
            }
            Action::GiveBack => {
                self.log.give_back(GROUP, 0);
                self.stolen = false;
                if self.holder.is_none() {
                    self.holder = self.heir();
                }
            }
            Action::Fault(fault) => self.log.inject(fault),
            Action::Step(engine) => self.step(engine)?,
        }
        Ok(())
    }

    /// What it writes, it writes as the owner.
    fn step(&mut self, number: usize) -> Result<(), Failure> {
        let Some(engine) = &mut self.engines[number] else { return Ok(()) };
        if !std::mem::replace(&mut engine.joined, true) {
            self.joined.push(number);
            self.holder = Some(number);
            if self.model.names[0] == self.model.names[1]
                && let Some(other) = &mut self.engines[1 - number]
            {
                other.replaced |= other.joined;
            }
        }
        let before = self.ends();
        let ended = self.engines[number].as_mut().is_some_and(|engine| engine.worker.step().is_err());
        hold("no write of an older owner after a newer claim", self.ends() == before || self.holder == Some(number), || {
            format!("{} writes, and {:?} owns the partition", self.model.names[number], self.holder)
        })?;
        if ended {
            self.gone(number);
        }
        Ok(())
    }

    fn gone(&mut self, number: usize) {
        self.engines[number] = None;
        self.joined.retain(|joined| *joined != number);
        if self.holder == Some(number) {
            self.holder = self.heir();
        }
    }

    fn heir(&self) -> Option<usize> {
        let lives = |number: &&usize| self.engines[**number].as_ref().is_some_and(|engine| !engine.replaced);
        self.joined.iter().rev().find(lives).copied()
    }

    fn ends(&self) -> (u64, u64, u64) {
        let end = |topic| self.log.end(topic, 0).expect("the log in memory answers");
        (end(Topic::Events), end(Topic::Outcomes), self.log.committed(GROUP, 0).expect("the log in memory answers"))
    }
}

impl Handover<'_> {
    fn go(&self, way: &[Action]) -> Result<House<'_>, Failure> {
        let mut house = House::new(self);
        for action in way {
            house.act(*action)?;
        }
        Ok(house)
    }
}

impl Model for Handover<'_> {
    type State = State;
    type Action = Action;

    fn begin(&self) -> State {
        State { way: Vec::new(), text: String::new(), running: [false; 2], stolen: false, done: false }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let used = |kind: fn(&Action) -> bool| state.way.iter().filter(|action| kind(action)).count();
        let mut actions = Vec::new();
        if state.done {
            return actions;
        }
        for engine in 0..2 {
            if state.running[engine] {
                actions.push(Action::Step(engine));
                if used(|action| matches!(action, Action::Crash(_))) < CRASHES {
                    actions.push(Action::Crash(engine));
                }
            } else {
                actions.push(Action::Start(engine));
            }
        }
        if state.stolen {
            actions.push(Action::GiveBack);
        } else if used(|action| *action == Action::Steal) < STEALS {
            actions.push(Action::Steal);
        }
        if used(|action| matches!(action, Action::Fault(_))) < FAULTS {
            actions.extend([Fault::CommitThenLost, Fault::LostBeforeCommit].map(Action::Fault));
        }
        actions
    }

    fn next(&self, state: &State, action: Action) -> Result<Next<State>, Failure> {
        let mut way = state.way.clone();
        way.push(action);
        let house = self.go(&way)?;
        // All that can be asked of the log at any time.
        Watch::new(&house.log).look(&house.log, START, &mut Trace::default())?;
        let used = |kind: fn(&Action) -> bool| way.iter().filter(|action| kind(action)).count();
        let left = (
            used(|action| matches!(action, Action::Crash(_))),
            used(|action| *action == Action::Steal),
            used(|action| matches!(action, Action::Fault(_))),
        );
        let engines = house.engines.each_ref().map(|engine| engine.as_ref().map(|engine| (&engine.worker, engine.replaced)));
        let text = format!("{} {engines:?} {:?} {:?} {} {left:?}", house.log.standing(), house.joined, house.holder, house.stolen);
        if text == state.text {
            return Ok(Next::Same);
        }
        let running = house.engines.each_ref().map(Option::is_some);
        let done = house.ends().2 == self.commands.len() as u64;
        Ok(Next::To(State { text, running, stolen: house.stolen, done, way }))
    }

    fn key(&self, state: &State) -> Vec<u8> {
        state.text.clone().into_bytes()
    }

    /// Every command is answered.
    fn done(&self, state: &State) -> bool {
        state.done
    }
}
