//! Orders whose events cannot all be read: set aside from such an event on, so that nothing is sent out of
//! order, and tried again by a program that understands it, or when an event says that it does not count.
//!
//! What an order missed is read from the log once more, so nothing needs to be kept for that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use atelier_log::{Log, Partition, Record};
use atelier_schemas::{Event, EventData, Topic, order_of_key};
use atelier_store::{Columns, Conflict, Select, Table, Transaction, Value};
use uuid::Uuid;

use super::Ingest;
use crate::Error;
use crate::tables::LOCK;

/// Orders tried again at once, of either kind; the others at the next call.
const ORDERS_MAX: i64 = 100;
/// How often an order is brought back anew because another process read on meanwhile.
const TRIES: u32 = 5;
/// Of one order, read again at most; one with more stays set aside.
const RECORDS_MAX: usize = 10_000;
/// A reason is cut to this many characters.
const REASON_MAX: usize = 500;
const CHUNK: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);

static PARKED: Table =
    Table::new("webhook_parked", &["order_id", "log_partition", "log_offset", "reason", "parked_at", "skipped"], 1, Conflict::Keep);

/// An order set aside.
struct Aside {
    order_id: Uuid,
    partition: Partition,
    offset: u64,
    /// An event of the order says which of its records do not count.
    skipped: bool,
}

/// Which of these orders are set aside.
pub(super) async fn among(transaction: &mut Transaction, keys: &[Value]) -> Result<HashSet<Uuid>, Error> {
    // Mostly none is, and nothing needs to be looked up.
    if Select::text("SELECT 1 FROM webhook_parked LIMIT 1").first_in(transaction).await?.is_none() {
        return Ok(HashSet::new());
    }
    let rows = PARKED.read(transaction, keys).await?;
    Ok(rows.iter().map(|row| Columns::of(row).id()).collect::<Result<_, _>>()?)
}

/// Sets an order aside from this record on.
pub(super) async fn set(transaction: &mut Transaction, order_id: Uuid, record: &Record, reason: &str) -> Result<(), Error> {
    let reason: String = reason.chars().take(REASON_MAX).collect();
    let row = vec![
        order_id.into(),
        i64::from(record.partition).into(),
        record.offset.cast_signed().into(),
        reason.as_str().into(),
        record.time.into(),
        0.into(),
    ];
    Ok(PARKED.write(transaction, vec![row]).await?)
}

/// Whether one of the orders that were `passed` over has told which of its records do not count.
pub(super) async fn again(transaction: &mut Transaction, records: &[Record], passed: &HashSet<Uuid>) -> Result<bool, Error> {
    let mut again = false;
    if passed.is_empty() {
        return Ok(again);
    }
    for event in records.iter().filter_map(|record| super::event(record).ok()) {
        if passed.contains(&event.order_id) && matches!(event.data, EventData::RecordsSkipped { .. }) {
            const MARK: &str = "UPDATE webhook_parked SET skipped = 1 WHERE order_id = $1";
            transaction.execute(MARK, [event.order_id.into()]).await?;
            again = true;
        }
    }
    Ok(again)
}

impl Ingest {
    /// Brings back the orders set aside whose event can be read by now, or does not count any more: what they
    /// missed is told as if it came now. Gives the endpoints with something to be sent.
    ///
    /// # Errors
    /// What was brought back is; the next call goes on. [`Error::Moved`]: another process reads on all the time.
    pub(crate) async fn try_again(&mut self) -> Result<BTreeSet<Uuid>, Error> {
        let mut endpoints = BTreeSet::new();
        let mut by_partition: BTreeMap<Partition, Vec<Aside>> = BTreeMap::new();
        for order in self.next_aside().await? {
            by_partition.entry(order.partition).or_default().push(order);
        }
        for (partition, orders) in by_partition {
            let log = self.log.clone();
            let missed = move || Missed::of(log.as_ref(), partition, &orders);
            let mut missed =
                tokio::task::spawn_blocking(missed).await.map_err(|error| atelier_log::Error::Unavailable(error.to_string()))??;
            let mut tries = TRIES;
            while !missed.from.is_empty() {
                // What came meanwhile is little, so that at last nobody is faster.
                let (log, stored) = (self.log.clone(), super::stored(&self.store, partition).await?);
                let read = move || missed.read_to(log.as_ref(), stored).map(|()| missed);
                missed = tokio::task::spawn_blocking(read).await.map_err(|error| atelier_log::Error::Unavailable(error.to_string()))??;
                tries -= 1;
                match self.bring_back(partition, stored, missed.counting()).await {
                    Err(Error::Moved) if tries > 0 => {}
                    brought => {
                        endpoints.extend(brought?);
                        break;
                    }
                }
            }
        }
        Ok(endpoints)
    }

