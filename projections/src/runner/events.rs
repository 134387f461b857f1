//! Works out the rows of a model of orders.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;

use atelier_domain::{Stage, Status};
use atelier_schemas::{Customer, Event, EventData, Item, TimeMs, order_of_key};
use atelier_store::{Columns, Row, Table, Transaction, Value};
use uuid::Uuid;

use super::cache::{Cache, Entry};
use super::commit::{Applied, ReadModel};
use super::parking::{self, PARKED, park};
use super::source::Decoded;
use crate::{Error, Model, SANDBOX};

/// A read model with one row per order.
pub(crate) trait EventModel: Send + 'static {
    const MODEL: Model;
    /// Not every order has a row: a later event without one is no gap.
    const SELECTIVE: bool = false;
    /// Of the table of orders.
    type Row: Clone + Send + Sync;
    /// What else a batch writes.
    type Extra: Default + Send;

    /// The table of orders; its first column is the id.
    fn table() -> &'static Table;
    fn read(row: &Row) -> Result<(Uuid, Self::Row), Error>;
    fn write(row: &Self::Row) -> Vec<Value>;
    fn version(row: &Self::Row) -> i64;
    /// The row of a new order, before its first event is applied; `None` when it is not this model's.
    fn create(new: &New<'_>) -> Option<Self::Row>;
    /// Applies the next event, the first one too, which lies at `place`.
    fn evolve(row: &mut Self::Row, event: &Event, place: Place, extra: &mut Self::Extra);
    /// Writes that; most models have nothing else.
    fn write_extra(_: &mut Transaction, _: Self::Extra) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Where a record lies in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
}

/// What a new order brings.
pub(crate) struct New<'e> {
    /// The whole of it.
    pub(crate) event: &'e Event,
    pub(crate) order_id: Uuid,
    pub(crate) time: TimeMs,
    /// `shop`, `partner`, or [`SANDBOX`] whoever's sandbox it is of.
    pub(crate) channel: &'e str,
    pub(crate) client: &'e str,
    pub(crate) reference: Option<&'e str>,
    pub(crate) customer: Option<&'e Customer>,
    pub(crate) item: &'e Item,
}

/// Applies events to a model of orders.
pub(crate) struct Events<M: EventModel> {
    cache: Cache<M::Row>,
    /// What the open transaction makes of the orders it touches.
    staged: HashMap<Uuid, Entry<M::Row>>,
    /// Whether any order is parked, once known.
    any_parked: Option<bool>,
}

impl<M: EventModel> Default for Events<M> {
    fn default() -> Self {
        Self { cache: Cache::default(), staged: HashMap::new(), any_parked: None }
    }
}

impl<M: EventModel> ReadModel for Events<M> {
    const MODEL: Model = M::MODEL;
    type Body = Event;

    async fn apply(&mut self, transaction: &mut Transaction, records: &[Decoded<Event>]) -> Result<Applied, Error> {
        self.staged.clear();
        self.load(transaction, records).await?;
        let mut applied = Applied::default();
        let mut extra = M::Extra::default();
        let mut touched = HashSet::new();
        let mut skipped: BTreeMap<&str, i64> = BTreeMap::new();
        for record in records {
            let key = order_of_key(&record.key);
            if key.is_some_and(|id| matches!(self.staged.get(&id), Some(Entry::Parked))) {
                *skipped.entry(&record.key).or_default() += 1;
                applied.skipped += 1;
                if record.body.as_ref().is_ok_and(|event| !Self::skipped_by(event).is_empty()) {
                    applied.again.push(record.key.clone());
                }
                continue;
            }
            match self.step(record, key, &mut extra) {
                Ok(Some(id)) => {
                    touched.insert(id);
                    applied.records += 1;
                }
                Ok(None) => applied.records += 1,
                Err(reason) => {
                    park(transaction, M::MODEL, record, &reason).await?;
                    applied.note(M::MODEL, record, &reason);
                    self.any_parked = Some(true);
                    // What its earlier events made of the order stays and is written below.
                    if let Some(id) = key
                        && let Some(Entry::Row(row)) = self.staged.insert(id, Entry::Parked)
                        && touched.remove(&id)
                    {
                        M::table().write(transaction, vec![M::write(&row)]).await?;
                    }
                }
            }
        }
        for (key, records) in skipped {
            parking::skip(transaction, M::MODEL, key, records).await?;
        }
        let rows = touched.iter().filter_map(|id| match self.staged.get(id) {
            Some(Entry::Row(row)) => Some(M::write(row)),
            _ => None,
        });
        M::table().write(transaction, rows.collect()).await?;
        M::write_extra(transaction, extra).await?;
        Ok(applied)
    }

