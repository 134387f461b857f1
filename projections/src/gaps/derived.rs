//! Gaps that are found by looking: records set aside, parcels nobody knows, read models that lack records, messages that
//! do not arrive. (For engines that are not there see `silent.rs`.)

use std::collections::HashMap;
use std::time::{Duration, Instant};

use atelier_log::{Log, Partition};
use atelier_schemas::{TimeMs, Topic};
use atelier_store::{Columns, Select, Value};
use uuid::Uuid;

use super::Cause;
use super::view::{Gap, GapFilter};
use crate::page::Cursor;
use crate::show::rfc3339;
use crate::{Error, Model, Store};

/// A record that has been in the log for so long and is in a read model not yet is missed there.
pub const BEHIND_AFTER: Duration = Duration::from_secs(30);

/// Keys of records set aside that are looked at in one go.
const KEYS_AT_ONCE: i64 = 200;
/// Orders looked up by one statement.
const LOOKED_UP: usize = 200;
/// How long [`behind`] may take over all partitions.
const LOOK_FOR: Duration = Duration::from_secs(5);
/// And how long it waits for the log at once.
const POLL: Duration = Duration::from_millis(200);

/// What the asker has found besides the read models' tables, at the moment of asking. The default: nothing, so that only
/// records set aside are gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Read models that lack records.
    pub behind: Vec<Behind>,
    /// Deliveries that wait for their parcels.
    pub parcels: Vec<UnknownParcel>,
    /// Of the webhooks' store.
    pub undelivered: Vec<Undelivered>,
    /// The time.
    pub now: TimeMs,
    /// How long a record may be missing in a read model; twice that long an engine may be silent. [`BEHIND_AFTER`].
    pub limit: Duration,
}

impl Found {
    /// Looks, as [`behind`] does; parcels and messages are for the asker to add.
    ///
    /// # Errors
    /// As of [`behind`].
    pub fn at(log: &dyn Log, progress: &HashMap<(Model, Partition), u64>, now: TimeMs, limit: Duration) -> Result<Self, Error> {
        Ok(Self { behind: behind(log, progress, now, limit)?, parcels: Vec::new(), undelivered: Vec::new(), now, limit })
    }
}

/// A delivery of a parcel that no order was shipped with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownParcel {
    /// Who delivered it.
    pub carrier: String,
    /// The carrier's number of it.
    pub tracking: String,
    /// The carrier's id of its message.
    pub message_id: String,
    /// When the message came.
    pub since: TimeMs,
}

/// A partition of a read model that lacks records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Which read model.
    pub model: Model,
    /// Of its topic.
    pub partition: Partition,
    /// How many offsets the log is ahead.
    pub records: u64,
    /// When the log took the first of them.
    pub since: TimeMs,
}

/// Something of a partner's messages that does not arrive. Whoever can see the webhooks' store finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Where the messages should go; `None`: nowhere, because an event of the order cannot be read.
    pub endpoint_id: Option<Uuid>,
    /// The order they are about; `None`: all that wait for the endpoint.
    pub order_id: Option<Uuid>,
    /// Whose endpoint and order it is.
    pub partner: String,
    /// Since when it has counted as a gap; the same at every look.
    pub since: TimeMs,
    /// What is wrong, for people.
    pub detail: String,
    /// What may be done.
    pub allowed: Vec<String>,
}

/// Finds the read models that lack a record the log took more than `limit` before `now`, given how far
/// each is ([`crate::Queries::progress`], asked for *before* this). Blocks, for about 5 s at most where the
/// log answers at all.
///
/// # Errors
/// [`Error::AheadOfLog`] when the store belongs to another log, [`Error::Unavailable`] when the log does
/// not answer: nobody can tell then.
pub fn behind(log: &dyn Log, progress: &HashMap<(Model, Partition), u64>, now: TimeMs, limit: Duration) -> Result<Vec<Behind>, Error> {
    let give_up = Instant::now() + LOOK_FOR;
    let limit_ms = TimeMs::try_from(limit.as_millis()).unwrap_or(TimeMs::MAX);
    // Models that stopped together wait for the same record.
    let mut firsts: HashMap<(Topic, Partition, u64), Option<TimeMs>> = HashMap::new();
    let mut found = Vec::new();
    for model in Model::ALL.iter().copied() {
        let topic = model.topic();
        for partition in 0..log.partitions() {
            let next = progress.get(&(model, partition)).copied().unwrap_or(0);
            let end = log.end(topic, partition).map_err(away)?;
            if next > end {
                return Err(Error::AheadOfLog { model, partition, stored: next, end });
            }
            if next == end {
                continue;
            }
            let first = match firsts.get(&(topic, partition, next)) {
                Some(first) => *first,
                None => first_record(log, topic, partition, next, end, give_up)?,
            };
            firsts.insert((topic, partition, next), first);
            if let Some(since) = first.filter(|since| now.saturating_sub(*since) > limit_ms) {
                found.push(Behind { model, partition, records: end - next, since });
            }
        }
    }
    Ok(found)
}

