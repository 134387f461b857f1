//! The end of a run: the faults stop, everything is sent, time passes. What still does not move is stuck.

use std::collections::BTreeMap;

use atelier_domain::Stage;
use atelier_log::Log;
use atelier_runtime::{PartitionState, restore};
use atelier_schemas::CommandData;

use crate::engines::Engines;
use crate::failure::{Failure, hold};
use crate::pricing::Workers;
use crate::tables;
use crate::trace::Trace;
use crate::world::World;

const MOVES: &str = "everything moves once the faults stop";
/// Rounds until everything has settled; far more than any run has needed.
const ROUNDS: usize = 2_000;
/// Turns until the engines have done what there is. Each answers a batch, or writes a deadline of each order at most.
const TURNS: usize = 1_000;
/// Longer than any deadline of the policy.
const LONG_MS: i64 = 60 * 24 * 3_600_000;
/// A seller, for orders that somebody put on hold and forgot.
const SELLER: usize = 3;

/// Brings the run to its end and checks what can only be checked there.
pub(crate) fn close(world: &mut World<'_>, trace: &mut Trace) -> Result<(), Failure> {
    trace.line(world.now(), "faults", format_args!("stop"));
    world.log.heal();
    for partition in 0..world.log.partitions() {
        world.give_back(partition, trace);
    }
    if !world.engines.running() {
        world.engines.start(0, world.now(), trace);
    }
    settle(world, trace)?;
    resume_all(world, trace)?;
    world.pass(LONG_MS);
    trace.line(world.now(), "clock", format_args!("every deadline has passed"));
    settle(world, trace)?;
    every_command_is_answered(world)?;
    every_order_moves(world)?;
    restored_is_live(world)?;
    world.feeds.catch_up(world.bed)?;
    tables::check(&world.bed.database, &world.watch, &world.log)
}

/// Everybody goes on until nobody has anything to do, and no order waits for pricing.
fn settle(world: &mut World<'_>, trace: &mut Trace) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        while world.clients.waiting() {
            let now = world.now();
            world.clients.send(0, &world.log, now, &mut world.watch, trace);
        }
        engines(world, trace)?;
        let mut moved = false;
        for worker in 0..Workers::count() {
            let now = world.now();
            moved |= world.workers.step(worker, None, &world.log, now, &mut world.watch, trace);
            moved |= world.look(trace)?;
        }
        if moved {
            continue;
        }
        let pricing = |stage| matches!(stage, Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning);
        if !world.watch.ledger.orders.values().any(|entry| !entry.held && pricing(entry.stage)) {
            return Ok(());
        }
        // Somebody died with it: its deadline brings it on.
        let now = world.now();
        let next =
            (0..world.log.partitions()).flat_map(|partition| world.engines.partition(partition)).filter_map(PartitionState::next_due);
        let next = next.min().ok_or_else(|| Failure::new(MOVES, "an order waits for pricing without a deadline"))?;
        world.pass((next - now).max(1));
    }
    Err(Failure::new(MOVES, format!("not after {ROUNDS} rounds")))
}

fn engines(world: &mut World<'_>, trace: &mut Trace) -> Result<(), Failure> {
    let mut quiet = 0;
    for _ in 0..TURNS {
        for engine in 0..Engines::count() {
            let now = world.now();
            hold(MOVES, !world.engines.turn(engine, now, trace), || "the healed log refuses".into())?;
        }
        // Two turns may pass with changes of ownership only.
        quiet = if world.look(trace)? { 0 } else { quiet + 1 };
        if quiet == 3 {
            return Ok(());
        }
    }
    Err(Failure::new(MOVES, format!("engines are still at it after {TURNS} turns")))
}

/// What is on hold has no deadline: somebody has to go on with it.
fn resume_all(world: &mut World<'_>, trace: &mut Trace) -> Result<(), Failure> {
    for order in 0..world.clients.orders.len() {
        let held = world.watch.ledger.orders.get(&world.clients.orders[order]).is_some_and(|entry| entry.held);
        if held {
            let now = world.now();
            world.clients.tell(SELLER, order, CommandData::ResumeOrder { reason: "found at the end".into() }, now, &mut world.watch);
        }
    }
    settle(world, trace)
}

