//! Orders that are set aside because an event of theirs cannot be understood, and how they come back.
//!
//! What follows the event is kept, unread. Once somebody says (by an event of the order) that the record does
//! not count, the order goes on from before it, with what followed. A record that a newer engine understands
//! needs nobody's word: that engine restores the order like any other.

use atelier_domain::Order;
use atelier_log::Record;
use atelier_schemas::{EventData, Happened, order_of_key};

use super::PartitionState;
use super::replay::replay;
use crate::closed;

/// So many later events of an order are kept; with more of them it cannot come back by itself.
const LATER_LIMIT: usize = 1000;

/// An order that is set aside.
#[derive(Clone)]
pub(super) struct Parked {
    /// Of the event that cannot be understood.
    pub(super) offset: u64,
    /// Why not.
    pub(super) reason: String,
    /// The order before that event.
    pub(super) order: Option<Box<Order>>,
    /// What came after it, unread.
    later: Vec<Record>,
    /// There was more than is kept.
    overflowed: bool,
}

impl Parked {
    pub(super) fn new(offset: u64, reason: String, order: Option<Box<Order>>) -> Self {
        Self { offset, reason, order, later: Vec::new(), overflowed: false }
    }
}

/// Takes a later event of an order that is set aside. If it says which records do not count, the order comes back.
pub(super) fn later(state: &mut PartitionState, record: &Record) -> Result<(), closed::Error> {
    let Some(parked) = state.parked.get_mut(&record.key) else { return Ok(()) };
    if parked.later.len() == LATER_LIMIT {
        parked.overflowed = true;
        return Ok(());
    }
    parked.later.push(record.clone());
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
    if !offsets.contains(&before.offset) {
        return Ok(Err(format!("record {} cannot be read either: {}", before.offset, before.reason)));
    }
    let Some(id) = order_of_key(key) else {
        return Ok(Err("the record's key is not an order id".into()));
    };
    state.parked.remove(key);
    if let Some(order) = before.order.clone() {
        state.open.insert(id, order);
    }
    for record in &before.later {
        replay(state, record)?;
        let why = match (state.parked.remove(key), offsets.contains(&record.offset)) {
            (None, false) => continue,
            (Some(Parked { order, .. }), true) => {
                state.open.extend(order.map(|order| (id, order)));
                continue;
            }
            (Some(again), false) => format!("record {} cannot be read either: {}", again.offset, again.reason),
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
