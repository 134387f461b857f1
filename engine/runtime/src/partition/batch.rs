//! From a batch of commands, or from time, to one transaction.

use atelier_domain::{self as domain, Decision, Order, Rejection, Request, Role, TimeMs, decide as decide_one, due, on_deadline, remember};
use atelier_log::{NewRecord, Partition, Record, Transaction};
use atelier_schemas::{
    Actor, After, Command, CommandData, Event, Framed, Outcome, OutcomeResult, PricingJob, Replayed, Topic, partition_of,
};
use uuid::Uuid;

use super::{PartitionState, advance, parked};
use crate::closed;
use crate::translate::{self, to_wire};

/// Room an event or outcome may need beyond the command that caused it.
const ENVELOPE_ROOM_BYTES: usize = 16 * 1024;

/// Why nothing is decided on an order that is set aside.
const PARKED: &str = "parked";

pub(super) fn decide(state: &mut PartitionState, commands: &[Record], now: TimeMs) -> Result<Transaction, closed::Error> {
    let mut transaction = Transaction {
        partition: state.settings.partition,
        records: Vec::with_capacity(commands.len() * 2),
        next_command: state.next_command,
    };
    for record in commands {
        let outcome = match readable(state, record) {
            Ok(command) => one(state, &mut transaction, command, record, now)?,
            Err(reason) => unreadable(record, reason, now),
        };
        push_outcome(&mut transaction, record, &outcome);
        transaction.next_command = record.offset + 1;
    }
    state.next_command = transaction.next_command;
    Ok(transaction)
}

pub(super) fn fire_due(state: &mut PartitionState, now: TimeMs, limit: usize) -> Result<Option<Transaction>, closed::Error> {
    let due = state.timers.due(now, limit);
    if due.is_empty() {
        return Ok(None);
    }
    let mut transaction = Transaction { partition: state.settings.partition, records: Vec::new(), next_command: state.next_command };
    for id in due {
        let (order, due_before) = state.take(&id)?;
        let Some(order) = order else { continue };
        let events = on_deadline(&order, &state.settings.policy, now);
        let cause = Cause {
            actor: Actor { role: Role::Engine.as_str().into(), name: "deadline".into() },
            command: None,
            correlation_id: id,
            traceparent: None,
            replayed: None,
        };
        let order = write_events(state, &mut transaction, id, Some(order), events, &cause, now);
        if let Some(order) = order {
            state.put(id, order, due_before)?;
        }
    }
    Ok(Some(transaction))
}

/// Who and what an event is due to.
struct Cause {
    actor: Actor,
    command: Option<(Uuid, i64)>,
    correlation_id: Uuid,
    traceparent: Option<String>,
    replayed: Option<Replayed>,
}

fn readable(state: &PartitionState, record: &Record) -> Result<Command, String> {
    let command = Command::decode(&record.payload).map_err(|error| error.to_string())?;
    if record.key != *command.order_id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) {
        return Err("the record's key is not the order id of its command".into());
    }
    if partition_of(&command.order_id, state.settings.partitions) != state.settings.partition {
        return Err(format!("order {} does not belong to partition {}", command.order_id, record.partition));
    }
    Ok(command)
}

fn one(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    mut command: Command,
    record: &Record,
    now: TimeMs,
) -> Result<Outcome, closed::Error> {
    let digest = command.digest();
    // Moved out, not copied: it is most of the command.
    let data = std::mem::replace(&mut command.data, CommandData::SubmitOrder {});
    let result = match state.refusals.get(&command.command_id, digest) {
        Some(known) if !command.dry_run => known.clone(),
        _ => {
            let result = decided(state, transaction, &command, data, digest, record.payload.len(), now)?;
            // What is refused because the order is set aside may be asked again once it is back.
            let lasts = matches!(&result, OutcomeResult::Refused { code, .. } if code != PARKED);
            if lasts && !command.dry_run {
                state.refusals.remember(command.command_id, digest, result.clone());
            }
            result
        }
    };
    Ok(Outcome {
        command_id: command.command_id,
        order_id: command.order_id,
        type_name: command.type_name,
        command_offset: record.offset as i64,
        time: now,
        correlation_id: command.correlation_id,
        traceparent: command.traceparent,
        result,
    })
}

fn decided(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    command: &Command,
    data: CommandData,
    digest: i64,
    payload_bytes: usize,
    now: TimeMs,
) -> Result<OutcomeResult, closed::Error> {
    let limit = state.settings.max_payload_bytes.saturating_sub(ENVELOPE_ROOM_BYTES);
    if payload_bytes > limit {
        return Ok(refused("too_large", format!("the command has {payload_bytes} bytes"), format!("send at most {limit} bytes")));
    }
    if let CommandData::SkipRecords { offsets, .. } = &data {
        let offsets: Vec<u64> = offsets.iter().filter_map(|offset| u64::try_from(*offset).ok()).collect();
        return skip(state, transaction, command, data, &offsets, digest, now);
    }
    if !state.parked.is_empty()
        && let Some(parked) = state.parked.get(&command.order_id.to_string())
    {
        let detail = format!("the order is set aside: its record at offset {} cannot be read: {}", parked.offset, parked.reason);
        return Ok(refused(PARKED, detail, "an engineer has to repair it (`atelier parked`); nothing was changed".into()));
    }
    asked(state, transaction, command, data, digest, now)
}

