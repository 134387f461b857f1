//! Writing down what became of a message, and moving its order's head on.

use std::collections::BTreeMap;

use atelier_store::{Columns, Select, Transaction, Value};
use uuid::Uuid;

use super::{Dispatcher, Finished, Key};
use crate::decide::{Circuit, Fate, Heard, judge};
use crate::send::Answer;
use crate::tables::{DELIVERED, GIVEN_UP, NEVER, PENDING};
use crate::{Error, Metrics};

/// A success is noted in the endpoint's row when the last one noted is so old.
const NOTE_MS: i64 = 60_000;

/// What of an endpoint's row is to be written.
struct Note {
    last_failure: Option<String>,
    disable: Option<&'static str>,
}

impl Dispatcher {
    pub(super) async fn settle(&mut self, transaction: &mut Transaction, finished: Vec<Finished>, now: i64) -> Result<(), Error> {
        let mut notes: BTreeMap<Uuid, Note> = BTreeMap::new();
        for Finished { key, tries, attempt } in finished {
            // Its lane is no longer ours: the endpoint was deleted.
            let Some(lane) = self.lanes.get_mut(&key.endpoint_id) else { continue };
            lane.in_flight.remove(&key.order_id);
            lane.look_at = i64::MIN;
            let before = lane.circuit.clone();
            let fate = judge(&mut lane.circuit, tries, Heard::of(&attempt.answer, now), now, (self.random)());
            count(&self.metrics, &attempt.answer, &fate);
            tell(key, &lane.partner, &before, &lane.circuit, &fate);
            write_attempt(transaction, key, &attempt.answer, attempt.duration_ms, &fate, now).await?;
            match fate {
                Fate::Delivered => {
                    lane.limit = lane.limit.saturating_mul(2).min(self.limits.per_endpoint.max(1));
                    if before.opened > 0 {
                        hurry(transaction, key.endpoint_id, now).await?;
                    }
                    advance(transaction, key).await?;
                }
                Fate::GivenUp => advance(transaction, key).await?,
                Fate::Again { at, tries } => postpone(transaction, key, at, tries).await?,
                Fate::Disable { tries, .. } => postpone(transaction, key, now, tries).await?,
            }
            if fate != Fate::Delivered {
                lane.limit = 1;
            }
            if lane.circuit != before || now - lane.succeeded_at >= NOTE_MS {
                let note = notes.entry(key.endpoint_id).or_insert(Note { last_failure: None, disable: None });
                match fate {
                    Fate::Delivered => lane.succeeded_at = now,
                    _ => note.last_failure = Some(words(&attempt.answer)),
                }
                if let Fate::Disable { why, .. } = fate {
                    note.disable = Some(why);
                }
            }
        }
        for (endpoint_id, note) in notes {
            let Some(lane) = self.lanes.get(&endpoint_id) else { continue };
            let Circuit { failures, failing_since, open_until, opened } = lane.circuit;
            const NOTE: &str = "UPDATE webhook_endpoints SET failures = $1, failing_since = $2, open_until = $3, opened = $4, \
                last_failure = COALESCE($5, last_failure), last_success_at = $6 WHERE endpoint_id = $7";
            let succeeded_at = (lane.succeeded_at > 0).then_some(lane.succeeded_at);
            let values: [Value; 7] = [
                failures.into(),
                failing_since.into(),
                open_until.into(),
                opened.into(),
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
        }
        Ok(())
    }
}

/// The delivery's row. A message that was settled or asked for again meanwhile keeps what that made of it.
async fn write_attempt(
    transaction: &mut Transaction,
    Key { endpoint_id, order_id, sequence }: Key,
    answer: &Answer,
    duration_ms: i64,
    fate: &Fate,
    now: i64,
) -> Result<(), Error> {
    const WRITE: &str = "UPDATE webhook_deliveries SET state = $1, attempts = attempts + 1, settled_at = $2, last_at = $3, last_code = $4, \
        last_error = $5, last_answer = $6, last_ms = $7 WHERE endpoint_id = $8 AND order_id = $9 AND sequence = $10 AND state = 0";
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
    let values: [Value; 10] = [
        state.into(),
        settled_at.into(),
        now.into(),
        code.into(),
        error.into(),
        body.into(),
        duration_ms.into(),
        endpoint_id.into(),
        order_id.into(),
        sequence.into(),
    ];
    transaction.execute(WRITE, values).await?;
    Ok(())
}

/// The order's next pending message may be sent.
async fn advance(transaction: &mut Transaction, Key { endpoint_id, order_id, sequence }: Key) -> Result<(), Error> {
    const LAST: &str = "DELETE FROM webhook_heads WHERE endpoint_id = $1 AND order_id = $2 AND sequence = $3 AND last_sequence = $3";
    if transaction.execute(LAST, [endpoint_id.into(), order_id.into(), sequence.into()]).await? == 1 {
        return Ok(());
    }
    let select = Select::text("SELECT sequence, event_at FROM webhook_deliveries WHERE ")
        .push("endpoint_id = ? AND order_id = ? AND state = 0 ORDER BY sequence LIMIT 1", [endpoint_id.into(), order_id.into()]);
    match select.first_in(transaction).await? {
        Some(row) => {
            let mut columns = Columns::of(&row);
            let (next, event_at) = (columns.int()?, columns.int()?);
            const NEXT: &str = "UPDATE webhook_heads SET sequence = $1, event_at = $2, next_at = 0, attempts = 0, first_failed_at = NULL \
                WHERE endpoint_id = $3 AND order_id = $4 AND sequence = $5";
            let values = [next.into(), event_at.into(), endpoint_id.into(), order_id.into(), sequence.into()];
            transaction.execute(NEXT, values).await?;
        }
        None => {
            const NONE: &str = "DELETE FROM webhook_heads WHERE endpoint_id = $1 AND order_id = $2";
            transaction.execute(NONE, [endpoint_id.into(), order_id.into()]).await?;
        }
    }
    Ok(())
}

async fn postpone(transaction: &mut Transaction, key: Key, at: i64, tries: crate::decide::Tries) -> Result<(), Error> {
    const POSTPONE: &str = "UPDATE webhook_heads SET next_at = $1, attempts = $2, first_failed_at = $3 \
        WHERE endpoint_id = $4 AND order_id = $5 AND sequence = $6";
    let values =
        [at.into(), tries.attempts.into(), tries.first_failed_at.into(), key.endpoint_id.into(), key.order_id.into(), key.sequence.into()];
    transaction.execute(POSTPONE, values).await?;
    Ok(())
}

/// The endpoint is back: what waits for a later attempt need not wait so long.
async fn hurry(transaction: &mut Transaction, endpoint_id: Uuid, now: i64) -> Result<(), Error> {
    const HURRY: &str = "UPDATE webhook_heads SET next_at = 0 WHERE endpoint_id = $1 AND next_at > $2 AND next_at < $3";
    transaction.execute(HURRY, [endpoint_id.into(), now.into(), NEVER.into()]).await?;
    Ok(())
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
    let Key { endpoint_id, order_id, sequence } = key;
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
