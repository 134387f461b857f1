//! From the log to messages: one transaction for what was read and how far.
//!
//! An event that shows its partner something new becomes one message, if any endpoint of that partner wants its type,
//! also a disabled one: what it misses waits for it. Endpoints have a place each among their partner's messages, so
//! nothing is written for them here. An event that cannot be read sets its order aside ([`aside`]).

mod aside;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Partition, Reader, Record};
use atelier_projections::feed::Seen;
use atelier_schemas::{Event, Framed, Topic, order_of_key};
use atelier_store::{Bulk, Columns, Select, Store, Transaction, Value};
use uuid::Uuid;

use crate::message::OrderMessage;
use crate::tables::{Known, LOCK, MESSAGES, ORDERS, read_order, write_order};
use crate::wanting::{Told, Wanting};
use crate::{Error, Metrics};

/// Records in a transaction at most; what is not read waits in the log.
const BATCH: usize = 1000;

/// Reads `orders.events` into the store. Several processes may: of two that read the same, one commits.
pub(crate) struct Ingest {
    pub(crate) store: Store,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) metrics: Metrics,
    /// Comes before the path of links.
    pub(crate) link_base: String,
    reader: Option<Box<dyn Reader>>,
    /// As stored.
    next: Vec<u64>,
    /// Read, and not written because another process was faster with some of it.
    unwritten: Vec<Record>,
    moved: bool,
    /// The last order set aside that was tried again, by its place among them.
    tried: (i64, String),
}

/// The `type` header of an order's first event.
const CREATED: &str = "OrderCreated";

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Ingested {
    pub(crate) records: usize,
    /// These have something new to be sent.
    pub(crate) endpoints: BTreeSet<Uuid>,
    /// An event says of an order set aside which of its records do not count: it is to be tried again.
    pub(crate) again: bool,
}

impl Ingest {
    pub(crate) fn new(store: Store, log: Arc<dyn Log>, metrics: Metrics, link_base: String) -> Self {
        Self {
            store,
            log,
            metrics,
            link_base,
            reader: None,
            next: Vec::new(),
            unwritten: Vec::new(),
            moved: false,
            tried: (i64::MIN, String::new()),
        }
    }

    /// Reads and commits a batch; waits for the first record at most `wait`.
    ///
    /// # Errors
    /// Nothing was written, and the next call reads the same again.
    pub(crate) async fn turn(&mut self, wait: Duration) -> Result<Ingested, Error> {
        let result = self.read_and_commit(wait).await;
        if result.is_err() && !self.moved {
            // Whatever was read and not committed is read again from where the store says.
            self.reader = None;
        }
        result
    }

