//! From the events of the log back to the state.

use atelier_domain::remember;
use atelier_log::Record;
use atelier_schemas::Happened;

use super::{PartitionState, advance};
use crate::closed;
use crate::translate::from_wire;

pub(super) fn replay(state: &mut PartitionState, record: &Record) -> Result<(), closed::Error> {
    if !state.parked.is_empty() && state.parked.contains_key(&record.key) {
        return Ok(());
    }
    let event = match Happened::decode(&record.payload) {
        Ok(event) => event,
        Err(error) => {
            park(state, record, error.to_string());
            return Ok(());
        }
    };
    let id = event.order_id;
    let (mut order, due_before) = state.take(&id)?;
    let version = order.as_ref().map_or(0, |order| order.version);
    let Some(data) = u64::try_from(event.version).ok().filter(|next| *next == version + 1).and_then(|_| from_wire(event.data)) else {
        let reason = if event.version == version as i64 + 1 {
            format!("its event {} says something this engine does not understand", event.version)
        } else {
            format!("event {} follows event {version}", event.version)
        };
        if let Some(order) = order {
            state.put(id, order, due_before)?;
        }
        park(state, record, reason);
        return Ok(());
    };
    advance(&mut order, &data, event.time);
    if let Some(mut order) = order {
        if let (Some(command), Some(digest)) = (event.command_id, event.command_digest) {
            remember(&mut order, command.as_u128(), digest);
        }
        state.put(id, order, due_before)?;
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
        "order parked: its commands are refused until the event is repaired or a newer engine reads it"
    );
    if let Ok(id) = record.key.parse()
        && let Some(order) = state.open.remove(&id)
    {
        let due = state.due_of(&order);
        state.timers.moved(id, due, None);
    }
    state.parked.insert(record.key.clone(), reason);
}
