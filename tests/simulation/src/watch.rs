//! Reads everything that is written, as soon as it is, and holds it against the invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atelier_log::memory::Memory;
use atelier_log::{Log, Reader, Record};
use atelier_runtime::GROUP;
use atelier_schemas::{Command, CommandData, Event, EventData, Framed, Outcome, OutcomeResult, PricingJob, TimeMs, Topic, partition_of};
use uuid::Uuid;

use crate::failure::{Failure, hold};
use crate::ledger::Ledger;
use crate::trace::Trace;

/// More than a step ever writes.
const ALL: usize = 1_000_000;
/// An order forgets older commands than its newest so many; beyond them a repetition is decided anew.
const REMEMBERED: usize = atelier_domain::REMEMBERED_COMMANDS;

/// A command as the log has it; `None` where the record is none.
pub(crate) struct Heard {
    pub(crate) command: Option<Command>,
    digest: i64,
    /// When it was written.
    at: TimeMs,
}

/// What an engine called missed.
struct Missed {
    partition: u32,
    due: TimeMs,
    what: String,
}

/// How a command was answered.
pub(crate) struct Answer {
    pub(crate) digest: i64,
    pub(crate) outcome: Outcome,
}

/// Sees the whole log.
pub(crate) struct Watch {
    readers: Vec<(Topic, Box<dyn Reader>)>,
    partitions: u32,
    pub(crate) ledger: Ledger,
    /// By partition and offset.
    pub(crate) commands: Vec<Vec<Heard>>,
    /// By partition: commands answered.
    pub(crate) answered: Vec<usize>,
    /// By command id, in the order given.
    pub(crate) answers: BTreeMap<Uuid, Vec<Answer>>,
    /// Events no outcome has spoken for yet, by the id and digest of the command that caused them.
    unspoken: BTreeMap<(Uuid, i64), Vec<(&'static str, i64)>>,
    /// Seen by this look.
    missed: Vec<Missed>,
    /// Attempts requested without a job.
    jobless: BTreeSet<(Uuid, i32)>,
    /// What clients were told is durable.
    pub(crate) acknowledged: Vec<(u32, u64, Uuid)>,
    names: BTreeMap<Uuid, String>,
}

impl Watch {
    pub(crate) fn new(log: &Memory) -> Self {
        let partitions = log.partitions();
        let from: Vec<_> = (0..partitions).map(|partition| (partition, 0)).collect();
        let reader = |topic| (topic, log.read(topic, &from).expect("the log in memory can be read"));
        Self {
            readers: Topic::ALL.map(reader).into(),
            partitions,
            ledger: Ledger::default(),
            commands: (0..partitions).map(|_| Vec::new()).collect(),
            answered: vec![0; partitions as usize],
            answers: BTreeMap::new(),
            unspoken: BTreeMap::new(),
            missed: Vec::new(),
            jobless: BTreeSet::new(),
            acknowledged: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    /// A short name for an order in the trace.
    pub(crate) fn name(&mut self, id: Uuid, name: String) {
        self.names.insert(id, name);
    }

    fn named(&self, id: &Uuid) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| format!("{:.8}", id.as_hyphenated().to_string()))
    }

    /// Reads what is new. `true`: there was something.
    pub(crate) fn look(&mut self, log: &Memory, now: TimeMs, trace: &mut Trace) -> Result<bool, Failure> {
        let mut seen = false;
        for index in 0..self.readers.len() {
            let (topic, reader) = &mut self.readers[index];
            let topic = *topic;
            let records = reader.poll(ALL, Duration::ZERO).expect("the log in memory can be read");
            seen |= !records.is_empty();
            for record in &records {
                match topic {
                    Topic::Commands => self.command(record, now, trace),
                    Topic::Events => self.event(record, now, trace)?,
                    Topic::Outcomes => self.outcome(record, now, trace)?,
                    Topic::PricingJobs => self.job(record)?,
                }
            }
        }
        hold("events and outcome together", self.unspoken.is_empty(), || {
            format!("events of {} commands have no outcome", self.unspoken.len())
        })?;
        hold("events and job together", self.jobless.is_empty(), || format!("no job for {:?}", self.jobless))?;
        for partition in 0..self.partitions {
            let next = log.committed(GROUP, partition).expect("the log in memory answers");
            let answered = self.answered[partition as usize] as u64;
            hold("group offset is the last decided command + 1", next == answered, || {
                format!("partition {partition}: the group stands at {next}, {answered} commands are decided")
            })?;
        }
        for Missed { partition, due, what } in self.missed.drain(..) {
            let undecided = &self.commands[partition as usize][self.answered[partition as usize]..];
            hold("nothing is missed before what came in time is decided", undecided.iter().all(|heard| heard.at >= due), || {
                format!("{what}, due at {due}: a command from before that was not decided")
            })?;
        }
        Ok(seen)
    }

