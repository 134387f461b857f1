//! `atelier parked`: the records nobody can read, and what may be done about each.
//!
//! Everything is found in the log itself, so it is told also when no read model runs.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use atelier_log::{Log, Partition, Record};
use atelier_projections::{Page, Parked, ParkedFilter};
use atelier_schemas::{Command, Event, EventData, Framed, Outcome, OutcomeResult, Topic, partition_of};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::Failure;
use crate::cli::ParkedArgs;
use crate::publish::time_text;
use crate::repair::{Gateway, refused, stands};
use crate::settings::Settings;
use crate::wiring::{self, Access};

const BATCH: usize = 1000;
/// Rows of the read models asked for at once.
const PAGE: u32 = 200;
const POLL: Duration = Duration::from_millis(200);
/// So many bytes of a record are shown.
const SHOWN_BYTES: usize = 32;

/// A record nobody can read.
#[derive(Serialize)]
struct Unreadable {
    /// event or command.
    what: &'static str,
    order_id: String,
    partition: Partition,
    offset: u64,
    time: String,
    /// The record's own `type` header.
    r#type: String,
    bytes: usize,
    /// The first of them, as hexadecimal digits.
    begins: String,
    reason: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// An event that sets its order aside.
    SetsAside,
    /// An event under the id of an order that never began, as far as anybody can read.
    OfNoOrder,
    /// An event that does not count any more.
    Skipped,
    /// A command this program cannot read either.
    Unreadable,
    /// A command this program can read: it can be replayed.
    Replayable,
    /// A command that was decided after all.
    Decided,
}

impl State {
    fn is_over(self) -> bool {
        matches!(self, State::Skipped | State::Decided)
    }
}

