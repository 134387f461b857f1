//! What the reader has found so far, and every rule that it saw broken.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use apache_avro::types::Value;
use atelier_log::{Log, Record};
use atelier_schemas::{Topic, partition_of};

use super::decoded::{Decoder, Fields, field, number, text};

/// An open transaction holds a reader of committed records; it is ended long before that.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);
const BATCH: usize = 1000;
/// The consumer group of the engines.
const GROUP: &str = "engine";

/// What may happen once at most to a pricing attempt of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A worker got the lease.
    Granted,
    /// The timer ended it.
    Expired,
}

/// How far a partition was read, and what is open there.
#[derive(Default)]
struct Part {
    /// By topic: the next offset, and how far to read now.
    next: BTreeMap<Topic, (u64, u64)>,
    /// Commands without an outcome so far, with their id; `None`: nobody can read it.
    unanswered: BTreeMap<i64, Option<String>>,
    /// Of the newest outcome.
    answered: Option<i64>,
}

/// Everything that was read, for as long as it is needed to judge what comes.
pub struct Books {
    commands_of: Decoder,
    outcomes_of: Decoder,
    events_of: Decoder,
    parts: Vec<Part>,
    /// Commands read.
    pub commands: usize,
    /// Events read.
    pub events: usize,
    /// By order: version → public status.
    pub orders: BTreeMap<String, BTreeMap<i64, String>>,
    /// By order: version → event id.
    pub ids: BTreeMap<String, BTreeMap<i64, String>>,
    event_ids: HashSet<String>,
    /// By command: events there are less events that its outcome speaks of, where that is not nothing.
    caused: BTreeMap<String, i64>,
    applied: HashSet<String>,
    facts: BTreeSet<(String, i64, Fact)>,
    missed: BTreeSet<(String, String, i64, String)>,
    foreign: BTreeSet<String>,
    violations: Vec<String>,
}

impl Books {
    /// Nothing read yet.
    pub fn new(partitions: u32) -> Self {
        Self {
            commands_of: Decoder::of("command.avsc"),
            outcomes_of: Decoder::of("outcome.avsc"),
            events_of: Decoder::of("event.avsc"),
            parts: (0..partitions).map(|_| Part::default()).collect(),
            commands: 0,
            events: 0,
            orders: BTreeMap::new(),
            ids: BTreeMap::new(),
            event_ids: HashSet::new(),
            caused: BTreeMap::new(),
            applied: HashSet::new(),
            facts: BTreeSet::new(),
            missed: BTreeSet::new(),
            foreign: BTreeSet::new(),
            violations: Vec::new(),
        }
    }

    /// Records under these keys lie among the events and are none: somebody else wrote them.
    pub fn foreign_events(&mut self, keys: impl IntoIterator<Item = String>) {
        self.foreign.extend(keys);
    }

    /// What was broken since the last call.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// Reads on to where the log ends now, also while others write. What is read must follow the rules: per
    /// order versions 1, 2, 3 …; one outcome per command offset, in the order of the offsets (which an older
    /// owner that still writes would break); no event twice; one lease and one expiry per pricing attempt; each
    /// deadline fires once.
    pub fn read(&mut self, log: &dyn Log) {
        for partition in 0..log.partitions() {
            // In this order: what is answered by then was asked before.
            for topic in [Topic::Outcomes, Topic::Events, Topic::Commands] {
                match end_of(log, topic, partition) {
                    Ok(end) => self.part(partition).ends(topic, end),
                    Err(why) => return self.violations.push(why),
                }
            }
            for topic in [Topic::Commands, Topic::Outcomes, Topic::Events] {
                let records = match self.part(partition).records(log, topic, partition) {
                    Ok(records) => records,
                    Err(why) => return self.violations.push(why),
                };
                for record in records {
                    match topic {
                        Topic::Commands => self.command(&record),
                        Topic::Outcomes => self.outcome(&record),
                        _ => self.event(&record),
                    }
                }
            }
        }
    }