    fn command(&mut self, record: &Record, now: TimeMs, trace: &mut Trace) {
        let readable = |command: &Command| {
            record.key == command.order_id.to_string() && partition_of(&command.order_id, self.partitions) == record.partition
        };
        let command = Command::decode(&record.payload).ok().filter(readable);
        let place = format!("{}/{}", record.partition, record.offset);
        match &command {
            Some(command) => {
                let expected = command.expected_version.map_or(String::new(), |version| format!(" if v{version}"));
                let dry = if command.dry_run { " dry run" } else { "" };
                let (name, by) = (self.named(&command.order_id), &command.actor.name);
                trace.line(now, "log", format_args!("command {place} {name} {} by {by}{expected}{dry}", command.type_name));
            }
            None => trace.line(now, "log", format_args!("command {place} that nobody can read")),
        }
        let digest = command.as_ref().map_or(0, Command::digest);
        self.commands[record.partition as usize].push(Heard { command, digest, at: now });
    }

    fn event(&mut self, record: &Record, now: TimeMs, trace: &mut Trace) -> Result<(), Failure> {
        let place = format!("{}/{}", record.partition, record.offset);
        let event = Event::decode(&record.payload).map_err(|error| Failure::new("events can be read", format!("{place}: {error}")))?;
        let name = self.named(&event.order_id);
        let flags = [(event.after.held, " held"), (!event.after.attention.is_empty(), " attention")];
        let flags: String = flags.into_iter().filter_map(|(set, text)| set.then_some(text)).collect();
        let missed = match &event.data {
            EventData::DeadlineMissed { action, .. } => format!(" ({action})"),
            _ => String::new(),
        };
        let what = format_args!("event   {place} {name} v{} {}{missed} → {}{flags}", event.version, event.type_name, event.after.stage);
        trace.line(now, "log", what);
        let at_home = record.key == event.order_id.to_string() && partition_of(&event.order_id, self.partitions) == record.partition;
        hold("an order lies in one partition", at_home, || format!("event {place} is of {name}"))?;
        if let Some(due) = self.ledger.due(&event) {
            self.missed.push(Missed { partition: record.partition, due, what: format!("{name} v{}: {}", event.version, event.type_name) });
        }
        self.ledger.take(&name, &event)?;
        if let (Some(command), Some(digest)) = (event.command_id, event.command_digest) {
            self.unspoken.entry((command, digest)).or_default().push((event.data.type_name(), event.version));
        }
        if let EventData::PricingRequested { attempt, .. } = event.data {
            self.jobless.insert((event.order_id, attempt));
        }
        Ok(())
    }

    fn job(&mut self, record: &Record) -> Result<(), Failure> {
        let job = PricingJob::decode(&record.payload).map_err(|error| Failure::new("jobs can be read", error.to_string()))?;
        let name = self.named(&job.order_id);
        hold("events and job together", self.jobless.remove(&(job.order_id, job.attempt)), || {
            format!("{name}: a job of attempt {} that no event asked for", job.attempt)
        })
    }

    fn outcome(&mut self, record: &Record, now: TimeMs, trace: &mut Trace) -> Result<(), Failure> {
        let partition = record.partition as usize;
        let decided = Outcome::decode(&record.payload).map_err(|error| Failure::new("outcomes can be read", error.to_string()))?;
        let place = format!("{partition}/{}", decided.command_offset);
        let name = self.named(&decided.order_id);
        trace.line(now, "log", format_args!("outcome of {place} {name} {}", shown(&decided.result)));
        let next = self.answered[partition];
        hold("exactly one outcome per command", decided.command_offset == next as i64, || {
            format!("partition {partition}: outcome of command {} where {next} is next", decided.command_offset)
        })?;
        self.answered[partition] += 1;
        let Some(heard) = self.commands[partition].get(next) else {
            return Err(Failure::new("exactly one outcome per command", format!("outcome of {place}, which is no command")));
        };
        let digest = heard.digest;
        let Some(command) = heard.command.clone() else {
            let code = matches!(&decided.result, OutcomeResult::Refused { code, .. } if code == "unreadable");
            return hold("poison is refused by name", code, || format!("{place}: {}", shown(&decided.result)));
        };
        hold("exactly one outcome per command", decided.command_id == command.command_id, || format!("{place} answers another command"))?;
        self.judge(&name, &command, digest, &decided)?;
        self.answers.entry(command.command_id).or_default().push(Answer { digest, outcome: decided });
        Ok(())
    }