/// Lists them, or replays one.
pub(crate) async fn run(settings: &Settings, args: &ParkedArgs) -> Result<ExitCode, Failure> {
    if let Some(place) = args.replay {
        return replay(args, place).await;
    }
    if args.read_models {
        return set_aside(settings, args).await;
    }
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let order = args.order;
    let found = tokio::task::spawn_blocking(move || -> Result<Vec<Unreadable>, Failure> {
        let partitions = match order {
            Some(order) => vec![partition_of(&order, log.partitions())],
            None => (0..log.partitions()).collect(),
        };
        let mut found = Vec::new();
        for partition in partitions {
            found.extend(events(log.as_ref(), partition)?);
            found.extend(commands(log.as_ref(), partition)?);
        }
        let key = order.map(|order| order.to_string());
        found.retain(|record| key.as_ref().is_none_or(|key| record.order_id == *key));
        Ok(found)
    });
    let found = found.await??;
    let left = found.iter().any(|record| !record.state.is_over());
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "records": found }))?)?;
    } else {
        for record in &found {
            let Unreadable { what, order_id, partition, offset, time, r#type, bytes, begins, reason, .. } = record;
            writeln!(out, "{what} {partition}/{offset}  order {order_id}  {time}  {type}, {bytes} bytes: {begins}")?;
            writeln!(out, "  {reason}")?;
            writeln!(out, "  {}", advice(record))?;
        }
        match (found.is_empty(), left) {
            (true, _) => writeln!(out, "every record can be read")?,
            (false, false) => writeln!(out, "nothing is left to do")?,
            (false, true) => {}
        }
    }
    Ok(if left { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Prints page by page what the read models have set aside.
async fn set_aside(settings: &Settings, args: &ParkedArgs) -> Result<ExitCode, Failure> {
    let queries = wiring::store(settings).await?.queries();
    let mut filter = ParkedFilter { order: args.order, limit: Some(PAGE), ..ParkedFilter::default() };
    let mut any = false;
    loop {
        let Page { items, next } = queries.parked(&filter).await?;
        any |= !items.is_empty();
        let mut out = std::io::stdout().lock();
        for parked in items {
            if args.json {
                writeln!(out, "{}", serde_json::to_string(&parked)?)?;
                continue;
            }
            let Parked { model, order_id, partition, offset, reason, skipped, at } = parked;
            writeln!(out, "{model}  event {partition}/{offset}  order {order_id}  {at}  {skipped} passed over since: {reason}")?;
        }
        filter.cursor = next;
        if filter.cursor.is_none() {
            break;
        }
    }
    if !any && !args.json {
        println!("no read model has set anything aside");
    }
    Ok(if any { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn advice(record: &Unreadable) -> String {
    let Unreadable { order_id, partition, offset, .. } = record;
    match record.state {
        State::SetsAside => format!(
            "its order is set aside: run the release that wrote it, or `atelier repair {order_id} skip-records --offsets {offset} --reason TEXT`"
        ),
        State::OfNoOrder => {
            "no order begins with it and none waits for it: the release that wrote it can read it; any other passes it over".into()
        }
        State::Skipped => "skipped: an event of the order says that it does not count".into(),
        State::Unreadable => "refused; nothing was changed. The release that its sender is of can replay it".into(),
        State::Replayable => format!("refused then, readable now: `atelier parked --replay {partition}/{offset} --reason TEXT`"),
        State::Decided => "replayed: it has been decided".into(),
    }
}

fn events(log: &dyn Log, partition: Partition) -> Result<Vec<Unreadable>, Failure> {
    let mut found: BTreeMap<u64, Unreadable> = BTreeMap::new();
    each(log, Topic::Events, partition, |record| match Event::decode(&record.payload) {
        Ok(Event { data: EventData::RecordsSkipped { offsets, .. }, .. }) => {
            for offset in offsets {
                if let Some(known) = found.get_mut(&offset.cast_unsigned()).filter(|known| known.order_id == record.key) {
                    known.state = State::Skipped;
                }
            }
        }
        Ok(_) => {}
        Err(error) => {
            found.insert(record.offset, told("event", &record, error.to_string(), State::SetsAside));
        }
    })?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // Which of them are of orders there are: looked up afterwards, so that not all orders are kept.
    let mut of_none: HashSet<String> = found.values().map(|record| record.order_id.clone()).collect();
    each(log, Topic::Events, partition, |record| {
        if of_none.contains(&record.key) && Event::decode(&record.payload).is_ok() {
            of_none.remove(&record.key);
        }
    })?;
    for record in found.values_mut().filter(|record| of_none.contains(&record.order_id)) {
        record.state = State::OfNoOrder;
    }
    Ok(found.into_values().collect())
}

fn commands(log: &dyn Log, partition: Partition) -> Result<Vec<Unreadable>, Failure> {
    let mut refused: BTreeMap<u64, String> = BTreeMap::new();
    let mut decided: HashSet<Uuid> = HashSet::new();
    let mut letters: Vec<(Record, Option<Uuid>)> = Vec::new();
    let is_unreadable = |outcome: &Outcome| matches!(&outcome.result, OutcomeResult::Refused { code, .. } if code == "unreadable");
    each(log, Topic::Outcomes, partition, |record| {
        if let Ok(outcome) = Outcome::decode(&record.payload)
            && let OutcomeResult::Refused { detail, .. } = &outcome.result
            && is_unreadable(&outcome)
        {
            refused.insert(outcome.command_offset.cast_unsigned(), detail.clone());
        }
    })?;
    let Some(first) = refused.keys().next().copied() else { return Ok(Vec::new()) };
    each_from(log, Topic::Commands, (partition, first), |record| {
        if refused.contains_key(&record.offset) {
            let id = Command::decode(&record.payload).ok().map(|command| command.command_id);
            letters.push((record, id));
        }
    })?;
    let ids: HashSet<Uuid> = letters.iter().filter_map(|(_, id)| *id).collect();
    if !ids.is_empty() {
        each(log, Topic::Outcomes, partition, |record| {
            if let Ok(outcome) = Outcome::decode(&record.payload)
                && ids.contains(&outcome.command_id)
                && !is_unreadable(&outcome)
            {
                decided.insert(outcome.command_id);
            }
        })?;
    }
    let told = letters.iter().map(|(record, id)| {
        let state = match id {
            Some(id) if decided.contains(id) => State::Decided,
            // Its partition or key may be what is wrong with it; then it is refused again.
            Some(_) => State::Replayable,
            None => State::Unreadable,
        };
        told("command", record, refused.get(&record.offset).cloned().unwrap_or_default(), state)
    });
    Ok(told.collect())
}

fn told(what: &'static str, record: &Record, reason: String, state: State) -> Unreadable {
    Unreadable {
        what,
        order_id: record.key.clone(),
        partition: record.partition,
        offset: record.offset,
        time: time_text(record.time),
        r#type: record.kind.clone(),
        bytes: record.payload.len(),
        begins: record.payload.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect(),
        reason,
        state,
    }
}

fn each(log: &dyn Log, topic: Topic, partition: Partition, with: impl FnMut(Record)) -> Result<(), Failure> {
    each_from(log, topic, (partition, 0), with)
}

fn each_from(log: &dyn Log, topic: Topic, from: (Partition, u64), mut with: impl FnMut(Record)) -> Result<(), Failure> {
    let end = log.end(topic, from.0)?;
    let mut reader = log.read(topic, &[from])?;
    while reader.position(from.0) < end {
        for record in reader.poll(BATCH, POLL)? {
            with(record);
        }
    }
    Ok(())
}

async fn replay(args: &ParkedArgs, (partition, offset): (u32, u64)) -> Result<ExitCode, Failure> {
    let gateway = Gateway::new(&args.asked)?;
    let url = gateway.url(&format!("/crm/v1/dead-letters/{partition}/{offset}/replay?dry_run={}", !args.apply));
    let (status, answer) = gateway.answer(gateway.client.post(url).json(&json!({"reason": args.reason}))).await?;
    if !status.is_success() {
        return Ok(refused(&format!("command {partition}/{offset}"), args.json, status, &answer));
    }
    if args.json {
        println!("{answer}");
    } else if args.apply {
        println!("command {partition}/{offset}: replayed, its order is now {}", stands(&answer));
    } else {
        println!("command {partition}/{offset} would give {}. Nothing was changed; --apply does it.", stands(&answer));
    }
    Ok(ExitCode::SUCCESS)
}
