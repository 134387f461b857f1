//! From a batch of commands, or from time, to one transaction.

use atelier_domain::{Decision, Order, Request, Role, TimeMs, decide as decide_one, on_deadline};
use atelier_log::{CommandRecord, Transaction};
use atelier_schemas::{Actor, Command, CommandData, Framed, Topic, Word, partition_of};
use uuid::Uuid;

use super::answer::{Outcome, OutcomeResult, PARKED, accepted, invalid, push_outcome, refused, rejected, shortened, unreadable};
use super::write::{Cause, write_events};
use super::{PartitionState, advance, parked};
use crate::closed;
use crate::translate::{self, to_wire};

/// Room an event or outcome may need beyond the command that caused it.
const ENVELOPE_ROOM_BYTES: usize = 16 * 1024;
/// Bytes of a `traceparent`: 55 in version 00 of the W3C's recommendation, of which later ones may be longer.
const TRACEPARENT_LIMIT: usize = 256;

pub(super) fn decide(state: &mut PartitionState, commands: Vec<CommandRecord>, now: TimeMs) -> Result<Transaction, closed::Error> {
    let mut transaction = Transaction {
        partition: state.settings.partition,
        // An outcome and an event each; some make a job or a second event.
        records: Vec::with_capacity(commands.len() * 5 / 2),
        next_command: state.next_command,
    };
    let mut commands = commands.into_iter();
    while let Some(record) = commands.next() {
        let outcome = match readable(state, &record) {
            Ok(command) if speaks_of_unread(state, &command, record.offset) => {
                state.left = std::iter::once(record).chain(commands).collect();
                break;
            }
            Ok(command) => one(state, &mut transaction, command, &record, now)?,
            Err(reason) => unreadable(&record, reason, now),
        };
        transaction.next_command = record.offset + 1;
        push_outcome(&mut transaction, record, &outcome);
    }
    state.next_command = transaction.next_command;
    Ok(transaction)
}

pub(super) fn fire_due(state: &mut PartitionState, due: Vec<Uuid>, now: TimeMs) -> Result<Option<Transaction>, closed::Error> {
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
        let key = id.to_string();
        let order = write_events(state, &mut transaction, (id, &key), Some(order), events, cause, now);
        if let Some(order) = order {
            state.put(id, order, due_before)?;
        }
    }
    Ok(Some(transaction))
}

fn readable(state: &PartitionState, record: &CommandRecord) -> Result<Command, String> {
    let command = Command::decode(&record.payload).map_err(|error| error.to_string())?;
    if record.key != *command.order_id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) {
        return Err("the record's key is not the order id of its command".into());
    }
    if partition_of(&command.order_id, state.settings.partitions) != state.settings.partition {
        return Err(format!("order {} does not belong to partition {}", command.order_id, record.partition));
    }
    Ok(command)
}

/// An owner does not read what it writes, so it does not see what somebody else writes there either. Only who may skip
/// records makes it look, once for each command.
fn speaks_of_unread(state: &PartitionState, command: &Command, at: u64) -> bool {
    let CommandData::SkipRecords { offsets, .. } = &command.data else { return false };
    let unread = |offset: &i64| u64::try_from(*offset).is_ok_and(|offset| offset >= state.read_to);
    state.read_for != Some(at) && command.actor.role == Role::Admin.as_str() && offsets.iter().any(unread)
}

