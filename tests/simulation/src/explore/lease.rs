//! The lease of pricing: one order, two workers and a seller. Any of them may say anything at any time, again and
//! again, whether or not it makes sense; time stands still, or passes the next deadline, which may be written late.
//!
//! Decisions, folds and deadlines are the domain's own. What happened is kept a second time, by a fold that knows
//! nothing but the events.

use std::collections::{BTreeMap, BTreeSet};

use atelier_domain::testing::{create_order, digest, quote, ring_model};
use atelier_domain::{
    Command, Decision, Event, Order, Policy, Request, Role, Stage, StageLimits, TimeMs, advance, deadline, decide, evolve, on_deadline,
    remember,
};

use super::search::{Model, Next, search};
use super::{Explored, Found};
use crate::failure::{Failure, hold};

/// Attempts within the scope.
const ATTEMPTS: u32 = 3;
/// More states than there are.
const LIMIT: usize = 2_000_000;
const HOUR: TimeMs = 3_600_000;
const WORKERS: [&str; 2] = ["w1", "w2"];

/// Who says what. A repetition is the same command under the same id.
#[derive(Clone, Copy, Debug)]
enum Action {
    Accept {
        worker: usize,
        attempt: u32,
    },
    Heartbeat {
        worker: usize,
        attempt: u32,
    },
    Complete {
        worker: usize,
        attempt: u32,
    },
    Fail {
        worker: usize,
        attempt: u32,
        retryable: bool,
    },
    /// The seller asks for another price.
    Reprice,
    /// The seller sets the price.
    Quote,
    /// The next deadline passes, and is not written yet.
    Pass,
    /// What has passed is written.
    Write,
}

/// What the events say.
#[derive(Clone, Default, PartialEq)]
struct Told {
    events: u64,
    attempt: u32,
    lease: Option<String>,
    granted: BTreeSet<u32>,
    priced: BTreeSet<u32>,
    missed: BTreeSet<(String, TimeMs, &'static str)>,
    /// Commands that led to events, and the version after them.
    decided: BTreeMap<u128, u64>,
}

#[derive(Clone)]
struct State {
    order: Order,
    now: TimeMs,
    told: Told,
}

struct Lease {
    policy: Policy,
}

/// Visits every state.
///
/// # Errors
/// [`Found`], with a shortest way to it.
pub fn explore() -> Result<Explored, Box<Found>> {
    // So short that the deadlines of the stage and of the order fall between those of the attempts. Times are few: all
    // are multiples of one, and from an hour on attempts that nobody takes do not wait ever longer.
    let limits = StageLimits { pricing_ms: 2 * HOUR, total_ms: 3 * HOUR, ..StageLimits::default() };
    let (pricing_accept_ms, pricing_lease_ms) = (HOUR, HOUR);
    let policy = Policy { limits, escalate_after_ms: Some(HOUR), pricing_accept_ms, pricing_lease_ms, ..Policy::default() };
    search(&Lease { policy }, LIMIT)
}

impl Action {
    /// The same action is the same command.
    fn id(self) -> u128 {
        let of = |kind: u128, worker: usize, attempt: u32| kind << 16 | u128::from(attempt) << 8 | worker as u128;
        match self {
            Action::Accept { worker, attempt } => of(1, worker, attempt),
            Action::Heartbeat { worker, attempt } => of(2, worker, attempt),
            Action::Complete { worker, attempt } => of(3, worker, attempt),
            Action::Fail { worker, attempt, retryable } => of(if retryable { 4 } else { 5 }, worker, attempt),
            Action::Reprice => of(6, 0, 0),
            Action::Quote => of(7, 0, 0),
            Action::Pass | Action::Write => 0,
        }
    }

    fn command(self) -> Option<(Role, &'static str, Command)> {
        let by = |worker: usize, command| Some((Role::Worker, WORKERS[worker], command));
        let name = |worker: usize| WORKERS[worker].to_owned();
        match self {
            Action::Accept { worker, attempt } => by(worker, Command::AcceptPricing { attempt, worker: name(worker) }),
            Action::Heartbeat { worker, attempt } => {
                by(worker, Command::HeartbeatPricing { attempt, worker: name(worker), progress_percent: 50 })
            }
            Action::Complete { worker, attempt } => by(worker, Command::CompletePricing { attempt, worker: name(worker), quote: quote() }),
            Action::Fail { worker, attempt, retryable } => {
                let (failure, detail) = ("internal".into(), "explored".into());
                by(worker, Command::FailPricing { attempt, worker: name(worker), failure, detail, retryable })
            }
            Action::Reprice => Some((Role::Seller, "s", Command::RepriceOrder { reason: "explored".into() })),
            Action::Quote => Some((Role::Seller, "s", Command::QuoteOrder { price: quote().price, reason: "explored".into() })),
            Action::Pass | Action::Write => None,
        }
    }
}

impl Model for Lease {
    type State = State;
    type Action = Action;

