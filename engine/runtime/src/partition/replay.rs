//! From the events of the log back to the state.

use atelier_domain::{self as domain, evolve, remember};
use atelier_log::Record;
use atelier_schemas::{Happened, order_of_key, partition_of};

use super::PartitionState;
use super::parked::{self, Parked};
use crate::closed;
use crate::translate::from_wire;

pub(super) fn replay(state: &mut PartitionState, record: &Record) -> Result<(), closed::Error> {
    if !state.parked.is_empty() && state.parked.contains_key(&record.key) {
        return parked::later(state, record);
    }
    // Nothing is ever decided here for another key: such a record stops nobody, and no checkpoint could hide it from an order.
    let Some(id) = order_of_key(&record.key).filter(|id| partition_of(id, state.settings.partitions) == record.partition) else {
        tracing::error!(
            key = record.key,
            partition = record.partition,
            offset = record.offset,
            "passed over an event whose key is no order of this partition: somebody else than an engine wrote it"
        );
        return Ok(());
    };
    let event = match Happened::decode(&record.payload) {
        Ok(event) => event,
        Err(error) => {
            park(state, record, error.to_string());
            return Ok(());
        }
    };
    if event.order_id != id {
        park(state, record, format!("the key of the record is not the order it is about, {}", event.order_id));
        return Ok(());
    }
    // Changed in place: most events follow another one of an order that is open.
    let order = match state.open.get_mut(&id) {
        Some(order) => Some(order),
        None => match state.closed.get(&id)? {
            Some(ended) => Some(state.open.entry(id).or_insert(Box::new(ended))),
            None => None,
        },
    };
    let version = order.as_ref().map_or(0, |order| order.version);
    if u64::try_from(event.version) != Ok(version + 1) {
        park(state, record, format!("event {} follows event {version}", event.version));
        return Ok(());
    }
    let Some(data) = from_wire(event.data) else {
        park(state, record, format!("its event {} says something this engine does not understand", event.version));
        return Ok(());
    };
    let order = match order {
        Some(order) => {
            domain::advance(order, &data, event.time);
            order
        }
        None => match evolve(None, &data, event.time) {
            Some(created) => state.open.entry(id).or_insert(Box::new(created)),
            None => {
                park(state, record, "its first event does not begin an order".into());
                return Ok(());
            }
        },
    };
    if let (Some(command), Some(digest)) = (event.command_id, event.command_digest) {
        remember(order, command.as_u128(), digest, &data);
    }
    if order.status().is_final()
        && let Some(order) = state.open.remove(&id)
    {
        state.closed.insert(id, *order)?;
    }
    Ok(())
}

/// Stops one order: its state is not to be trusted, so nothing is decided on it any more.
fn park(state: &mut PartitionState, record: &Record, reason: String) {
    tracing::error!(
        order.id = record.key,
        partition = record.partition,
        offset = record.offset,
        reason,
        "order parked: its commands are refused until somebody says that the record does not count, or a newer engine reads it"
    );
    let order = order_of_key(&record.key).and_then(|id| state.open.remove(&id));
    state.parked.insert(record.key.clone(), Parked::new(record, reason, order));
}