fn one(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    mut command: Command,
    record: &CommandRecord,
    now: TimeMs,
) -> Result<Outcome, closed::Error> {
    // Events and outcomes carry it twice; what no tracer has written is left out.
    command.traceparent = command.traceparent.filter(|traceparent| traceparent.len() <= TRACEPARENT_LIMIT);
    let digest = command.digest();
    // Moved out, not copied: it is most of the command.
    let data = std::mem::replace(&mut command.data, CommandData::SubmitOrder {});
    let result = match state.refusals.get(&command.command_id, digest) {
        Some(known) if !command.dry_run => known.clone(),
        _ => {
            let result = shortened(decided(state, transaction, &mut command, data, digest, record, now)?);
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
    command: &mut Command,
    data: CommandData,
    digest: i64,
    record: &CommandRecord,
    now: TimeMs,
) -> Result<OutcomeResult, closed::Error> {
    let limit = state.settings.max_payload_bytes.saturating_sub(ENVELOPE_ROOM_BYTES);
    if record.payload.len() > limit {
        let bytes = record.payload.len();
        return Ok(refused("too_large", format!("the command has {bytes} bytes"), format!("send at most {limit} bytes")));
    }
    if matches!(data, CommandData::SkipRecords { .. }) {
        return skip(state, transaction, command, data, digest, &record.key, now);
    }
    if !state.parked.is_empty()
        && let Some(parked) = state.parked.get(&record.key)
    {
        let detail = format!("the order is set aside: its record at offset {} cannot be read: {}", parked.offset(), parked.reason);
        return Ok(refused(PARKED, detail, "an engineer has to repair it (`atelier parked`); nothing was changed".into()));
    }
    asked(state, transaction, command, data, digest, &record.key, now)
}

/// Brings an order back that is set aside, and decides on it as on any other: who may ask, and for what reason.
fn skip(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    command: &mut Command,
    data: CommandData,
    digest: i64,
    key: &str,
    now: TimeMs,
) -> Result<OutcomeResult, closed::Error> {
    let id = command.order_id;
    let CommandData::SkipRecords { offsets, .. } = &data else { return asked(state, transaction, command, data, digest, key, now) };
    let offsets: Vec<u64> = offsets.iter().filter_map(|offset| u64::try_from(*offset).ok()).collect();
    let Some(before) = state.parked.get(key).cloned() else {
        // Done before, perhaps by this very command.
        let known = state.order(&id)?.is_some_and(|order| order.seen.iter().any(|seen| seen.command_id == *command.command_id.as_bytes()));
        return if known {
            asked(state, transaction, command, data, digest, key, now)
        } else {
            Ok(refused("not_parked", "no record of the order is set aside".into(), "there is nothing to skip".into()))
        };
    };
    if let Err(reason) = parked::reopen(state, key, &offsets)? {
        let fix = "name every record of the order that cannot be read; nothing was changed".into();
        return Ok(refused(PARKED, reason, fix));
    }
    let due = state.open.get(&id).and_then(|order| state.due_of(order));
    state.timers.moved(id, None, due);
    let result = asked(state, transaction, command, data, digest, key, now)?;
    if command.dry_run || matches!(result, OutcomeResult::Refused { .. }) {
        let (_, due) = state.take(&id)?;
        state.timers.moved(id, due, None);
        state.parked.insert(key.to_owned(), before);
    }
    Ok(result)
}

/// What is asked of an order that is not set aside.
fn asked(
    state: &mut PartitionState,
    transaction: &mut Transaction,
    command: &mut Command,
    data: CommandData,
    digest: i64,
    key: &str,
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
        Request { command_id: command.command_id.as_u128(), digest, role, name: &command.actor.name, expected_version, command: asked };
    let decision = decide_one(order.as_deref(), request, &state.settings.policy, now);
    let (order, result) = match decision {
        Decision::Accepted(events) if command.dry_run => {
            let mut would = order.clone();
            for event in &events {
                advance(&mut would, event, now);
            }
            let types = events.into_iter().map(|event| to_wire(event).type_name().into()).collect();
            (order, accepted(would.as_deref(), types, false, true))
        }
        Decision::Accepted(events) => {
            let first = transaction.records.len();
            let cause = Cause {
                // Moved out, as the data was: nobody asks for it any more.
                actor: std::mem::take(&mut command.actor),
                command: Some((command.command_id, digest)),
                correlation_id: command.correlation_id,
                traceparent: command.traceparent.clone(),
                replayed: command.replayed.clone(),
            };
            let order = write_events(state, transaction, (id, key), order, events, cause, now);
            let types = transaction.records[first..].iter().filter(|(topic, ..)| *topic == Topic::Events).map(|(_, _, record)| record.kind);
            let result = accepted(order.as_deref(), types.map(Word::from).collect(), false, false);
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