    async fn read_and_commit(&mut self, wait: Duration) -> Result<Ingested, Error> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.open().await?,
        };
        if std::mem::take(&mut self.moved) {
            self.catch_up().await?;
        }
        let mut next = self.positions(reader.as_ref());
        let mut reader = Some(reader);
        if self.unwritten.is_empty() {
            let mut polling = reader.take().ok_or(Error::Defect)?;
            let polled = tokio::task::spawn_blocking(move || (polling.poll(BATCH, wait), polling)).await;
            let (records, polled) = polled.map_err(|error| atelier_log::Error::Unavailable(error.to_string()))?;
            self.unwritten = records?;
            next = self.positions(polled.as_ref());
            reader = Some(polled);
            // Another process has written these.
            let stored = &self.next;
            self.unwritten.retain(|record| stored.get(record.partition as usize).is_none_or(|stored| record.offset >= *stored));
        }
        let mut ingested = Ingested { records: self.unwritten.len(), ..Ingested::default() };
        if next != self.next {
            let records = std::mem::take(&mut self.unwritten);
            let committed = self.commit(&records, &next).await;
            if matches!(committed, Err(Error::Moved)) {
                // What was read is good all the same, as far as nobody else has written it.
                (self.reader, self.unwritten, self.moved) = (reader, records, true);
                return Err(Error::Moved);
            }
            (ingested.endpoints, ingested.again) = committed?;
            self.next = next;
        }
        self.reader = reader;
        Ok(ingested)
    }

    /// How far the log is read, by this reader or by whoever was faster.
    fn positions(&self, reader: &dyn Reader) -> Vec<u64> {
        (0..).zip(&self.next).map(|(partition, stored)| reader.position(partition).max(*stored)).collect()
    }

    /// Another process has written meanwhile: what lies before its offsets is not written again.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let mut transaction = self.store.begin().await?;
        for (partition, stored) in offsets(&mut transaction).await? {
            let Some(next) = self.next.get_mut(partition as usize) else { continue };
            if stored < *next {
                // The store is an older one than a moment ago.
                return Err(Error::Moved);
            }
            *next = stored;
        }
        let stored = &self.next;
        self.unwritten.retain(|record| stored.get(record.partition as usize).is_none_or(|stored| record.offset >= *stored));
        Ok(())
    }

    async fn open(&mut self) -> Result<Box<dyn Reader>, Error> {
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        let mut next = vec![0; self.log.partitions() as usize];
        for partition in 0..i64::from(self.log.partitions()) {
            const ADD: &str = "INSERT INTO webhook_offsets (log_partition, next) VALUES ($1, 0) ON CONFLICT (log_partition) DO NOTHING";
            transaction.execute(ADD, [partition.into()]).await?;
        }
        for (partition, offset) in offsets(&mut transaction).await? {
            if let Some(slot) = next.get_mut(partition as usize) {
                *slot = offset;
            }
        }
        transaction.commit().await?;
        let (log, from) = (self.log.clone(), next.clone());
        let opened = tokio::task::spawn_blocking(move || open_at(log.as_ref(), &from));
        let reader = opened.await.map_err(|error| atelier_log::Error::Unavailable(error.to_string()))??;
        (self.next, self.unwritten, self.moved) = (next, Vec::new(), false);
        Ok(reader)
    }

    async fn commit(&mut self, records: &[Record], next: &[u64]) -> Result<(BTreeSet<Uuid>, bool), Error> {
        const MOVE: &str = "UPDATE webhook_offsets SET next = $1 WHERE log_partition = $2 AND next = $3";
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        for (partition, (old, new)) in (0i64..).zip(self.next.iter().zip(next)).filter(|(_, (old, new))| old != new) {
            if transaction.execute(MOVE, [new.cast_signed().into(), partition.into(), old.cast_signed().into()]).await? != 1 {
                transaction.rollback().await?;
                return Err(Error::Moved);
            }
        }
        let mut passed = HashSet::new();
        let told = self.told(&mut transaction, records, &mut passed).await?;
        let again = aside::again(&mut transaction, records, &passed).await?;
        let endpoints = self.messages(&mut transaction, &told).await?;
        transaction.commit().await?;
        Ok((endpoints, again))
    }

    /// What the records show to partners, in the order of the log; the orders' rows follow. Records of orders
    /// set aside are passed over; whose they are is added to `passed`.
    async fn told(&mut self, transaction: &mut Transaction, records: &[Record], passed: &mut HashSet<Uuid>) -> Result<Vec<New>, Error> {
        let keys: BTreeSet<Uuid> = records.iter().filter_map(|record| order_of_key(&record.key)).collect();
        let keys: Vec<Value> = keys.into_iter().map(Value::from).collect();
        let mut set_aside = aside::among(transaction, &keys).await?;
        let mut orders: HashMap<Uuid, Known> = HashMap::new();
        for row in ORDERS.read(transaction, &keys).await? {
            let order = read_order(&row)?;
            orders.insert(order.seen.order_id, order);
        }
        let mut touched = BTreeSet::new();
        let mut told = Vec::new();
        for record in records {
            let key = order_of_key(&record.key);
            if let Some(order_id) = key.filter(|order_id| set_aside.contains(order_id)) {
                passed.insert(order_id);
                continue;
            }
            let event = match event(record) {
                Ok(event) => event,
                Err(error) => {
                    self.metrics.unreadable.inc();
                    // Other channels' orders have no row, and partners are told nothing of them.
                    let ours = key.filter(|order_id| orders.contains_key(order_id) || record.kind == CREATED);
                    tracing::error!(order_id = record.key, partition = record.partition, offset = record.offset, set_aside = ours.is_some(), %error, "an event cannot be read");
                    if let Some(order_id) = ours {
                        aside::set(transaction, order_id, record, &error).await?;
                        set_aside.insert(order_id);
                    }
                    continue;
                }
            };
            if !orders.contains_key(&event.order_id)
                && let Some(seen) = Seen::created(&event)
            {
                orders.insert(seen.order_id, Known { seen, told_offset: None });
            }
            let Some(order) = orders.get_mut(&event.order_id) else { continue };
            if let Some(shown) = order.seen.follow(&event) {
                let (partition, offset) = (record.partition, record.offset);
                let before_offset = order.told_offset.replace(offset.cast_signed());
                told.push(New { told: Told { partition, offset, shown }, before_offset });
            }
            touched.insert(event.order_id);
        }
        let rows = touched.iter().filter_map(|order_id| orders.get(order_id)).map(write_order).collect();
        ORDERS.write(transaction, rows).await?;
        Ok(told)
    }

    /// Writes what any endpoint wants, numbered. Gives the endpoints whose partner has something new.
    async fn messages(&mut self, transaction: &mut Transaction, told: &[New]) -> Result<BTreeSet<Uuid>, Error> {
        let mut wanting: HashMap<String, Vec<Wanting>> = HashMap::new();
        for select in Wanting::of(told.iter().map(|new| new.told.shown.order.partner.as_str())) {
            for row in &select.all_in(transaction).await? {
                let found = Wanting::read(&mut Columns::of(row))?;
                wanting.entry(found.partner.clone()).or_default().push(found);
            }
        }
        let endpoints = |new: &New| wanting.get(&new.told.shown.order.partner).map_or(&[][..], Vec::as_slice);
        let wanted: Vec<&New> = told.iter().filter(|new| endpoints(new).iter().any(|endpoint| endpoint.wants(&new.told))).collect();
        if wanted.is_empty() {
            return Ok(BTreeSet::new());
        }
        let first = numbers(transaction, wanted.len()).await?;
        let rows = (first..).zip(&wanted).map(|(number, new)| new.row(number, &self.link_base)).collect();
        self.metrics.created.inc_by(wanted.len() as u64);
        MESSAGES.write(transaction, rows).await?;
        // All of the partner's: who does not want it passes it over, so that it is kept no longer than it is needed.
        let endpoints: BTreeSet<Uuid> = wanted.iter().flat_map(|new| endpoints(new)).map(|endpoint| endpoint.endpoint_id).collect();
        // Due at once, or when the circuit lets something through. Whoever holds the lease looks by itself.
        static READY: Bulk = Bulk::joining(
            &["endpoint_id"],
            "UPDATE webhook_endpoints SET ready_at = COALESCE(open_until, 0) WHERE endpoint_id IN (SELECT endpoint_id FROM given) \
             AND lease IS NULL AND enabled = 1 AND ready_at > COALESCE(open_until, 0)",
        );
        READY.execute(transaction, endpoints.iter().map(|endpoint_id| vec![(*endpoint_id).into()]).collect()).await?;
        Ok(endpoints)
    }
}