    fn begin(&self) -> State {
        let created = match create_order() {
            Command::CreateOrder { channel, client, reference, customer, item } => {
                Event::OrderCreated { channel, client, reference, customer, item, sandbox: false }
            }
            _ => unreachable!("it creates an order"),
        };
        let mut order = evolve(None, &created, 0).expect("it begins one");
        for event in [
            Event::ModelAttached { model: ring_model() },
            Event::OrderSubmitted,
            Event::PricingRequested { attempt: 1, cause: "submitted".into() },
        ] {
            advance(&mut order, &event, 0);
        }
        let told = Told { events: order.version, attempt: 1, ..Told::default() };
        State { order, now: 0, told }
    }

    fn actions(&self, _: &State) -> Vec<Action> {
        let mut actions = vec![Action::Pass, Action::Write, Action::Reprice, Action::Quote];
        for attempt in 1..=ATTEMPTS {
            for worker in 0..WORKERS.len() {
                actions.extend([
                    Action::Accept { worker, attempt },
                    Action::Heartbeat { worker, attempt },
                    Action::Complete { worker, attempt },
                    Action::Fail { worker, attempt, retryable: true },
                    Action::Fail { worker, attempt, retryable: false },
                ]);
            }
        }
        actions
    }

    fn next(&self, state: &State, action: Action) -> Result<Next<State>, Failure> {
        let Some((role, name, command)) = action.command() else {
            return self.time(state, action);
        };
        let id = action.id();
        let digest = digest(&command);
        let request = Request { command_id: id, digest, role, name, expected_version: None, command };
        match decide(Some(&state.order), request, &self.policy, state.now) {
            Decision::Rejected(rejection) => {
                if let Some(free) = rejection.attempt() {
                    let current = free == state.told.attempt && state.order.stage == Stage::PricingRequested;
                    hold("an attempt that is offered is free", current && !state.told.granted.contains(&free), || {
                        format!("{action:?} is offered attempt {free}, and {} is the current one", state.told.attempt)
                    })?;
                }
                Ok(Next::Same)
            }
            Decision::Repeated(seen) => {
                let first = state.told.decided.get(&id);
                hold("a repeated command gets its first answer", first == Some(&u64::from(seen.version)), || {
                    format!("{action:?} is said to have led to version {}, and led to {first:?}", seen.version)
                })?;
                Ok(Next::Same)
            }
            Decision::Accepted(events) => {
                let mut next = state.clone();
                let before = next.told.decided.get(&id).copied();
                hold("a command id is decided once", before.is_none(), || format!("{action:?} led to version {before:?} before"))?;
                let last = events.last().cloned();
                write(&mut next, events, name)?;
                if let Some(last) = last {
                    remember(&mut next.order, id, digest, &last);
                }
                next.told.decided.insert(id, next.order.version);
                let remembered = next
                    .order
                    .seen
                    .iter()
                    .all(|seen| next.told.decided.get(&u128::from_be_bytes(seen.command_id)) == Some(&u64::from(seen.version)));
                hold("a repeated command gets its first answer", remembered, || format!("{:?} is remembered", next.order.seen))?;
                Ok(within(next))
            }
        }
    }

    /// What follows depends on how long ago things were, not on when; not on which worker is called the first; and not
    /// on how earlier attempts went: whatever belongs to one of those is asked for in every state, and refused in all.
    fn key(&self, state: &State) -> Vec<u8> {
        key(state, [0, 1]).min(key(state, [1, 0]))
    }