    /// What must hold once nothing is under way any more: every command has its outcome, the group stands behind
    /// the last of them, and outcomes speak of exactly the events there are.
    pub fn unsettled(&self, log: &dyn Log) -> Vec<String> {
        let mut open = Vec::new();
        for (partition, part) in (0..).zip(&self.parts) {
            for (offset, id) in &part.unanswered {
                let id = id.as_deref().unwrap_or("(unreadable)");
                open.push(format!("command {id} at partition {partition} offset {offset} has no outcome"));
            }
            let next = part.answered.map_or(0, |offset| offset.unsigned_abs() + 1);
            match log.committed(GROUP, partition) {
                Ok(committed) if committed == next => {}
                Ok(committed) => open.push(format!("partition {partition}: the group is at {committed}, its outcomes at {next}")),
                Err(error) => open.push(format!("partition {partition}: {error}")),
            }
        }
        for (command, difference) in &self.caused {
            open.push(format!("command {command}: {difference:+} events against what its outcome says"));
        }
        open
    }

    /// Why an acknowledgement (`order_id`, `version`, `status`) was not kept.
    pub fn unkept(&self, ack: &serde_json::Value) -> Option<String> {
        let (Some(order), Some(version)) = (ack["order_id"].as_str(), ack["version"].as_i64()) else {
            return Some(format!("{ack} names no order and version"));
        };
        let status = self.orders.get(order).and_then(|versions| versions.get(&version)).map(String::as_str);
        (status != ack["status"].as_str()).then(|| format!("acknowledged {ack}, the log says {status:?}"))
    }

    fn part(&mut self, partition: u32) -> &mut Part {
        &mut self.parts[partition as usize]
    }

    fn broken(&mut self, record: &Record, what: &str) {
        self.violations.push(format!("{} partition {} offset {}: {what}", record.topic, record.partition, record.offset));
    }

    fn command(&mut self, record: &Record) {
        self.commands += 1;
        let fields = self.commands_of.decode(&record.payload);
        // Under another key, or in another partition than its order's, it is nobody's command.
        let partitions = self.parts.len() as u32;
        let in_place = |fields: &Fields| {
            let order = fields.text("order_id");
            order == record.key && order.parse().is_ok_and(|id| partition_of(&id, partitions) == record.partition)
        };
        let id = fields.filter(in_place).map(|fields| fields.text("command_id"));
        self.part(record.partition).unanswered.insert(record.offset.cast_signed(), id);
    }

    fn outcome(&mut self, record: &Record) {
        let Some(outcome) = self.outcomes_of.decode(&record.payload) else { return self.broken(record, "the outcome cannot be read") };
        let (offset, id) = (outcome.number("command_offset"), outcome.text("command_id"));
        let part = self.part(record.partition);
        let ordered = part.answered.is_none_or(|before| before < offset);
        part.answered = part.answered.max(Some(offset));
        let asked = part.unanswered.remove(&offset);
        if !ordered {
            self.broken(record, &format!("answers command offset {offset} after a later one, or again"));
        }
        let Value::Union(branch, result) = outcome.of("result") else { panic!("a union") };
        match asked {
            None => self.broken(record, &format!("answers command offset {offset}, which has its answer or does not exist")),
            Some(Some(asked)) if asked != id => self.broken(record, &format!("is about command {id}; at {offset} lies {asked}")),
            Some(None) if *branch == 0 || text(field(result, "code")) != "unreadable" => {
                self.broken(record, &format!("command offset {offset} cannot be read and was not refused as such"));
            }
            Some(_) => {}
        }
        if *branch != 0 || [field(result, "repeated"), field(result, "dry_run")].contains(&&Value::Boolean(true)) {
            return;
        }
        if !self.applied.insert(id.clone()) {
            self.broken(record, &format!("command {id} took effect twice"));
        }
        let Value::Array(types) = field(result, "events") else { panic!("an array") };
        self.balance(id, -(types.len() as i64));
    }

