//! The one answer to each command.

use atelier_domain::{Order, Rejection, TimeMs};
use atelier_log::{CommandRecord, NewRecord, Transaction};
use atelier_schemas::{OutcomeOf, OutcomeResultOf, Topic, Word, order_of_key};
use uuid::Uuid;

/// What an answer repeats of a foreign writer's record is cut to so many characters each: an answer has to fit into a
/// record whatever it answers. The gateways' own texts are far shorter.
const TEXT_LIMIT: usize = 1000;

pub(super) type Outcome = OutcomeOf<Word>;
pub(super) type OutcomeResult = OutcomeResultOf<Word>;

/// Why nothing is decided on an order that is set aside.
pub(super) const PARKED: &str = "parked";

pub(super) fn accepted(order: Option<&Order>, events: Vec<Word>, repeated: bool, dry_run: bool) -> OutcomeResult {
    OutcomeResult::Accepted {
        status: order.map_or("", |order| order.status().as_str()).into(),
        version: order.map_or(0, |order| order.version as i64),
        events,
        repeated,
        dry_run,
    }
}

pub(super) fn rejected(order: Option<&Order>, rejection: &Rejection) -> OutcomeResult {
    // Of an order that is not the asker's nothing is said.
    let order = order.filter(|_| *rejection != Rejection::UnknownOrder);
    OutcomeResult::Refused {
        code: rejection.code().into(),
        detail: rejection.to_string(),
        field: rejection.field().map(str::to_owned),
        fix: rejection.fix(),
        status: order.map(|order| order.status().as_str().into()),
        version: order.map(|order| order.version as i64),
        allowed: rejection.allowed().iter().map(|action| action.as_str().into()).collect(),
        attempt: rejection.attempt().map(u32::cast_signed),
    }
}

pub(super) fn refused(code: &'static str, detail: String, fix: String) -> OutcomeResult {
    OutcomeResult::Refused { code: code.into(), detail, field: None, fix, status: None, version: None, allowed: Vec::new(), attempt: None }
}

pub(super) fn invalid(field: &str, message: String, fix: &str) -> OutcomeResult {
    OutcomeResult::Refused {
        code: "invalid".into(),
        detail: format!("{field}: {message}"),
        field: Some(field.into()),
        fix: fix.into(),
        status: None,
        version: None,
        allowed: Vec::new(),
        attempt: None,
    }
}

/// The answer to a record that is no command, under an id of its own, so that it is accounted for.
pub(super) fn unreadable(record: &CommandRecord, reason: String, now: TimeMs) -> Outcome {
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
        order_id: order_of_key(&record.key).unwrap_or(Uuid::nil()),
        // What its header claims can be read where it lies; nothing vouches for it.
        type_name: String::new(),
        command_offset: record.offset as i64,
        time: now,
        correlation_id: id,
        traceparent: None,
        result: shortened(refused("unreadable", reason, "send commands through the gateways".into())),
    }
}

pub(super) fn push_outcome(transaction: &mut Transaction, record: CommandRecord, outcome: &Outcome) {
    let mut key = record.key;
    cut(&mut key);
    let answer = NewRecord { key, kind: outcome.result.type_name(), traceparent: outcome.traceparent.clone(), payload: outcome.encode() };
    transaction.records.push((Topic::Outcomes, record.partition, answer));
}

/// The answer as short as [`TEXT_LIMIT`] has it.
pub(super) fn shortened(mut result: OutcomeResult) -> OutcomeResult {
    if let OutcomeResult::Refused { detail, fix, field, .. } = &mut result {
        [Some(detail), Some(fix), field.as_mut()].into_iter().flatten().for_each(cut);
    }
    result
}

fn cut(text: &mut String) {
    if text.len() > TEXT_LIMIT
        && let Some((end, _)) = text.char_indices().nth(TEXT_LIMIT)
    {
        text.truncate(end);
    }
}