    /// Those to be tried now: the ones of which somebody has said which records do not count, then the others, which
    /// take turns.
    async fn next_aside(&mut self) -> Result<Vec<Aside>, Error> {
        const COLUMNS: &str = "SELECT order_id, log_partition, log_offset, skipped, parked_at FROM webhook_parked WHERE ";
        let skipped = Select::text(COLUMNS).push("skipped = 1 ORDER BY parked_at, order_id LIMIT ?", [ORDERS_MAX.into()]);
        let mut rows = skipped.all(&self.store).await?;
        let (at, order_id) = &self.tried;
        let others = Select::text(COLUMNS).push(
            "skipped = 0 AND (parked_at, order_id) > (?, ?) ORDER BY parked_at, order_id LIMIT ?",
            [(*at).into(), order_id.as_str().into(), ORDERS_MAX.into()],
        );
        let others = others.all(&self.store).await?;
        self.tried = match others.last() {
            Some(last) if others.len() as i64 == ORDERS_MAX => {
                let mut columns = Columns::of(last);
                let order_id = columns.text()?;
                let _ = (columns.int()?, columns.int()?, columns.int()?);
                (columns.int()?, order_id)
            }
            _ => (i64::MIN, String::new()),
        };
        rows.extend(others);
        let orders = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            let (order_id, partition, offset) = (columns.id()?, columns.int()?, columns.int()?.cast_unsigned());
            let partition = Partition::try_from(partition).unwrap_or(Partition::MAX);
            Ok(Aside { order_id, partition, offset, skipped: columns.flag()? })
        });
        orders.collect()
    }

    /// Takes in what orders missed. Where that cannot be read either, the order is set aside anew.
    async fn bring_back(
        &mut self,
        partition: Partition,
        stored: u64,
        missed: BTreeMap<Uuid, Vec<Record>>,
    ) -> Result<BTreeSet<Uuid>, Error> {
        const HOLD: &str = "UPDATE webhook_offsets SET next = next WHERE log_partition = $1 AND next = $2";
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        if transaction.execute(HOLD, [i64::from(partition).into(), stored.cast_signed().into()]).await? != 1 {
            transaction.rollback().await?;
            return Err(Error::Moved);
        }
        let mut records = Vec::new();
        for (order_id, missed) in missed {
            const UNPARK: &str = "DELETE FROM webhook_parked WHERE order_id = $1";
            // Another process has brought it back already.
            if transaction.execute(UNPARK, [order_id.into()]).await? == 1 {
                tracing::info!(%order_id, records = missed.len(), "an order that was set aside is told on");
                records.extend(missed);
            }
        }
        let told = self.told(&mut transaction, &records, &mut HashSet::new()).await?;
        let endpoints = self.messages(&mut transaction, &told).await?;
        transaction.commit().await?;
        Ok(endpoints)
    }
}

/// What orders of one partition missed.
struct Missed {
    partition: Partition,
    /// By key: from this offset on. Only orders that can be brought back.
    from: HashMap<String, u64>,
    records: BTreeMap<Uuid, Vec<Record>>,
    read_to: u64,
}

impl Missed {
    /// Nothing read yet.
    fn of(log: &dyn Log, partition: Partition, orders: &[Aside]) -> Result<Self, atelier_log::Error> {
        let mut from: HashMap<String, u64> = HashMap::new();
        for Aside { order_id, offset, skipped, .. } in orders {
            if *skipped || is_readable(log, partition, *offset)? {
                from.insert(order_id.to_string(), *offset);
            }
        }
        let read_to = from.values().min().copied().unwrap_or(0);
        Ok(Self { partition, from, records: BTreeMap::new(), read_to })
    }

    /// Reads on up to `end`.
    fn read_to(&mut self, log: &dyn Log, end: u64) -> Result<(), atelier_log::Error> {
        let Self { partition, from, records, read_to } = self;
        each(log, *partition, *read_to..end, |record| {
            if from.get(&record.key).is_some_and(|from| record.offset >= *from)
                && let Some(order_id) = order_of_key(&record.key)
            {
                let records: &mut Vec<Record> = records.entry(order_id).or_default();
                if records.len() <= RECORDS_MAX {
                    records.push(record);
                }
            }
            true
        })?;
        *read_to = end.max(*read_to);
        Ok(())
    }

    /// The records that count, of orders that did not miss too many.
    fn counting(&self) -> BTreeMap<Uuid, Vec<Record>> {
        let few = self.records.iter().filter(|(_, records)| records.len() <= RECORDS_MAX);
        few.map(|(order_id, records)| {
            let skipped: HashSet<u64> = records.iter().flat_map(skipped_by).collect();
            (*order_id, records.iter().filter(|record| !skipped.contains(&record.offset)).cloned().collect())
        })
        .collect()
    }
}

/// The offsets of the records that do not count because this one says so.
fn skipped_by(record: &Record) -> Vec<u64> {
    match super::event(record) {
        Ok(Event { data: EventData::RecordsSkipped { offsets, .. }, .. }) => offsets.into_iter().map(i64::cast_unsigned).collect(),
        _ => Vec::new(),
    }
}

fn is_readable(log: &dyn Log, partition: Partition, offset: u64) -> Result<bool, atelier_log::Error> {
    let mut readable = false;
    each(log, partition, offset..offset + 1, |record| {
        readable = record.offset == offset && super::event(&record).is_ok();
        false
    })?;
    Ok(readable)
}

/// The records of a stretch, until `with` has seen enough. A log that gives nothing for [`PATIENCE`] is away.
fn each(log: &dyn Log, partition: Partition, stretch: Range<u64>, mut with: impl FnMut(Record) -> bool) -> Result<(), atelier_log::Error> {
    let mut reader = log.read(Topic::Events, &[(partition, stretch.start)])?;
    let mut heard = Instant::now();
    while reader.position(partition) < stretch.end {
        let before = reader.position(partition);
        for record in reader.poll(CHUNK, POLL)? {
            if record.offset >= stretch.end || !with(record) {
                return Ok(());
            }
        }
        if reader.position(partition) > before {
            heard = Instant::now();
        } else if heard.elapsed() >= PATIENCE {
            return Err(atelier_log::Error::Unavailable(format!("partition {partition} gives nothing from offset {before} on")));
        }
    }
    Ok(())
}