    fn event(&mut self, record: &Record) {
        let Some(event) = self.events_of.decode(&record.payload) else {
            if !self.foreign.contains(&record.key) {
                self.broken(record, "the event cannot be read");
            }
            return;
        };
        self.events += 1;
        let (order, version) = (event.text("order_id"), event.number("version"));
        if order != record.key {
            self.broken(record, &format!("is of order {order} and lies under key {}", record.key));
        }
        let versions = self.orders.entry(order.clone()).or_default();
        let expected = versions.len() as i64 + 1;
        versions.insert(version, text(field(event.of("after"), "status")));
        if version != expected {
            self.broken(record, &format!("order {order} has version {version} where {expected} belongs"));
        }
        let event_id = event.text("event_id");
        self.ids.entry(order.clone()).or_default().insert(version, event_id.clone());
        if !self.event_ids.insert(event_id) {
            self.broken(record, &format!("order {order}: the event of version {version} is there twice"));
        }
        let cause = event.text("command_id");
        if !cause.is_empty() {
            self.balance(cause, 1);
        }
        self.once(record, &order, &event);
    }

    fn balance(&mut self, command: String, events: i64) {
        let difference = self.caused.entry(command.clone()).or_default();
        *difference += events;
        if *difference == 0 {
            self.caused.remove(&command);
        }
    }

    /// What happens once at most.
    fn once(&mut self, record: &Record, order: &str, event: &Fields) {
        let name = event.text("type");
        let data = event.of("data");
        let fact = match name.as_str() {
            "PricingAccepted" => Some(Fact::Granted),
            "PricingExpired" => Some(Fact::Expired),
            _ => None,
        };
        if let Some(fact) = fact {
            let attempt = number(field(data, "attempt"));
            if !self.facts.insert((order.to_owned(), attempt, fact)) {
                self.broken(record, &format!("order {order}: pricing attempt {attempt} has a second {name}"));
            }
        }
        if name == "DeadlineMissed" {
            let [stage, action] = ["stage", "action"].map(|name| text(field(data, name)));
            let due = number(field(data, "due"));
            if !self.missed.insert((order.to_owned(), stage.clone(), due, action.clone())) {
                self.broken(record, &format!("order {order}: the deadline of {stage} at {due} fired twice ({action})"));
            }
        }
    }
}

/// A partition whose leader has just changed is asked again.
fn end_of(log: &dyn Log, topic: Topic, partition: u32) -> Result<u64, String> {
    let started = Instant::now();
    loop {
        match log.end(topic, partition) {
            Ok(end) => return Ok(end),
            Err(atelier_log::Error::Unavailable(_)) if started.elapsed() < PATIENCE => std::thread::sleep(POLL),
            Err(error) => return Err(format!("{topic} partition {partition}: {error}")),
        }
    }
}

impl Part {
    fn ends(&mut self, topic: Topic, end: u64) {
        self.next.entry(topic).or_default().1 = end;
    }

    /// What lies between what was read and the end.
    fn records(&mut self, log: &dyn Log, topic: Topic, partition: u32) -> Result<Vec<Record>, String> {
        let (next, end) = self.next.entry(topic).or_default();
        let mut records = Vec::new();
        if *next >= *end {
            return Ok(records);
        }
        let failed = |error| format!("{topic} partition {partition}: {error}");
        let mut reader = log.read(topic, &[(partition, *next)]).map_err(failed)?;
        let started = Instant::now();
        while reader.position(partition) < *end {
            match reader.poll(BATCH, POLL) {
                Ok(more) => records.extend(more),
                Err(atelier_log::Error::Unavailable(_)) => {}
                Err(error) => return Err(failed(error)),
            }
            if started.elapsed() > PATIENCE {
                let at = reader.position(partition);
                return Err(format!("{topic} partition {partition}: committed readers stand at {at} of {end} for {PATIENCE:?}"));
            }
        }
        // What came meanwhile may answer what is not read yet.
        records.retain(|record| record.offset < *end);
        *next = *end;
        Ok(records)
    }
}