    /// The answer is one the command can have, given its earlier answers and the events.
    fn judge(&mut self, name: &str, command: &Command, digest: i64, decided: &Outcome) -> Result<(), Failure> {
        let id = command.command_id;
        let events = self.unspoken.remove(&(id, digest)).unwrap_or_default();
        let version = self.ledger.orders.get(&command.order_id).map_or(0, |entry| entry.version);
        let before: Vec<&Answer> = self.answers.get(&id).map(|answers| answers.iter().collect()).unwrap_or_default();
        let first = before.iter().find_map(|answer| match &answer.outcome.result {
            OutcomeResult::Accepted { repeated: false, dry_run: false, status, version, .. } => Some((answer.digest, status, *version)),
            _ => None,
        });
        // Of heartbeats only the last is remembered; an older one is decided anew.
        let repeated = matches!(decided.result, OutcomeResult::Accepted { repeated: true, .. });
        let anew = matches!(command.data, CommandData::HeartbeatPricing { .. }) && !repeated;
        // Every accepted command has an event at least, so within so many versions it is remembered.
        let first = first.filter(|(_, _, accepted)| version - accepted < REMEMBERED as i64 && !anew);
        let what = || format!("{name}: {} by {} is {}", command.type_name, command.actor.name, shown(&decided.result));
        match (&decided.result, first) {
            (OutcomeResult::Accepted { repeated: true, status, version, .. }, Some((as_asked, first_status, first_version))) => {
                let same = (as_asked, first_status, first_version) == (digest, status, *version);
                hold("a repeated command gets its first answer", same && events.is_empty(), || {
                    format!("{}, and was {first_status} v{first_version}", what())
                })
            }
            (OutcomeResult::Refused { code, .. }, Some((as_asked, ..))) if as_asked != digest => {
                // It may have been refused before the id was used by another request: that answer is given again.
                let as_before = |answer: &&Answer| answer.digest == digest && answer.outcome.result == decided.result;
                hold("a used id is refused to another request", code == "key_reused" || before.iter().any(as_before), what)
            }
            (_, Some(_)) => Err(Failure::new("a repeated command gets its first answer", format!("{}, and was accepted before", what()))),
            (OutcomeResult::Accepted { repeated: true, .. }, None) => {
                hold("a repeated command gets its first answer", version > REMEMBERED as i64, || format!("{}, the first time", what()))
            }
            (OutcomeResult::Accepted { dry_run: false, events: named, version: after, .. }, None) => {
                let types: Vec<&str> = events.iter().map(|(kind, _)| *kind).collect();
                let last = events.last().map(|(_, version)| *version);
                hold("events and outcome together", types == *named && last == Some(*after), || format!("{}, with {types:?}", what()))?;
                let stood = after - events.len() as i64;
                hold("expected version", command.expected_version.is_none_or(|expected| expected == stood), || {
                    format!("{} at v{stood} and expected {:?}", what(), command.expected_version)
                })
            }
            (OutcomeResult::Accepted { .. } | OutcomeResult::Refused { .. }, None) => {
                hold("a refusal or dry run changes nothing", events.is_empty(), || format!("{}, with events", what()))
            }
        }
    }

    /// What became of a command, if it was decided: the latest answer.
    pub(crate) fn answer(&self, command_id: &Uuid) -> Option<&OutcomeResult> {
        self.answers.get(command_id).and_then(|answers| answers.last()).map(|answer| &answer.outcome.result)
    }
}

fn shown(result: &OutcomeResult) -> String {
    match result {
        OutcomeResult::Accepted { status, version, repeated, dry_run, .. } => {
            let repeated = if *repeated { ", again" } else { "" };
            let dry = if *dry_run { ", dry run" } else { "" };
            format!("accepted v{version} {status}{repeated}{dry}")
        }
        OutcomeResult::Refused { code, .. } => format!("refused {code}"),
    }
}
