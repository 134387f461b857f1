//! The log against itself, partition by partition, as a merge of its streams: memory is bounded by the
//! number of orders (some 50 bytes each), not of records.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use atelier_domain::Status;
use atelier_log::{Error, Log, Partition, Reader, Record};
use atelier_schemas::{Command, Event, EventData, Framed, Outcome, OutcomeResult, PricingJob, Topic};
use uuid::Uuid;

const BATCH: usize = 2000;
const POLL: Duration = Duration::from_millis(500);

/// What the log says of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderFacts {
    pub(super) version: i64,
    pub(super) status: Option<Status>,
    pricing_requested: u32,
    pricing_jobs: u32,
}

/// What was counted, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) commands: u64,
    pub(super) applied: u64,
    pub(super) repeated: u64,
    pub(super) refused: u64,
    pub(super) undecided: u64,
    pub(super) events: u64,
    pub(super) pricing_jobs: u64,
    pub(super) orders: HashMap<Uuid, OrderFacts>,
    pub(super) ends: Vec<(Topic, Partition, u64)>,
    pub(super) problems: Vec<Problem>,
}

/// One thing that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Problem {
    /// Stable name of what is wrong.
    pub(crate) kind: &'static str,
    /// The order, or the record's place where it has none.
    pub(crate) id: String,
    /// For people.
    pub(crate) detail: String,
}

impl Scanned {
    pub(super) fn problem(&mut self, kind: &'static str, id: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem { kind, id: id.into(), detail: detail.into() });
    }
}

/// Scans every partition up to where it ends now.
pub(super) fn scan(log: &dyn Log) -> Result<Scanned, Error> {
    let mut scanned = Scanned::default();
    // Along the flow: whatever an outcome or event within its end speaks of lies within the ends taken after
    // it. What is newer than its cause's end is not held against a log that moves on.
    for topic in [Topic::Commands, Topic::Outcomes, Topic::Events, Topic::PricingJobs] {
        for partition in 0..log.partitions() {
            scanned.ends.push((topic, partition, log.end(topic, partition)?));
        }
    }
    for partition in 0..log.partitions() {
        decisions(log, partition, &mut scanned)?;
    }
    jobs(log, &mut scanned)?;
    Ok(scanned)
}

/// One topic of one partition, record by record, up to its end.
struct Stream {
    partition: Partition,
    end: u64,
    reader: Option<Box<dyn Reader>>,
    waiting: VecDeque<Record>,
}

impl Stream {
    fn open(log: &dyn Log, scanned: &Scanned, topic: Topic, partition: Partition) -> Result<Self, Error> {
        let end = end_of(scanned, topic, partition);
        let reader = if end > 0 { Some(log.read(topic, &[(partition, 0)])?) } else { None };
        Ok(Self { partition, end, reader, waiting: VecDeque::new() })
    }

    fn peek(&mut self) -> Result<Option<&Record>, Error> {
        if let Some(reader) = &mut self.reader {
            while self.waiting.is_empty() && reader.position(self.partition) < self.end {
                let end = self.end;
                self.waiting.extend(reader.poll(BATCH, POLL)?.into_iter().filter(|record| record.offset < end));
            }
        }
        Ok(self.waiting.front())
    }

    fn next(&mut self) -> Result<Option<Record>, Error> {
        self.peek()?;
        Ok(self.waiting.pop_front())
    }
}

fn place(record: &Record) -> String {
    format!("{} partition {} offset {}", record.topic, record.partition, record.offset)
}

/// Whether the topic has grown since its end was taken.
fn moved(log: &dyn Log, scanned: &Scanned, topic: Topic, partition: Partition) -> Result<bool, Error> {
    Ok(log.end(topic, partition)? > end_of(scanned, topic, partition))
}

fn end_of(scanned: &Scanned, topic: Topic, partition: Partition) -> u64 {
    scanned.ends.iter().find(|(of, at, _)| (*of, *at) == (topic, partition)).map_or(0, |(_, _, end)| *end)
}

/// Commands, their outcomes, and the events those speak of: three streams in the same order.
fn decisions(log: &dyn Log, partition: Partition, scanned: &mut Scanned) -> Result<(), Error> {
    let mut commands = Stream::open(log, scanned, Topic::Commands, partition)?;
    let mut outcomes = Stream::open(log, scanned, Topic::Outcomes, partition)?;
    let mut events = Stream::open(log, scanned, Topic::Events, partition)?;
    // Without an outcome so far: undecided, unless a later one has its own.
    let mut waiting = Vec::new();
    while let Some(command) = commands.next()? {
        scanned.commands += 1;
        let answers = answers_to(&command, &mut outcomes, &mut events, scanned)?;
        if answers == 0 {
            waiting.push((command.key.clone(), place(&command)));
            continue;
        }
        for (key, place) in waiting.drain(..) {
            scanned.problem("missing_outcome", key, format!("{place} has no outcome, later ones have"));
        }
        if answers > 1 {
            scanned.problem("doubled_outcome", command.key.clone(), format!("{} has {answers} outcomes", place(&command)));
        }
    }
    scanned.undecided += waiting.len() as u64;
    let tail_is_new = moved(log, scanned, Topic::Outcomes, partition)? || outcomes.peek()?.is_some();
    while let Some(record) = events.next()? {
        event(&record, if tail_is_new { Cause::Unchecked } else { Cause::None }, scanned);
    }
    Ok(())
}

