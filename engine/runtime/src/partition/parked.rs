//! Orders that are set aside because an event of theirs cannot be understood, and how they come back.
//!
//! The event and what follows it are kept. Once somebody says (by an event of the order) that the record does
//! not count, the order goes on from before it, with what followed. A record that a newer engine understands
//! needs nobody's word: that engine restores the order like any other. Checkpoints carry the orders that are set
//! aside, and whoever restores from one reads their records again.

use atelier_domain::Order;
use atelier_log::{Partition, Record};
use atelier_schemas::{EventData, Happened, Topic, order_of_key};
use serde::{Deserialize, Serialize};

use super::PartitionState;
use super::replay::replay;
use crate::closed;

/// So many later events of an order are kept; with more of them it cannot come back by itself.
const LATER_LIMIT: usize = 1000;

/// An order that is set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parked {
    /// Why the first record cannot be understood.
    pub(super) reason: String,
    /// The order before it.
    pub(super) order: Option<Box<Order>>,
    /// The event that cannot be understood.
    first: Unread,
    /// What came after it.
    later: Vec<Unread>,
    /// There was more than is kept.
    overflowed: bool,
}

/// An event that counts once somebody has read it: what reading takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unread {
    offset: u64,
    payload: Vec<u8>,
}

impl Unread {
    fn of(record: &Record) -> Self {
        Self { offset: record.offset, payload: record.payload.clone() }
    }

    /// As it lies in the log, without what nobody reads here.
    fn record(&self, partition: Partition, key: &str) -> Record {
        Record {
            topic: Topic::Events,
            partition,
            offset: self.offset,
            time: 0,
            key: key.to_owned(),
            kind: String::new(),
            traceparent: None,
            payload: self.payload.clone(),
        }
    }
}

impl Parked {
    pub(super) fn new(record: &Record, reason: String, order: Option<Box<Order>>) -> Self {
        Self { reason, order, first: Unread::of(record), later: Vec::new(), overflowed: false }
    }

    /// Where the event lies that cannot be understood.
    pub(super) fn offset(&self) -> u64 {
        self.first.offset
    }

    /// Why that one cannot.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// About so many bytes of events; `None` where more came than is kept.
    pub(crate) fn kept_bytes(&self) -> Option<usize> {
        let bytes = |record: &Unread| size_of::<Unread>() + record.payload.len();
        (!self.overflowed).then(|| bytes(&self.first) + self.later.iter().map(bytes).sum::<usize>())
    }
}

/// Takes over an order that a checkpoint has as set aside, and reads its events again: a newer engine may understand
/// them.
pub(super) fn read_again(state: &mut PartitionState, key: &str, parked: Parked) -> Result<(), closed::Error> {
    let Parked { order, first, later, .. } = parked;
    // One that had ended lies among those that have.
    if let (Some(order), Some(id)) = (order, order_of_key(key))
        && !order.status().is_final()
    {
        state.open.insert(id, order);
    }
    let partition = state.settings.partition;
    [first].iter().chain(&later).try_for_each(|record| replay(state, &record.record(partition, key)))
}

/// Takes a later event of an order that is set aside. If it says which records do not count, the order comes back.
pub(super) fn later(state: &mut PartitionState, record: &Record) -> Result<(), closed::Error> {
    let Some(parked) = state.parked.get_mut(&record.key) else { return Ok(()) };
    if parked.later.len() == LATER_LIMIT {
        parked.overflowed = true;
        return Ok(());
    }
    parked.later.push(Unread::of(record));
    match Happened::decode(&record.payload) {
        Ok(Happened { data: EventData::RecordsSkipped { offsets, .. }, .. }) => {
            let offsets: Vec<u64> = offsets.iter().filter_map(|offset| u64::try_from(*offset).ok()).collect();
            if let Err(reason) = reopen(state, &record.key, &offsets)? {
                tracing::error!(order.id = record.key, reason, "records of the order were skipped, and it still cannot be read");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Brings an order back without the records at `offsets`; or says why that is not enough, and changes nothing.
pub(super) fn reopen(state: &mut PartitionState, key: &str, offsets: &[u64]) -> Result<Result<(), String>, closed::Error> {
    let Some(before) = state.parked.get(key).cloned() else {
        return Ok(Err("the order is not set aside".into()));
    };
    if before.overflowed {
        return Ok(Err(format!("more than {LATER_LIMIT} events followed it, which are not kept")));
    }
    if !offsets.contains(&before.offset()) {
        return Ok(Err(format!("record {} cannot be read either: {}", before.offset(), before.reason)));
    }
    let Some(id) = order_of_key(key) else {
        return Ok(Err("the record's key is not an order id".into()));
    };
    state.parked.remove(key);
    if let Some(order) = before.order.clone() {
        state.open.insert(id, order);
    }
    let partition = state.settings.partition;
    for record in &before.later {
        replay(state, &record.record(partition, key))?;
        let why = match (state.parked.remove(key), offsets.contains(&record.offset)) {
            (None, false) => continue,
            (Some(Parked { order, .. }), true) => {
                state.open.extend(order.map(|order| (id, order)));
                continue;
            }
            (Some(again), false) => format!("record {} cannot be read either: {}", again.offset(), again.reason),
            // What was decided stays decided.
            (None, true) => format!("record {} is understood and counts", record.offset),
        };
        state.open.remove(&id);
        state.parked.insert(key.to_owned(), before);
        return Ok(Err(why));
    }
    // Ended before the record: nothing after it has put it where it belongs.
    if state.open.get(&id).is_some_and(|order| order.status().is_final())
        && let Some(order) = state.open.remove(&id)
    {
        state.closed.insert(id, *order)?;
    }
    Ok(Ok(()))
}