/// Brings an order back that is set aside, and decides on it as on any other: who may ask, and for what reason.
fn skip(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    command: &Command,
    data: CommandData,
    offsets: &[u64],
    digest: i64,
    now: TimeMs,
) -> Result<OutcomeResult, closed::Error> {
    let (id, key) = (command.order_id, command.order_id.to_string());
    let Some(before) = state.parked.get(&key).cloned() else {
        // Done before, perhaps by this very command.
        let known = state.order(&id)?.is_some_and(|order| order.seen.iter().any(|seen| seen.command_id == *command.command_id.as_bytes()));
        return if known {
            asked(state, transaction, command, data, digest, now)
        } else {
            Ok(refused("not_parked", "no record of the order is set aside".into(), "there is nothing to skip".into()))
        };
    };
    if let Err(reason) = parked::reopen(state, &key, offsets)? {
        let fix = "name every record of the order that cannot be read; nothing was changed".into();
        return Ok(refused(PARKED, reason, fix));
    }
    let due = state.open.get(&id).and_then(|order| state.due_of(order));
    state.timers.moved(id, None, due);
    let result = asked(state, transaction, command, data, digest, now)?;
    if command.dry_run || matches!(result, OutcomeResult::Refused { .. }) {
        let (_, due) = state.take(&id)?;
        state.timers.moved(id, due, None);
        state.parked.insert(key, before);
    }
    Ok(result)
}

/// What is asked of an order that is not set aside.
fn asked(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    command: &Command,
    data: CommandData,
    digest: i64,
    now: TimeMs,
) -> Result<OutcomeResult, closed::Error> {
    let Ok(role) = command.actor.role.parse::<Role>() else {
        return Ok(invalid("actor.role", format!("{:?} is not a role", command.actor.role), "set the role of the surface you serve"));
    };
    let asked = match translate::command(data) {
        Ok(asked) => asked,
        Err(bad) => return Ok(invalid(bad.field, bad.message, bad.fix)),
    };
    let expected_version = match command.expected_version.map(u64::try_from).transpose() {
        Ok(expected) => expected,
        Err(_) => return Ok(invalid("expected_version", "is negative".into(), "give the version you read")),
    };
    let id = command.order_id;
    let (order, due_before) = state.take(&id)?;
    let request =
        Request { command_id: command.command_id.as_u128(), digest, role, name: &command.actor.name, expected_version, command: &asked };
    let decision = decide_one(order.as_deref(), &request, &state.settings.policy, now);
    let (order, result) = match decision {
        Decision::Accepted(events) if command.dry_run => {
            let mut would = order.clone();
            for event in &events {
                advance(&mut would, event, now);
            }
            let types = events.into_iter().map(|event| to_wire(event).type_name().to_owned()).collect();
            (order, accepted(would.as_deref(), types, false, true))
        }
        Decision::Accepted(events) => {
            let first = transaction.records.len();
            let cause = Cause {
                actor: command.actor.clone(),
                command: Some((command.command_id, digest)),
                correlation_id: command.correlation_id,
                traceparent: command.traceparent.clone(),
                replayed: command.replayed.clone(),
            };
            let order = write_events(state, transaction, id, order, events, &cause, now);
            let types = transaction.records[first..].iter().filter(|(topic, ..)| *topic == Topic::Events).map(|(_, _, record)| record.kind);
            let result = accepted(order.as_deref(), types.map(str::to_owned).collect(), false, false);
            (order, result)
        }
        Decision::Repeated(seen) => {
            let result = OutcomeResult::Accepted {
                status: seen.stage.status().as_str().into(),
                version: i64::from(seen.version),
                events: Vec::new(),
                repeated: true,
                dry_run: command.dry_run,
            };
            (order, result)
        }
        Decision::Rejected(rejection) => {
            let result = rejected(order.as_deref(), &rejection);
            (order, result)
        }
    };
    if let Some(order) = order {
        state.put_back(id, order, due_before)?;
    }
    Ok(result)
}

impl PartitionState {
    /// Like `put`, but leaves an ended order that was only looked at where it lies.
    fn put_back(&mut self, id: Uuid, order: Box<Order>, due_before: Option<TimeMs>) -> Result<(), closed::Error> {
        if order.status().is_final() && self.closed.get(&id)?.is_some_and(|known| known.version == order.version) {
            return Ok(());
        }
        self.put(id, order, due_before)
    }
}