/// The event of a record, or why it is none: one that lies under another key than its order's is nobody's.
fn event(record: &Record) -> Result<Event, String> {
    let event = Event::decode(&record.payload).map_err(|error| error.to_string())?;
    if order_of_key(&record.key) != Some(event.order_id) {
        return Err(format!("the key of the record is not the order it is about, {}", event.order_id));
    }
    Ok(event)
}

/// What an event showed for the first time.
struct New {
    told: Told,
    /// Of the order's event that showed something before this one.
    before_offset: Option<i64>,
}

impl New {
    /// As a row of [`MESSAGES`].
    fn row(&self, number: i64, link_base: &str) -> Vec<Value> {
        let Told { partition, offset, shown } = &self.told;
        vec![
            shown.order.partner.as_str().into(),
            number.into(),
            shown.order.order_id.into(),
            shown.order.sequence.into(),
            shown.event_id.into(),
            shown.event_type.into(),
            shown.at.into(),
            i64::from(*partition).into(),
            offset.cast_signed().into(),
            self.before_offset.into(),
            OrderMessage::of(shown, link_base).json().as_str().into(),
        ]
    }
}

/// Gives out as many numbers, the first of which it tells.
async fn numbers(transaction: &mut Transaction, count: usize) -> Result<i64, Error> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    transaction.execute("UPDATE webhook_numbers SET last = last + $1", [count.into()]).await?;
    let row = Select::text("SELECT last FROM webhook_numbers").first_in(transaction).await?;
    let last = row.map(|row| Columns::of(&row).int()).transpose()?.ok_or(Error::Defect)?;
    Ok(last - count + 1)
}

fn open_at(log: &dyn Log, from: &[u64]) -> Result<Box<dyn Reader>, Error> {
    let from: Vec<(Partition, u64)> = (0..).zip(from.iter().copied()).collect();
    for (partition, stored) in from.iter().copied() {
        let end = log.end(Topic::Events, partition)?;
        if stored > end {
            return Err(Error::AheadOfLog { partition, stored, end });
        }
    }
    Ok(log.read(Topic::Events, &from)?)
}

/// The stored offsets, by partition.
pub(crate) async fn offsets(transaction: &mut Transaction) -> Result<Vec<(Partition, u64)>, atelier_store::Error> {
    let rows = Select::text("SELECT log_partition, next FROM webhook_offsets ORDER BY log_partition").all_in(transaction).await?;
    let offsets = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((u32::try_from(columns.int()?).unwrap_or(u32::MAX), columns.int()?.cast_unsigned()))
    });
    offsets.collect()
}

/// How far a partition is read, as stored; 0 when it never was.
async fn stored(store: &Store, partition: Partition) -> Result<u64, Error> {
    let select = Select::text("SELECT next FROM webhook_offsets WHERE ").push("log_partition = ?", [i64::from(partition).into()]);
    let row = select.first(store).await?;
    Ok(row.map(|row| Columns::of(&row).int()).transpose()?.unwrap_or(0).cast_unsigned())
}
