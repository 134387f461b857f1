//! The commands of the benchmarks: whole lives of orders, in waves, and what an engine writes for them.

use std::ops::Range;

use atelier_domain::Policy;
use atelier_log::client::record_of;
use atelier_log::{CommandRecord, NewRecord, Partition};
use atelier_runtime::{PartitionState, Settings};
use atelier_schemas::{Actor, Command, CommandData, Customer, Item, Model, Money, partition_of};
use uuid::Uuid;

use crate::harness::Outcome;

/// Commands of one life; the last one ends the order.
pub(crate) const STEPS: usize = 13;
/// Events of one life: submitting and delivering make two each.
pub(crate) const EVENTS: usize = 15;
/// Orders whose commands are interleaved in a partition.
pub(crate) const WAVE: usize = 1000;
/// The log takes no longer payload.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1_000_000;

/// An id as random as a real one, the same for the same number.
pub(crate) fn id(number: u64, salt: u64) -> Uuid {
    let mix = |mut state: u64| {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    };
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
    Uuid::from_u64_pair(mix(seed), mix(seed ^ 0x5851_f42d_4c95_7f2d))
}

/// Ids of orders that lie in `partition`.
pub(crate) fn orders_of(partition: Partition, partitions: u32, salt: u64) -> impl Iterator<Item = Uuid> {
    (0..).map(move |number| id(number, salt)).filter(move |id| partition_of(id, partitions) == partition)
}

/// Command `step` of the order's life.
pub(crate) fn command(order: Uuid, step: usize) -> Command {
    let reason = || "as agreed with the customer".to_owned();
    let parcel = || ("dhl".to_owned(), format!("00340434{:012}", order.as_u64_pair().1 % 1_000_000_000_000));
    let (role, data) = match step {
        0 => ("customer", created()),
        1 => {
            let sha256 = format!("{0:032x}{0:032x}", order.as_u128());
            ("customer", CommandData::AttachModel { model: Model { sha256, format: "stl".into(), size_bytes: 684_284 } })
        }
        2 => ("customer", CommandData::SubmitOrder {}),
        3 => ("seller", CommandData::QuoteOrder { price: Money { minor: 12_340, currency: "EUR".into() }, reason: reason() }),
        4 => ("seller", CommandData::HoldOrder { reason: reason() }),
        5 => ("seller", CommandData::ResumeOrder { reason: reason() }),
        6 => ("seller", CommandData::ApproveOrder { reason: None }),
        7 => ("operator", CommandData::ClaimWork {}),
        8 => ("operator", CommandData::StartWork {}),
        9 => ("operator", CommandData::CompleteWork {}),
        10 => ("operator", CommandData::PackOrder {}),
        11 => {
            let (carrier, tracking) = parcel();
            ("operator", CommandData::ShipOrder { carrier, tracking })
        }
        _ => {
            let (carrier, tracking) = parcel();
            ("carrier", CommandData::DeliverOrder { carrier, tracking, delivered_at: 1_790_000_000_000 })
        }
    };
    let actor = Actor { role: role.into(), name: format!("{role}-7") };
    let (high, low) = order.as_u64_pair();
    Command::new(id(high ^ low, 1 + step as u64), order, 1_790_000_000_000, actor, data)
}

fn created() -> CommandData {
    CommandData::CreateOrder {
        channel: "shop".into(),
        client: "shop".into(),
        reference: None,
        customer: Some(Customer { name: "Jane Roe".into(), email: "jane.roe@example.org".into() }),
        item: Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() },
    }
}

/// The commands of one partition: waves of orders, each wave step by step.
pub(crate) fn wave(orders: &[Uuid], steps: Range<usize>) -> impl Iterator<Item = Command> {
    steps.flat_map(move |step| orders.iter().map(move |order| command(*order, step)))
}

/// A command as the log would hand it out.
pub(crate) fn as_read(command: &Command, partition: Partition, offset: u64) -> CommandRecord {
    let NewRecord { key, payload, .. } = record_of(command);
    CommandRecord { partition, offset, key, payload }
}

/// An empty partition with the policy of all benchmarks.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn state(partition: Partition, partitions: u32, folder: &std::path::Path) -> Outcome<PartitionState> {
    Ok(PartitionState::new(settings(partition, partitions, folder), 0)?)
}

/// See [`state`].
pub(crate) fn settings(partition: Partition, partitions: u32, folder: &std::path::Path) -> Settings {
    Settings {
        partition,
        partitions,
        policy: Policy::default().into(),
        max_payload_bytes: MAX_PAYLOAD_BYTES,
        index_folder: folder.to_owned(),
    }
}
