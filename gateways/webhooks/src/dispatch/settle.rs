//! Writing down what became of a message, and moving its order's head on.

use std::collections::{BTreeMap, BTreeSet};

use atelier_store::{Bulk, Transaction, Value};
use uuid::Uuid;

use super::{Dispatcher, Finished, Key, Lane};
use crate::decide::{Circuit, Fate, Heard, Tries, judge};
use crate::send::Answer;
use crate::tables::{DELIVERED, DELIVERIES, GIVEN_UP, NEVER, PENDING};
use crate::{Error, Metrics};

/// A success is noted in the endpoint's row when the last one noted is so old.
const NOTE_MS: i64 = 60_000;

/// What of an endpoint's row is to be written.
struct Note {
    last_failure: Option<String>,
    disable: Option<&'static str>,
}

/// What came of the messages of a turn, as rows for the statements that write it down.
#[derive(Default)]
struct Settled {
    /// Had no row, and have arrived.
    arrived: Vec<Vec<Value>>,
    /// Lanes in which something failed that has no row.
    failed: BTreeSet<Uuid>,
    attempts: Vec<Vec<Value>>,
    /// Heads whose message is through with.
    over: Vec<Vec<Value>>,
    /// Heads whose message is sent again.
    later: Vec<Vec<Value>>,
    /// Endpoints that are back: what waits for a later attempt there need not wait so long.
    back: BTreeSet<Uuid>,
    notes: BTreeMap<Uuid, Note>,
}

impl Dispatcher {
    pub(super) async fn settle(&mut self, transaction: &mut Transaction, finished: Vec<Finished>, now: i64) -> Result<(), Error> {
        if finished.is_empty() {
            return Ok(());
        }
        let Settled { arrived, failed, attempts, over, later, back, notes } = self.judged(finished, now);
        DELIVERIES.write(transaction, arrived).await?;
        for endpoint_id in failed {
            if let Some(lane) = self.lanes.get_mut(&endpoint_id) {
                lane.put_down_open(transaction, endpoint_id).await?;
            }
        }
        ATTEMPTS.execute(transaction, attempts).await?;
        for endpoint_id in back {
            const HURRY: &str = "UPDATE webhook_heads SET next_at = 0 WHERE endpoint_id = $1 AND next_at > $2 AND next_at < $3";
            transaction.execute(HURRY, [endpoint_id.into(), now.into(), NEVER.into()]).await?;
        }
        POSTPONE.execute(transaction, later).await?;
        advance(transaction, over).await?;
        for (endpoint_id, note) in notes {
            if let Some(lane) = self.lanes.get(&endpoint_id) {
                write_note(transaction, endpoint_id, lane, note, now).await?;
            }
        }
        Ok(())
    }

    /// Lets lanes and circuits know, and tells what is to be written.
    fn judged(&mut self, finished: Vec<Finished>, now: i64) -> Settled {
        let mut settled = Settled::default();
        for Finished { key, tries, epoch, attempt } in finished {
            // Its lane is no longer ours: the endpoint was deleted.
            let Some(lane) = self.lanes.get_mut(&key.endpoint_id) else { continue };
            lane.held.remove(&key.order_id);
            lane.look_at = i64::MIN;
            let before = lane.circuit.clone();
            let heard = Heard::of(&attempt.answer, now);
            let fate = if epoch == lane.endpoint.epoch {
                judge(&mut lane.circuit, tries, heard, now, (self.random)())
            } else if heard == Heard::Delivered {
                Fate::Delivered
            } else {
                // It failed where messages went before, which says nothing of where they go now.
                Fate::Again { at: now, tries: Tries::default() }
            };
            count(&self.metrics, &attempt.answer, &fate);
            tell(key, &lane.endpoint.partner, &before, &lane.circuit, &fate);
            let row = attempt_row(key, &attempt.answer, attempt.duration_ms, &fate, now);
            let open = lane.place.is_open(key.number);
            if open && fate == Fate::Delivered {
                lane.place.has_arrived(key.number);
                settled.arrived.push(first_row(key.order_id, row));
            } else {
                if open {
                    settled.failed.insert(key.endpoint_id);
                }
                settled.attempts.push(row);
            }
            match fate {
                Fate::Delivered => {
                    lane.arrived = true;
                    if before.opened > 0 {
                        settled.back.insert(key.endpoint_id);
                    }
                    if !open {
                        settled.over.push(over_row(key, now));
                    }
                }
                Fate::GivenUp => settled.over.push(over_row(key, now)),
                Fate::Again { at, tries } => settled.later.push(later_row(key, at, tries)),
                Fate::Disable { tries, .. } => settled.later.push(later_row(key, now, tries)),
            }
            if fate != Fate::Delivered && epoch == lane.endpoint.epoch {
                lane.window = 1;
            }
            if lane.circuit != before || now - lane.succeeded_at >= NOTE_MS {
                let note = settled.notes.entry(key.endpoint_id).or_insert(Note { last_failure: None, disable: None });
                match fate {
                    Fate::Delivered => lane.succeeded_at = now,
                    _ => note.last_failure = Some(words(&attempt.answer)),
                }
                if let Fate::Disable { why, .. } = fate {
                    lane.endpoint.enabled = false;
                    note.disable = Some(why);
                }
            }
        }
        settled
    }
}