/// When the log took the first record at or after `next`; `None` when there is none below `end` (the end
/// of a Kafka transaction takes an offset too).
fn first_record(log: &dyn Log, topic: Topic, partition: Partition, next: u64, end: u64, give_up: Instant) -> Result<Option<TimeMs>, Error> {
    let mut reader = log.read(topic, &[(partition, next)]).map_err(away)?;
    while reader.position(partition) < end {
        if let Some(record) = reader.poll(1, POLL).map_err(away)?.first() {
            return Ok(Some(record.time));
        }
        if Instant::now() >= give_up {
            return Err(Error::Unavailable(format!("the log does not give the records of {topic}, partition {partition}")));
        }
    }
    Ok(None)
}

fn away(error: atelier_log::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// One gap per message. An administrator may let it go.
pub(super) fn of_parcels(parcels: &[UnknownParcel], role: &str) -> impl Iterator<Item = (Cursor, Gap)> {
    let allowed = if role == "admin" { vec!["dismiss".to_owned()] } else { Vec::new() };
    parcels.iter().map(move |UnknownParcel { carrier, tracking, message_id, since }| {
        let gap = derived(Cause::UnknownParcel, *since, &format!("{carrier}/{message_id}"));
        let detail = format!(
            "{carrier} says that it delivered parcel {tracking}, and no order was shipped with it: ship the order under that number, \
             which closes it, or clear it with the carrier and dismiss the message \
             (`atelier repair --parcel {carrier}/{message_id} --reason TEXT`)"
        );
        (
            Cursor { rank: *since, id: gap.gap_id },
            Gap { holder: Some(carrier.clone()), detail: Some(detail), allowed: allowed.clone(), ..gap },
        )
    })
}

/// One gap per partition.
pub(super) fn of_behind(behind: &[Behind]) -> impl Iterator<Item = (Cursor, Gap)> {
    behind.iter().map(|Behind { model, partition, records, since }| {
        let gap = derived(Cause::ProjectionBehind, *since, &format!("{model}/{partition}"));
        let detail = format!(
            "read model {model} lacks {records} records of partition {partition}: what it shows of the orders there is old; \
             see that the projections run and what they log"
        );
        (Cursor { rank: *since, id: gap.gap_id }, Gap { detail: Some(detail), ..gap })
    })
}

/// One gap per order and endpoint, or per endpoint; where the orders stand is looked up.
pub(super) async fn of_undelivered(store: &Store, undelivered: &[Undelivered]) -> Result<Vec<(Cursor, Gap)>, Error> {
    let mut stand: HashMap<Uuid, (String, bool)> = HashMap::new();
    let orders: Vec<Uuid> = undelivered.iter().filter_map(|found| found.order_id).collect();
    for orders in orders.chunks(LOOKED_UP) {
        let ids = orders.iter().map(|id| (*id).into()).collect();
        let select = Select::text("SELECT order_id, status, held FROM gap_orders WHERE 1 = 1").any_of(" AND order_id IN", ids);
        for row in select.all(store.db()).await? {
            let mut columns = Columns::of(&row);
            stand.insert(columns.id()?, (columns.text()?, columns.flag()?));
        }
    }
    let gaps = undelivered.iter().map(|Undelivered { endpoint_id, order_id, partner, since, detail, allowed }| {
        let name = format!("{}/{}", endpoint_id.unwrap_or_default(), order_id.unwrap_or_default());
        let stands = order_id.and_then(|order_id| stand.get(&order_id));
        let gap = Gap {
            order_id: order_id.map(|order_id| order_id.to_string()),
            channel: Some("partner".to_owned()),
            status: stands.map(|(status, _)| status.clone()),
            held: stands.is_some_and(|(_, held)| *held),
            holder: Some(partner.clone()),
            detail: Some(detail.clone()),
            allowed: allowed.clone(),
            ..derived(Cause::WebhookUndelivered, *since, &name)
        };
        (Cursor { rank: *since, id: gap.gap_id }, gap)
    });
    Ok(gaps.collect())
}

/// One gap per key, whichever read models have set it aside: those the filter lets through and that come behind `after` in
/// the order of the list, more than `wanted` of them where there are. The filter's holder is not looked at: nobody has them.
pub(super) async fn of_parked(
    store: &Store,
    filter: &GapFilter,
    after: Option<Cursor>,
    wanted: usize,
) -> Result<Vec<(Cursor, Gap)>, Error> {
    const KEYS: &str = "SELECT p.record_key, MIN(p.parked_at) \
        FROM parked p LEFT JOIN gap_orders o ON o.order_id = p.record_key WHERE 1 = 1";
    let mut found: Vec<(Cursor, Gap)> = Vec::new();
    // Among keys of the same time the list goes by the ids of the gaps, so all of them are read before one is given out.
    let mut read: Option<(i64, String)> = after.map(|after| (after.rank.saturating_sub(1), String::new()));
    loop {
        let mut select = Select::text(KEYS)
            .when(" AND p.record_key = ?", filter.order.map(Value::from))
            .when(" AND o.status = ?", filter.status.map(|status| status.as_str().into()))
            .when(" AND o.channel = ?", filter.channel.map(|channel| channel.as_str().into()))
            .push(" GROUP BY p.record_key HAVING 1 = 1", [])
            .when(" AND MIN(p.parked_at) < ?", filter.opened_before.map(Value::from));
        if let Some((at, key)) = read.take() {
            let behind = [at.into(), at.into(), key.as_str().into()];
            select = select.push(" AND (MIN(p.parked_at) > ? OR (MIN(p.parked_at) = ? AND p.record_key > ?))", behind);
        }
        let rows = select.push(" ORDER BY MIN(p.parked_at), p.record_key LIMIT ?", [KEYS_AT_ONCE.into()]).all(store.db()).await?;
        let mut keys = Vec::new();
        for row in &rows {
            let mut columns = Columns::of(row);
            let (key, at) = (columns.text()?, columns.int()?);
            read = Some((at, key.clone()));
            keys.push(Value::from(key.as_str()));
        }
        let enough = |found: &[(Cursor, Gap)]| found.get(wanted).zip(read.as_ref()).is_some_and(|((key, _), (at, _))| key.rank < *at);
        let all = keys.len() < KEYS_AT_ONCE as usize;
        found.extend(
            of_keys(store, keys)
                .await?
                .into_iter()
                .filter(|(key, _)| after.is_none_or(|after| (key.rank, key.id) > (after.rank, after.id))),
        );
        found.sort_by_key(|(key, _)| (key.rank, key.id));
        if all || enough(&found) {
            return Ok(found);
        }
    }
}

/// The gaps of these keys.
async fn of_keys(store: &Store, keys: Vec<Value>) -> Result<Vec<(Cursor, Gap)>, Error> {
    const ASK: &str = "SELECT p.record_key, p.model, p.log_partition, p.log_offset, p.reason, p.parked_at, o.channel, o.status, o.held \
        FROM parked p LEFT JOIN gap_orders o ON o.order_id = p.record_key WHERE";
    let select = Select::text(ASK).any_of(" p.record_key IN", keys);
    let rows = select.push(" ORDER BY p.parked_at, p.record_key, p.model", []).all(store.db()).await?;
    let mut found: Vec<(Cursor, Gap)> = Vec::new();
    let mut by_key: HashMap<String, (usize, Vec<String>)> = HashMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let (key, model) = (columns.text()?, columns.text()?);
        if let Some((_, models)) = by_key.get_mut(&key) {
            models.push(model);
            continue;
        }
        let (partition, offset, reason, at) = (columns.int()?, columns.int()?, columns.text()?, columns.int()?);
        let gap = Gap {
            channel: columns.optional_text()?,
            status: columns.optional_text()?,
            held: columns.optional_int()?.is_some_and(|held| held != 0),
            order_id: Some(key.clone()),
            detail: Some(format!(
                "the record at partition {partition}, offset {offset} was not understood: {reason}; upgrade, or let the order go on without it (skip-records)"
            )),
            ..derived(Cause::UnreadableRecord, at, &key)
        };
        by_key.insert(key, (found.len(), vec![model]));
        found.push((Cursor { rank: at, id: gap.gap_id }, gap));
    }
    for (index, models) in by_key.into_values() {
        let gap = &mut found[index].1;
        let detail = gap.detail.take().unwrap_or_default();
        gap.detail = Some(format!("set aside by the read models {}: {detail}", models.join(", ")));
    }
    Ok(found)
}

pub(super) fn derived(cause: Cause, since: TimeMs, name: &str) -> Gap {
    Gap {
        gap_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{cause}:{name}").as_bytes()),
        cause,
        order_id: None,
        channel: None,
        status: None,
        work: None,
        held: false,
        version: None,
        since: None,
        expected: cause.expected().to_owned(),
        expected_by: None,
        holder: None,
        failures: 0,
        last_event: None,
        detail: None,
        opened_at: rfc3339(since),
        closed_at: None,
        closed_by: None,
        open_ms: None,
        allowed: Vec::new(),
    }
}
