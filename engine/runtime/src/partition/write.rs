//! Decided events, on their way into the transaction.

use atelier_domain::{self as domain, Order, TimeMs, due, remember};
use atelier_log::{NewRecord, Partition, Transaction};
use atelier_schemas::{Actor, AfterOf, EventOf, Framed, PricingJob, Replayed, Topic, Word};
use uuid::Uuid;

use super::{PartitionState, advance};
use crate::translate::{self, to_wire};

/// Who and what an event is due to.
pub(super) struct Cause {
    pub(super) actor: Actor,
    pub(super) command: Option<(Uuid, i64)>,
    pub(super) correlation_id: Uuid,
    pub(super) traceparent: Option<String>,
    pub(super) replayed: Option<Replayed>,
}

/// Evolves the order by the events and adds their records, and the pricing jobs they ask for.
pub(super) fn write_events(
    state: &PartitionState,
    transaction: &mut Transaction,
    (id, key): (Uuid, &str),
    mut order: Option<Box<Order>>,
    events: Vec<domain::Event>,
    mut cause: Cause,
    now: TimeMs,
) -> Option<Box<Order>> {
    let mut left = events.len();
    for event in events {
        left -= 1;
        advance(&mut order, &event, now);
        let Some(current) = order.as_mut() else { continue };
        if let Some((command_id, digest)) = cause.command {
            remember(current, command_id.as_u128(), digest, &event);
        }
        let job = pricing_job(id, current, &event, &cause, now);
        let data = to_wire(event);
        let published: EventOf<Word> = EventOf {
            event_id: event_id(&id, current.version),
            order_id: id,
            version: current.version as i64,
            type_name: data.type_name().into(),
            time: now,
            actor: if left == 0 { std::mem::take(&mut cause.actor) } else { cause.actor.clone() },
            command_id: cause.command.map(|(id, _)| id),
            command_digest: cause.command.map(|(_, digest)| digest),
            correlation_id: cause.correlation_id,
            traceparent: cause.traceparent.clone(),
            after: AfterOf {
                status: current.status().as_str().into(),
                stage: current.stage.as_str().into(),
                held: current.held.is_some(),
                attention: current.attention.iter().map(|attention| attention.as_str().into()).collect(),
                due: due(current, &state.settings.policy),
            },
            data,
            replayed: cause.replayed.clone(),
        };
        let record = NewRecord {
            key: key.to_owned(),
            kind: published.data.type_name(),
            traceparent: cause.traceparent.clone(),
            payload: published.encode(),
        };
        transaction.records.push((Topic::Events, state.settings.partition, record));
        if let Some(job) = job {
            let record =
                NewRecord { key: key.to_owned(), kind: "PricingJob", traceparent: cause.traceparent.clone(), payload: job.encode() };
            transaction.records.push((Topic::PricingJobs, job_partition(state, job.attempt), record));
        }
    }
    order
}

/// Each attempt goes to another partition, so that a stuck worker does not meet its order again.
fn job_partition(state: &PartitionState, attempt: i32) -> Partition {
    state.settings.partition.wrapping_add(attempt.unsigned_abs().wrapping_sub(1)) % state.settings.partitions
}

fn pricing_job(id: Uuid, order: &Order, event: &domain::Event, cause: &Cause, now: TimeMs) -> Option<PricingJob> {
    let domain::Event::PricingRequested { attempt, .. } = event else { return None };
    Some(PricingJob {
        order_id: id,
        attempt: i32::try_from(*attempt).unwrap_or(i32::MAX),
        model: translate::model(order.model.clone()?),
        item: translate::item(order.item.clone()),
        requested_at: now,
        correlation_id: cause.correlation_id,
        traceparent: cause.traceparent.clone(),
    })
}

fn event_id(order_id: &Uuid, version: u64) -> Uuid {
    Uuid::new_v5(order_id, &version.to_be_bytes())
}