fn every_command_is_answered(world: &World<'_>) -> Result<(), Failure> {
    let watch = &world.watch;
    for (partition, (commands, answered)) in watch.commands.iter().zip(&watch.answered).enumerate() {
        hold("exactly one outcome per command", commands.len() == *answered, || {
            format!("partition {partition}: {} commands and {answered} outcomes", commands.len())
        })?;
    }
    for (partition, offset, id) in &watch.acknowledged {
        let heard = watch.commands[*partition as usize].get(*offset as usize).and_then(|heard| heard.command.as_ref());
        hold("nothing acknowledged is missing", heard.is_some_and(|command| command.command_id == *id), || {
            format!("command {id} was confirmed at {partition}/{offset} and is not there")
        })?;
    }
    Ok(())
}

fn every_order_moves(world: &World<'_>) -> Result<(), Failure> {
    for (id, entry) in &world.watch.ledger.orders {
        hold(MOVES, entry.ended() || !entry.after.attention.is_empty(), || {
            format!("order {id} stands at {} v{} and nobody is told", entry.stage, entry.version)
        })?;
    }
    Ok(())
}

/// A partition restored now, from all events and from its checkpoint, the one an engine has in memory, and the fold of the
/// events are one.
fn restored_is_live(world: &World<'_>) -> Result<(), Failure> {
    const SAME: &str = "a restored partition is the live one";
    const SAME_FROM: &str = "a checkpoint and the events after it are all events";
    let settings = world.engines.settings();
    let mut orders: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for (id, entry) in &world.watch.ledger.orders {
        orders.entry(atelier_schemas::partition_of(id, world.log.partitions())).or_default().push((id, entry));
    }
    for partition in 0..world.log.partitions() {
        let owners = world.engines.partition(partition);
        let [live] = owners.as_slice() else {
            return Err(Failure::new(MOVES, format!("partition {partition} has {} owners at the end", owners.len())));
        };
        let store = settings.checkpoints.as_ref().map(|checkpoints| checkpoints.store.as_ref());
        let again = |store| {
            let restored = restore(&world.log, settings.partition(&world.log, partition), store, || false);
            restored.map(|restored| restored.state).map_err(|error| Failure::new(SAME, error.to_string()))
        };
        let (restored, from_checkpoint) = (again(None)?, again(store)?);
        let of = |state: &PartitionState| (state.next_command(), state.next_due(), state.open_orders(), state.closed_orders());
        hold(SAME, of(&restored) == of(live), || format!("partition {partition}: {:?} and {:?}", of(&restored), of(live)))?;
        hold(SAME_FROM, of(&from_checkpoint) == of(live), || format!("partition {partition}: {:?}, {:?}", of(&from_checkpoint), of(live)))?;
        let due = live.next_due().filter(|due| *due <= world.now());
        hold("each due deadline is written", due.is_none(), || format!("partition {partition}: {due:?} has passed"))?;
        for (id, entry) in orders.remove(&partition).unwrap_or_default() {
            let order = |state: &PartitionState| state.order(id).map_err(|error| Failure::new(SAME, error.to_string()));
            let (restored, from_checkpoint, live) = (order(&restored)?, order(&from_checkpoint)?, order(live)?);
            hold(SAME, restored == live, || format!("order {id}: restored {restored:?}, live {live:?}"))?;
            hold(SAME_FROM, from_checkpoint == live, || format!("order {id}: restored {from_checkpoint:?}, live {live:?}"))?;
            let folded = restored.as_ref().is_some_and(|order| {
                let attention = order.attention.iter().map(|attention| attention.as_str());
                order.version as i64 == entry.version
                    && order.stage == entry.stage
                    && order.held.is_some() == entry.held
                    && order.holder.as_deref() == entry.operator.as_deref()
                    && order.price.as_ref().map(|price| price.minor) == entry.price_minor
                    && attention.eq(entry.after.attention.iter().map(String::as_str))
            });
            hold(SAME, folded, || {
                format!("order {id}: {restored:?}, by the fold v{} {} {:?}", entry.version, entry.stage, entry.operator)
            })?;
        }
    }
    Ok(())
}
