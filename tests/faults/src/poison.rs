//! Records that are not what belongs into their topic.

use atelier_log::NewRecord;
use atelier_schemas::{Actor, After, Command, CommandData, Event, EventData, Framed, Item, Model, PricingJob, Topic};
use fastrand::Rng;
use uuid::Uuid;

use crate::house::House;
use crate::{Outcome, text};

/// Where the datum of a framed record begins; the eight bytes before are the schema's fingerprint.
const DATUM: usize = 10;
const LONGEST_GARBAGE_BYTES: usize = 200;
/// What the audit calls them.
pub(crate) const UNREADABLE_JOB: &str = "unreadable_job";
pub(crate) const UNREADABLE_EVENT: &str = "unreadable_event";
const TIME_MS: i64 = 1_790_000_000_000;

/// Commands that nobody can read, that lie where they do not belong, and one that is as long as a record may be.
pub(crate) fn commands(house: &House, rng: &mut Rng) -> Outcome<()> {
    let id = Uuid::from_u128(rng.u128(..));
    let order = id.to_string();
    let good = command(rng, id, CommandData::SubmitOrder {}).encode();
    let mut large = command(rng, id, CommandData::CancelOrder { reason: String::new() });
    let room = house.log.max_payload_bytes() - large.encode().len() - 8;
    large.data = CommandData::CancelOrder { reason: "x".repeat(room) };
    let partitions = house.log.partitions();
    let (home, elsewhere) = (atelier_schemas::partition_of(&id, partitions), rng.u32(1..partitions));
    let mut records: Vec<(u32, String, Vec<u8>)> =
        broken(&good, rng).into_iter().map(|payload| (rng.u32(0..partitions), order.clone(), payload)).collect();
    records.push((home, Uuid::from_u128(rng.u128(..)).to_string(), good.clone()));
    records.push((home, "no order at all".into(), good.clone()));
    records.push(((home + elsewhere) % partitions, order.clone(), good));
    records.push((home, order, large.encode()));
    rng.shuffle(&mut records);
    records.into_iter().try_for_each(|(partition, key, payload)| append(house, Topic::Commands, partition, key, payload))
}

/// A record that the audit has to name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Poisoned {
    /// Its key, which no other record has.
    pub(crate) key: String,
    /// As what the audit names it.
    pub(crate) kind: &'static str,
}

/// Events that nobody can read: under keys that are no orders, and of orders that do not exist. One of an order that
/// does would stop it, which is what a foreign record has to do there.
pub(crate) fn events(house: &House, number: u32, rng: &mut Rng) -> Outcome<Vec<Poisoned>> {
    let id = Uuid::from_u128(rng.u128(..));
    let good = Event {
        event_id: Uuid::from_u128(rng.u128(..)),
        order_id: id,
        version: 1,
        type_name: "OrderSubmitted".into(),
        time: TIME_MS,
        actor: Actor { role: "customer".into(), name: "shop".into() },
        command_id: None,
        command_digest: None,
        correlation_id: id,
        traceparent: None,
        after: After { status: "SUBMITTED".into(), stage: "pricing_requested".into(), held: false, attention: Vec::new(), due: None },
        data: EventData::OrderSubmitted {},
        replayed: None,
    };
    let payloads = broken(&good.encode(), rng).into_iter().zip(0_u32..);
    let mut poisoned = Vec::new();
    for (payload, index) in payloads {
        let key = if index % 2 == 0 { format!("poison-event-{number}-{index}") } else { Uuid::from_u128(rng.u128(..)).to_string() };
        append(house, Topic::Events, rng.u32(0..house.log.partitions()), key.clone(), payload)?;
        poisoned.push(Poisoned { key, kind: UNREADABLE_EVENT });
    }
    Ok(poisoned)
}

/// Jobs that nobody can read.
pub(crate) fn jobs(house: &House, number: u32, rng: &mut Rng) -> Outcome<Vec<Poisoned>> {
    let good = PricingJob {
        order_id: Uuid::from_u128(rng.u128(..)),
        attempt: 1,
        model: Model { sha256: "0".repeat(64), format: "stl".into(), size_bytes: 1 },
        item: Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() },
        requested_at: TIME_MS,
        correlation_id: Uuid::from_u128(rng.u128(..)),
        traceparent: None,
    };
    let mut payloads = broken(&good.encode(), rng);
    payloads.push((0..house.log.max_payload_bytes()).map(|_| rng.u8(..)).collect());
    let mut poisoned = Vec::new();
    for (payload, index) in payloads.into_iter().zip(0_u32..) {
        let key = format!("poison-{number}-{index}");
        append(house, Topic::PricingJobs, rng.u32(0..house.log.partitions()), key.clone(), payload)?;
        poisoned.push(Poisoned { key, kind: UNREADABLE_JOB });
    }
    Ok(poisoned)
}

/// Garbage, nothing at all, a good record cut off, and one under a schema that nobody knows.
fn broken(good: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let garbage = (0..rng.usize(1..LONGEST_GARBAGE_BYTES)).map(|_| rng.u8(..)).collect();
    let cut = good[..rng.usize(1..good.len() - 1)].to_vec();
    let mut foreign = good.to_vec();
    foreign[2..DATUM].iter_mut().for_each(|byte| *byte ^= 0x5a);
    vec![garbage, Vec::new(), cut, foreign]
}

fn command(rng: &mut Rng, order: Uuid, data: CommandData) -> Command {
    let actor = Actor { role: "customer".into(), name: "shop".into() };
    Command::new(Uuid::from_u128(rng.u128(..)), order, TIME_MS, actor, data)
}

fn append(house: &House, topic: Topic, partition: u32, key: String, payload: Vec<u8>) -> Outcome<()> {
    let record = NewRecord { key, kind: "Poison", traceparent: None, payload };
    house.runtime.block_on(house.log.append(topic, partition, record)).map(drop).map_err(text)
}