    fn committed(&mut self) {
        for (id, entry) in self.staged.drain() {
            match entry {
                // Whoever brings it back does not move the offsets: nothing would tell that this is no longer so.
                Entry::Parked => self.cache.remove(&id),
                entry => self.cache.put(id, entry),
            }
        }
    }

    fn skipped_by(event: &Event) -> &[i64] {
        match &event.data {
            EventData::RecordsSkipped { offsets, .. } => offsets,
            _ => &[],
        }
    }

    fn forget(&mut self) {
        self.staged.clear();
        self.cache.forget();
        self.any_parked = None;
    }
}

impl<M: EventModel> Events<M> {
    /// Brings what is known of the records' orders into `staged`.
    async fn load(&mut self, transaction: &mut Transaction, records: &[Decoded<Event>]) -> Result<(), Error> {
        let mut missing = Vec::new();
        for id in records.iter().filter_map(|record| order_of_key(&record.key)) {
            if self.staged.contains_key(&id) {
                continue;
            }
            let known = self.cache.get(&id).cloned();
            if known.is_none() {
                missing.push(Value::from(id));
            }
            self.staged.insert(id, known.unwrap_or(Entry::Absent));
        }
        if missing.is_empty() {
            return Ok(());
        }
        for row in M::table().read(transaction, &missing).await? {
            let (id, row) = M::read(&row)?;
            self.staged.insert(id, Entry::Row(row));
        }
        let any = match self.any_parked {
            Some(any) => any,
            None => parking::any(transaction, M::MODEL).await?,
        };
        self.any_parked = Some(any);
        if any {
            for row in PARKED.read(transaction, &missing).await? {
                let mut columns = Columns::of(&row);
                let (key, model) = (columns.text()?, columns.text()?);
                if let (Some(id), true) = (order_of_key(&key), model == M::MODEL.as_str()) {
                    self.staged.insert(id, Entry::Parked);
                }
            }
        }
        Ok(())
    }

    /// Applies one record to what is staged. The id of the row that changed, `None` when there is nothing
    /// to change, or why the record cannot be understood.
    fn step(&mut self, record: &Decoded<Event>, key: Option<Uuid>, extra: &mut M::Extra) -> Result<Option<Uuid>, String> {
        let event = record.body.as_ref().map_err(Clone::clone)?;
        let id = event.order_id;
        if key != Some(id) {
            return Err(format!("the key of the record is not the order it is about, {id}"));
        }
        if event.after.stage.parse::<Stage>().is_err() || event.after.status.parse::<Status>().is_err() {
            let after = &event.after;
            return Err(format!(
                "unknown stage {:?} or status {:?}: this program is older than the engine that wrote it",
                after.stage, after.status
            ));
        }
        let entry = self.staged.entry(id).or_insert(Entry::Absent);
        if let Entry::Absent = entry {
            match (&event.data, event.version) {
                (EventData::OrderCreated { channel, client, reference, customer, item, sandbox }, 1) => {
                    let new = New {
                        event,
                        order_id: id,
                        time: event.time,
                        channel: if *sandbox { SANDBOX } else { channel },
                        client,
                        reference: reference.as_deref(),
                        customer: customer.as_ref(),
                        item,
                    };
                    match M::create(&new) {
                        Some(row) => *entry = Entry::Row(row),
                        None => return Ok(None),
                    }
                }
                (_, 1) => return Err(format!("version 1 is {} where an order begins with OrderCreated", event.type_name)),
                _ if M::SELECTIVE => return Ok(None),
                (_, version) => return Err(format!("version {version} without the ones before it")),
            }
        }
        let Entry::Row(row) = entry else { return Ok(None) };
        let have = M::version(row);
        if event.version <= have {
            return Ok(None);
        }
        if event.version != have + 1 {
            return Err(format!("version {} follows version {have}", event.version));
        }
        M::evolve(row, event, Place { partition: record.partition, offset: record.offset }, extra);
        Ok(Some(id))
    }
}