/// The endpoint's row: how it is doing.
async fn write_note(transaction: &mut Transaction, endpoint_id: Uuid, lane: &Lane, note: Note, now: i64) -> Result<(), Error> {
    let Circuit { failures, failing_since, open_until, opened, paused_until } = lane.circuit;
    const NOTE: &str = "UPDATE webhook_endpoints SET failures = $1, failing_since = $2, open_until = $3, opened = $4, \
        paused_until = $5, last_failure = COALESCE($6, last_failure), last_success_at = $7 WHERE endpoint_id = $8";
    let succeeded_at = (lane.succeeded_at > 0).then_some(lane.succeeded_at);
    let values: [Value; 8] = [
        failures.into(),
        failing_since.into(),
        open_until.into(),
        opened.into(),
        paused_until.into(),
        note.last_failure.as_deref().into(),
        succeeded_at.into(),
        endpoint_id.into(),
    ];
    transaction.execute(NOTE, values).await?;
    if let Some(why) = note.disable {
        const DISABLE: &str =
            "UPDATE webhook_endpoints SET enabled = 0, disabled_at = $1, disabled_why = $2 WHERE endpoint_id = $3 AND enabled = 1";
        transaction.execute(DISABLE, [now.into(), why.into(), endpoint_id.into()]).await?;
    }
    Ok(())
}

/// The delivery's row. A message that was settled or asked for again meanwhile keeps what that made of it.
static ATTEMPTS: Bulk = Bulk::joining(
    &["endpoint_id", "number", "state", "settled_at", "last_at", "last_code", "last_error", "last_answer", "last_ms"],
    "UPDATE webhook_deliveries SET state = given.state, attempts = attempts + 1, settled_at = given.settled_at, last_at = given.last_at, \
     last_code = given.last_code, last_error = given.last_error, last_answer = given.last_answer, last_ms = given.last_ms FROM given \
     WHERE webhook_deliveries.endpoint_id = given.endpoint_id AND webhook_deliveries.number = given.number AND webhook_deliveries.state = 0",
);

fn attempt_row(Key { endpoint_id, number, .. }: Key, answer: &Answer, duration_ms: i64, fate: &Fate, now: i64) -> Vec<Value> {
    let state = match fate {
        Fate::Delivered => DELIVERED,
        Fate::GivenUp => GIVEN_UP,
        Fate::Again { .. } | Fate::Disable { .. } => PENDING,
    };
    let (code, error, body) = match answer {
        Answer::Status { code, body, .. } => (Some(i64::from(*code)), None, Some(body.as_str())),
        Answer::None(why) => (None, Some(why.as_str()), None),
    };
    let settled_at = (state != PENDING).then_some(now);
    vec![
        endpoint_id.into(),
        number.into(),
        state.into(),
        settled_at.into(),
        now.into(),
        code.into(),
        error.into(),
        body.into(),
        duration_ms.into(),
    ]
}

/// The row of [`DELIVERIES`] of a message that arrived at the first attempt.
fn first_row(order_id: Uuid, attempt: Vec<Value>) -> Vec<Value> {
    let mut attempt = attempt.into_iter();
    let mut row = Vec::with_capacity(attempt.len() + 2);
    row.extend(attempt.by_ref().take(2));
    row.push(order_id.into());
    row.extend(attempt.by_ref().take(1));
    row.push(1.into());
    row.extend(attempt);
    row
}