    /// There is a price, or a person has to look.
    fn done(&self, state: &State) -> bool {
        matches!(state.order.stage, Stage::Priced | Stage::PricingFailed | Stage::PricingExpired)
    }
}

fn key(State { order, now, told }: &State, names: [usize; 2]) -> Vec<u8> {
    let renamed = |worker: Option<&str>| worker.and_then(|worker| WORKERS.iter().position(|name| *name == worker)).map(|at| names[at]);
    let holder = renamed(order.pricing.worker.as_deref());
    let mut order = order.clone();
    order.seen.clear();
    order.version = 0;
    order.pricing.worker = None;
    for time in [&mut order.since, &mut order.pricing_since, &mut order.created, &mut order.pricing.lease_until] {
        *time -= now;
    }
    let Told { attempt, lease, decided, .. } = told;
    let current = |id: &&u128| (*id >> 8 & 0xff) as u32 == *attempt || (*id >> 8 & 0xff) == 0;
    let decided: BTreeSet<u128> = decided.keys().filter(current).map(|id| with_worker(*id, names)).collect();
    let told = (attempt, renamed(lease.as_deref()), told.granted.contains(attempt), told.priced.contains(attempt), decided);
    postcard::to_stdvec(&(order, holder, told)).expect("plain values become bytes")
}

/// The id of the same command of the worker that takes this one's place.
fn with_worker(id: u128, names: [usize; 2]) -> u128 {
    let (rest, worker) = (id & !0xff, (id & 0xff) as usize);
    if rest == 0 || worker >= names.len() || id >> 16 > 5 { id } else { rest | names[worker] as u128 }
}

impl Lease {
    fn time(&self, state: &State, action: Action) -> Result<Next<State>, Failure> {
        let Some(next_due) = deadline(&state.order, &self.policy).filter(|_| state.order.stage.is_pricing()) else {
            return Ok(Next::Same);
        };
        let mut next = state.clone();
        match action {
            Action::Pass if next_due.at > state.now => {
                next.now = next_due.at;
                Ok(Next::To(next))
            }
            Action::Write if next_due.at <= state.now => {
                let events = on_deadline(&state.order, &self.policy, state.now);
                hold("each due deadline is written", !events.is_empty(), || format!("nothing follows {next_due:?}"))?;
                write(&mut next, events, "deadline")?;
                Ok(within(next))
            }
            _ => Ok(Next::Same),
        }
    }
}

fn within(state: State) -> Next<State> {
    if state.told.attempt > ATTEMPTS { Next::Beyond } else { Next::To(state) }
}

fn write(state: &mut State, events: Vec<Event>, by: &str) -> Result<(), Failure> {
    for event in events {
        state.told.take(&event, by, state.now)?;
        advance(&mut state.order, &event, state.now);
        hold("versions 1, 2, 3 …", state.order.version == state.told.events, || {
            format!("{} events and version {}", state.told.events, state.order.version)
        })?;
    }
    Ok(())
}

impl Told {
    fn take(&mut self, event: &Event, by: &str, now: TimeMs) -> Result<(), Failure> {
        self.events += 1;
        let current = |attempt: u32| {
            hold("results of the current attempt only", attempt == self.attempt, || {
                format!("{event:?} by {by}, and attempt {} is the current one", self.attempt)
            })
        };
        let holder = |worker: &str| {
            hold("results of the lease's holder only", self.lease.as_deref() == Some(worker), || {
                format!("{event:?} by {worker}, and {:?} has the lease", self.lease)
            })
        };
        match event {
            Event::PricingRequested { attempt, .. } => {
                hold("attempts count up", *attempt == self.attempt + 1, || format!("attempt {attempt} follows {}", self.attempt))?;
                (self.attempt, self.lease) = (*attempt, None);
            }
            Event::PricingAccepted { attempt, worker, .. } => {
                current(*attempt)?;
                hold("one lease per attempt", self.granted.insert(*attempt), || {
                    format!("attempt {attempt} is granted again, to {worker}")
                })?;
                self.lease = Some(worker.clone());
            }
            Event::PricingProgressed { attempt, worker, .. } => {
                current(*attempt)?;
                holder(worker)?;
            }
            Event::PriceCalculated { attempt, .. } => {
                current(*attempt)?;
                holder(by)?;
                hold("one price per attempt", self.priced.insert(*attempt), || format!("attempt {attempt} is priced again"))?;
                self.lease = None;
            }
            Event::PricingFailed { attempt, worker, .. } => {
                current(*attempt)?;
                holder(worker)?;
                self.lease = None;
            }
            Event::PricingExpired { attempt, worker, .. } => {
                current(*attempt)?;
                hold("results of the lease's holder only", *worker == self.lease, || format!("{event:?}, and {:?} has it", self.lease))?;
                self.lease = None;
            }
            Event::OrderQuoted { .. } => self.lease = None,
            Event::DeadlineMissed { stage, due, action, .. } => {
                hold("no deadline before its time", *due <= now, || format!("{event:?} at {now}"))?;
                hold("each deadline written once", self.missed.insert((stage.clone(), *due, action.as_str())), || {
                    format!("{event:?} again")
                })?;
            }
            _ => {}
        }
        Ok(())
    }
}