/// Evolves the order by the events and adds their records, and the pricing jobs they ask for.
fn write_events(
    state: &PartitionState,
    transaction: &mut Transaction,
    id: Uuid,
    mut order: Option<Box<Order>>,
    events: Vec<domain::Event>,
    cause: &Cause,
    now: TimeMs,
) -> Option<Box<Order>> {
    let key = id.to_string();
    for event in events {
        advance(&mut order, &event, now);
        let Some(current) = order.as_mut() else { continue };
        if let Some((command_id, digest)) = cause.command {
            remember(current, command_id.as_u128(), digest);
        }
        let job = pricing_job(id, current, &event, cause, now);
        let data = to_wire(event);
        let published = Event {
            event_id: event_id(&id, current.version),
            order_id: id,
            version: current.version as i64,
            type_name: data.type_name().to_owned(),
            time: now,
            actor: cause.actor.clone(),
            command_id: cause.command.map(|(id, _)| id),
            command_digest: cause.command.map(|(_, digest)| digest),
            correlation_id: cause.correlation_id,
            traceparent: cause.traceparent.clone(),
            after: After {
                status: current.status().as_str().to_owned(),
                stage: current.stage.as_str().to_owned(),
                held: current.held.is_some(),
                attention: current.attention.iter().map(|attention| attention.as_str().to_owned()).collect(),
                due: due(current, &state.settings.policy),
            },
            data,
            replayed: cause.replayed.clone(),
        };
        let record = NewRecord {
            key: key.clone(),
            kind: published.data.type_name(),
            traceparent: cause.traceparent.clone(),
            payload: published.encode(),
        };
        transaction.records.push((Topic::Events, state.settings.partition, record));
        if let Some(job) = job {
            let record = NewRecord { key: key.clone(), kind: "PricingJob", traceparent: cause.traceparent.clone(), payload: job.encode() };
            transaction.records.push((Topic::PricingJobs, job_partition(state, job.attempt), record));
        }
    }
    order
}

/// Each attempt goes to another partition, so that a stuck worker does not meet its order again.
fn job_partition(state: &PartitionState, attempt: i32) -> Partition {
    state.settings.partition.wrapping_add(attempt.unsigned_abs().wrapping_sub(1)) % state.settings.partitions
}

fn pricing_job(id: Uuid, order: &Order, event: &domain::Event, cause: &Cause, now: TimeMs) -> Option<PricingJob> {
    let domain::Event::PricingRequested { attempt, .. } = event else { return None };
    Some(PricingJob {
        order_id: id,
        attempt: i32::try_from(*attempt).unwrap_or(i32::MAX),
        model: translate::model(order.model.clone()?),
        item: translate::item(order.item.clone()),
        requested_at: now,
        correlation_id: cause.correlation_id,
        traceparent: cause.traceparent.clone(),
    })
}

fn event_id(order_id: &Uuid, version: u64) -> Uuid {
    Uuid::new_v5(order_id, &version.to_be_bytes())
}

fn accepted(order: Option<&Order>, events: Vec<String>, repeated: bool, dry_run: bool) -> OutcomeResult {
    OutcomeResult::Accepted {
        status: order.map_or("", |order| order.status().as_str()).to_owned(),
        version: order.map_or(0, |order| order.version as i64),
        events,
        repeated,
        dry_run,
    }
}

fn rejected(order: Option<&Order>, rejection: &Rejection) -> OutcomeResult {
    // Of an order that is not the asker's nothing is said.
    let order = order.filter(|_| *rejection != Rejection::UnknownOrder);
    OutcomeResult::Refused {
        code: rejection.code().into(),
        detail: rejection.to_string(),
        field: rejection.field().map(str::to_owned),
        fix: rejection.fix(),
        status: order.map(|order| order.status().as_str().to_owned()),
        version: order.map(|order| order.version as i64),
        allowed: rejection.allowed().iter().map(|action| action.as_str().to_owned()).collect(),
    }
}

fn refused(code: &str, detail: String, fix: String) -> OutcomeResult {
    OutcomeResult::Refused { code: code.into(), detail, field: None, fix, status: None, version: None, allowed: Vec::new() }
}

fn invalid(field: &str, message: String, fix: &str) -> OutcomeResult {
    OutcomeResult::Refused {
        code: "invalid".into(),
        detail: format!("{field}: {message}"),
        field: Some(field.into()),
        fix: fix.into(),
        status: None,
        version: None,
        allowed: Vec::new(),
    }
}

/// The answer to a record that is no command, under an id of its own, so that it is accounted for.
fn unreadable(record: &Record, reason: String, now: TimeMs) -> Outcome {
    tracing::error!(
        order.id = record.key,
        partition = record.partition,
        offset = record.offset,
        reason,
        "a command cannot be read; it is refused and the partition goes on"
    );
    let id = Outcome::id_of_unreadable(record.partition, record.offset);
    Outcome {
        command_id: id,
        order_id: record.key.parse().unwrap_or(Uuid::nil()),
        type_name: record.kind.clone(),
        command_offset: record.offset as i64,
        time: now,
        correlation_id: id,
        traceparent: None,
        result: refused("unreadable", reason, "send commands through the gateways".into()),
    }
}

fn push_outcome(transaction: &mut Transaction, record: &Record, outcome: &Outcome) {
    let answer = NewRecord {
        key: record.key.clone(),
        kind: outcome.result.type_name(),
        traceparent: outcome.traceparent.clone(),
        payload: outcome.encode(),
    };
    transaction.records.push((Topic::Outcomes, record.partition, answer));
}
