//! How an event opens, moves and closes gaps.

use std::collections::BTreeMap;

use atelier_domain::{Attention, Role, Stage};
use atelier_schemas::{Event, EventData, TimeMs};
use atelier_store::{Row, Table, Transaction, Value};
use uuid::Uuid;

use super::cause::{Cause, causes};
use super::row::{GAPS, ORDERS, Open, OrderRow};
use crate::runner::{EventModel, New, Place};
use crate::{Error, Model, SANDBOX};

/// The read model.
pub(crate) struct Gaps;

/// What a batch changes beside the orders.
#[derive(Default)]
pub(crate) struct Changed {
    /// Gaps, as they are after the last event of the batch.
    gaps: BTreeMap<Uuid, Vec<Value>>,
    /// When the latest event of a partition was written.
    last_at: BTreeMap<u32, TimeMs>,
}

impl EventModel for Gaps {
    const MODEL: Model = Model::Gaps;
    type Row = OrderRow;
    type Extra = Changed;

    fn table() -> &'static Table {
        &ORDERS
    }

    fn read(row: &Row) -> Result<(Uuid, OrderRow), Error> {
        let row = OrderRow::read(row)?;
        Ok((row.order_id, row))
    }

    fn write(row: &OrderRow) -> Vec<Value> {
        row.write()
    }

    fn version(row: &OrderRow) -> i64 {
        row.version
    }

    fn create(new: &New<'_>) -> Option<OrderRow> {
        Some(OrderRow {
            order_id: new.order_id,
            version: 0,
            channel: new.channel.to_owned(),
            status: String::new(),
            stage: String::new(),
            held: false,
            since_at: new.time,
            holder: None,
            lease_until: None,
            failures: 0,
            last_type: String::new(),
            last_version: 0,
            last_at: new.time,
            open: Vec::new(),
            log_partition: 0,
            due_at: None,
        })
    }

    fn evolve(row: &mut OrderRow, event: &Event, place: Place, changed: &mut Changed) {
        // Nobody misses what is never made.
        let now = if row.channel == SANDBOX { Vec::new() } else { causes(&event.after.attention, &event.after.stage) };
        let (open, closed): (Vec<Open>, Vec<Open>) = std::mem::take(&mut row.open).into_iter().partition(|gap| now.contains(&gap.cause));
        row.open = open;
        for gap in closed {
            // As it stood while it was open: the order moves on below.
            let gap = row.gap(&gap).closed(event.time, event.data.type_name());
            changed.gaps.insert(gap.gap_id, gap.write());
        }
        advance(row, event);
        row.log_partition = place.partition;
        let last_at = changed.last_at.entry(place.partition).or_insert(event.time);
        *last_at = event.time.max(*last_at);
        for cause in now {
            if row.open.iter().all(|gap| gap.cause != cause) {
                row.open.push(opened(row, cause, event));
            }
        }
        for gap in row.open.iter().map(|gap| row.gap(gap)) {
            changed.gaps.insert(gap.gap_id, gap.write());
        }
    }

    async fn write_extra(transaction: &mut Transaction, changed: Changed) -> Result<(), Error> {
        // The events of an order that comes back are older than what the partition's engine has written since.
        const SEEN: &str = "INSERT INTO gap_partitions (log_partition, last_at) VALUES ($1, $2) ON CONFLICT (log_partition) DO UPDATE SET \
            last_at = CASE WHEN gap_partitions.last_at > excluded.last_at THEN gap_partitions.last_at ELSE excluded.last_at END";
        GAPS.write(transaction, changed.gaps.into_values().collect()).await?;
        for (partition, at) in changed.last_at {
            transaction.execute(SEEN, [i64::from(partition).into(), at.into()]).await?;
        }
        Ok(())
    }
}

/// The order moves on.
fn advance(row: &mut OrderRow, event: &Event) {
    let after = &event.after;
    let stage = after.stage.parse::<Stage>().ok();
    let was_pricing = row.stage.parse::<Stage>().is_ok_and(Stage::is_pricing);
    if row.stage != after.stage && !(was_pricing && stage.is_some_and(Stage::is_pricing)) {
        row.since_at = event.time;
        row.failures = 0;
    }
    match &event.data {
        EventData::PricingAccepted { worker, lease_until, .. } | EventData::PricingProgressed { worker, lease_until, .. } => {
            row.holder = Some(worker.clone());
            row.lease_until = Some(*lease_until);
        }
        EventData::PricingFailed { .. } | EventData::PricingExpired { worker: Some(_), .. } => row.failures += 1,
        EventData::WorkClaimed { operator } | EventData::ReworkOrdered { operator, .. } => {
            row.holder = Some(operator.clone());
        }
        EventData::OrderShipped { carrier, .. } => row.holder = Some(carrier.clone()),
        _ => {}
    }
    if !stage.is_some_and(has_holder) {
        row.holder = None;
    }
    if !stage.is_some_and(Stage::is_pricing) {
        row.lease_until = None;
    }
    row.version = event.version;
    row.status.clone_from(&after.status);
    row.stage.clone_from(&after.stage);
    row.held = after.held;
    // What was said is said: the engine has nothing more to write when it has passed.
    let said = after.attention.iter().any(|attention| attention == Attention::Overdue.as_str());
    row.due_at = after.due.filter(|_| !said && row.channel != SANDBOX);
    if event.actor.role != Role::Engine.as_str() {
        row.last_type = event.data.type_name().to_owned();
        row.last_version = event.version;
        row.last_at = event.time;
    }
}

/// Somebody has the order in this stage: a pricing worker, an operator, a carrier.
const fn has_holder(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::PricingAccepted | Stage::PricingRunning | Stage::WorkClaimed | Stage::WorkInProgress | Stage::WorkRework | Stage::Shipped
    )
}

/// What the event that opens a gap tells of it; the order has moved on with it already.
fn opened(row: &OrderRow, cause: Cause, event: &Event) -> Open {
    let expected_at = match (cause, &event.data) {
        // No event tells until when a dispatch waits; the engine gives it up at that moment.
        (Cause::NoAcceptance, _) => None,
        (Cause::LeaseExpired, _) => row.lease_until,
        (_, EventData::DeadlineMissed { due, .. }) => Some(*due),
        _ => event.after.due,
    };
    let lost_by = match &event.data {
        EventData::PricingFailed { worker, .. } => Some(worker.clone()),
        EventData::PricingExpired { worker, .. } => worker.clone(),
        _ => None,
    };
    Open { cause, version: event.version, at: event.time, expected_at: expected_at.unwrap_or(event.time), lost_by }
}