fn over_row(Key { endpoint_id, order_id, number, .. }: Key, now: i64) -> Vec<Value> {
    vec![endpoint_id.into(), order_id.into(), number.into(), now.into()]
}

/// The orders' next pending messages may be sent.
async fn advance(transaction: &mut Transaction, over: Vec<Vec<Value>>) -> Result<(), Error> {
    const GIVEN: &[&str] = &["endpoint_id", "order_id", "number", "now"];
    /// Mostly that was the last one.
    static LAST: Bulk = Bulk::joining(
        GIVEN,
        "DELETE FROM webhook_heads WHERE (endpoint_id, order_id, number, last_number) IN \
         (SELECT endpoint_id, order_id, number, number FROM given)",
    );
    static NEXT: Bulk = Bulk::joining(
        GIVEN,
        "UPDATE webhook_heads SET next_at = 0, attempts = 0, first_failed_at = NULL, since = given.now, number = \
         (SELECT d.number FROM webhook_deliveries d WHERE d.endpoint_id = given.endpoint_id AND d.order_id = given.order_id \
         AND d.state = 0 ORDER BY d.number LIMIT 1) FROM given WHERE webhook_heads.endpoint_id = given.endpoint_id \
         AND webhook_heads.order_id = given.order_id AND webhook_heads.number = given.number AND EXISTS \
         (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = given.endpoint_id AND d.order_id = given.order_id AND d.state = 0)",
    );
    /// Another was expected and is not there any more.
    static NONE: Bulk = Bulk::joining(
        GIVEN,
        "DELETE FROM webhook_heads WHERE (endpoint_id, order_id) IN (SELECT endpoint_id, order_id FROM given) AND NOT EXISTS \
         (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = webhook_heads.endpoint_id \
         AND d.order_id = webhook_heads.order_id AND d.state = 0)",
    );
    let orders = over.len() as u64;
    let done = LAST.execute(transaction, over.clone()).await?;
    if done < orders && done + NEXT.execute(transaction, over.clone()).await? < orders {
        NONE.execute(transaction, over).await?;
    }
    Ok(())
}

static POSTPONE: Bulk = Bulk::joining(
    &["endpoint_id", "order_id", "number", "next_at", "attempts", "first_failed_at"],
    "UPDATE webhook_heads SET next_at = given.next_at, attempts = given.attempts, first_failed_at = given.first_failed_at FROM given \
     WHERE webhook_heads.endpoint_id = given.endpoint_id AND webhook_heads.order_id = given.order_id \
     AND webhook_heads.number = given.number",
);

fn later_row(Key { endpoint_id, order_id, number, .. }: Key, at: i64, tries: Tries) -> Vec<Value> {
    vec![endpoint_id.into(), order_id.into(), number.into(), at.into(), tries.attempts.into(), tries.first_failed_at.into()]
}

/// Why it failed, for the partner.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Status { code: code @ 300..=399, .. } => format!("it answered {code}; redirects are not followed"),
        Answer::Status { code, .. } => format!("it answered {code}"),
        Answer::None(why) => why.clone(),
    }
}

fn count(metrics: &Metrics, answer: &Answer, fate: &Fate) {
    let result = match (fate, answer) {
        (Fate::Delivered, _) => "delivered",
        (Fate::GivenUp, _) => "given_up",
        (_, Answer::Status { .. }) => "refused",
        (_, Answer::None(_)) => "unreachable",
    };
    metrics.attempt(result);
}

/// What a person should know. Neither URL nor body: a partner's address may hold a key.
fn tell(key: Key, partner: &str, before: &Circuit, after: &Circuit, fate: &Fate) {
    let Key { endpoint_id, order_id, sequence, .. } = key;
    match fate {
        Fate::Disable { why, .. } => {
            tracing::error!(%endpoint_id, partner, why, "an endpoint was disabled; its messages are kept until it is enabled")
        }
        Fate::GivenUp => {
            tracing::error!(%endpoint_id, partner, %order_id, sequence, "a message was given up; it can be sent again by hand")
        }
        Fate::Delivered if before.opened > 0 => tracing::info!(%endpoint_id, partner, "an endpoint is back"),
        Fate::Again { .. } if after.opened > before.opened => tracing::warn!(
            %endpoint_id,
            partner,
            failures = after.failures,
            failing_since = after.failing_since,
            "the circuit of an endpoint is open; after three days of this it is disabled"
        ),
        _ => {}
    }
}