/// Takes the outcomes up to this command's; how many are about it.
fn answers_to(command: &Record, outcomes: &mut Stream, events: &mut Stream, scanned: &mut Scanned) -> Result<u32, Error> {
    let mut answers = 0;
    loop {
        let Some(record) = outcomes.peek()? else { return Ok(answers) };
        let at = place(record);
        let Ok(outcome) = Outcome::decode(&record.payload) else {
            let key = record.key.clone();
            scanned.problem("unreadable_outcome", key, format!("{at} cannot be read"));
            outcomes.next()?;
            continue;
        };
        if outcome.command_offset > command.offset as i64 {
            return Ok(answers);
        }
        outcomes.next()?;
        if outcome.command_offset < command.offset as i64 {
            let detail = format!("{at} answers command offset {}, which has its answer or does not exist", outcome.command_offset);
            scanned.problem("stray_outcome", outcome.order_id.to_string(), detail);
            continue;
        }
        answers += 1;
        if answers == 1 {
            answered(command, &outcome, events, scanned)?;
        }
    }
}

/// What is known of an event's cause.
enum Cause<'a> {
    /// No outcome speaks of it: it must be a deadline's.
    None,
    /// An outcome says it is of this type.
    Says(&'a str),
    /// Its outcome is newer than what is audited.
    Unchecked,
}

fn answered(command: &Record, outcome: &Outcome, events: &mut Stream, scanned: &mut Scanned) -> Result<(), Error> {
    if let Ok(asked) = Command::decode(&command.payload)
        && asked.command_id != outcome.command_id
    {
        let detail = format!("{} is command {}, its outcome is about {}", place(command), asked.command_id, outcome.command_id);
        scanned.problem("foreign_outcome", command.key.clone(), detail);
    }
    let OutcomeResult::Accepted { events: types, repeated, dry_run, .. } = &outcome.result else {
        scanned.refused += 1;
        return Ok(());
    };
    scanned.applied += 1;
    if *repeated {
        scanned.repeated += 1;
    }
    if *repeated || *dry_run {
        return Ok(());
    }
    for type_name in types {
        // Events of deadlines lie between those of commands.
        loop {
            let Some(record) = events.peek()? else {
                let detail = format!("command {} says {type_name}, the log has no such event", outcome.command_id);
                scanned.problem("missing_event", outcome.order_id.to_string(), detail);
                return Ok(());
            };
            let cause = Event::decode(&record.payload).ok().and_then(|event| event.command_id);
            if cause.is_some() && cause != Some(outcome.command_id) {
                let detail = format!("command {} says {type_name}, the log has no such event in its place", outcome.command_id);
                scanned.problem("missing_event", outcome.order_id.to_string(), detail);
                break;
            }
            let Some(record) = events.next()? else { break };
            event(&record, if cause.is_some() { Cause::Says(type_name) } else { Cause::None }, scanned);
            if cause.is_some() {
                break;
            }
        }
    }
    Ok(())
}

fn event(record: &Record, known: Cause<'_>, scanned: &mut Scanned) {
    scanned.events += 1;
    let event = match Event::decode(&record.payload) {
        Ok(event) => event,
        Err(error) => return scanned.problem("unreadable_event", record.key.clone(), format!("{}: {error}", place(record))),
    };
    if let Cause::Says(expected) = known
        && expected != event.data.type_name()
    {
        let detail = format!("{} is {}, its command's outcome says {expected}", place(record), event.data.type_name());
        scanned.problem("wrong_event", record.key.clone(), detail);
    }
    let facts = scanned.orders.entry(event.order_id).or_default();
    let previous = facts.version;
    facts.version = event.version;
    facts.status = event.after.status.parse().ok();
    facts.pricing_requested += u32::from(matches!(event.data, EventData::PricingRequested { .. }));
    if event.version != previous + 1 {
        let detail = format!("version {} follows version {previous} at {}", event.version, place(record));
        scanned.problem("version_gap", event.order_id.to_string(), detail);
    }
    if matches!(known, Cause::None) && event.command_id.is_some() {
        let detail = format!("{} is caused by command {:?}, whose outcome does not speak of it", place(record), event.command_id);
        scanned.problem("stray_event", event.order_id.to_string(), detail);
    }
}

fn jobs(log: &dyn Log, scanned: &mut Scanned) -> Result<(), Error> {
    for partition in 0..log.partitions() {
        let mut stream = Stream::open(log, scanned, Topic::PricingJobs, partition)?;
        while let Some(record) = stream.next()? {
            scanned.pricing_jobs += 1;
            match PricingJob::decode(&record.payload) {
                Ok(job) => scanned.orders.entry(job.order_id).or_default().pricing_jobs += 1,
                Err(error) => scanned.problem("unreadable_job", record.key.clone(), format!("{}: {error}", place(&record))),
            }
        }
    }
    let mut growing = false;
    for partition in 0..log.partitions() {
        growing |= moved(log, scanned, Topic::Events, partition)?;
    }
    // Jobs were ended last: of a growing log there may be newer ones, but never fewer than requested.
    let wrong =
        |facts: &OrderFacts| facts.pricing_jobs < facts.pricing_requested || (facts.pricing_jobs > facts.pricing_requested && !growing);
    let uneven: Vec<_> = scanned.orders.iter().filter(|(_, facts)| wrong(facts)).map(|(id, facts)| (*id, facts.clone())).collect();
    for (id, OrderFacts { pricing_requested, pricing_jobs, .. }) in uneven {
        let detail = format!("pricing was requested {pricing_requested} times, {pricing_jobs} jobs were written");
        scanned.problem("pricing_jobs", id.to_string(), detail);
    }
    Ok(())
}
