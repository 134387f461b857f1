//! Capacity, order of commits, draining, wrong settings.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use atelier_schemas::Command;
use uuid::Uuid;

use super::super::metrics::Ended;
use super::house::{Asked, House, LIMIT, gated, wait_for};
use super::{Error, WorkerConfig};

#[tokio::test(flavor = "multi_thread")]
async fn at_capacity_the_intake_pauses_and_keeps_polling() {
    let mut house = House::new();
    let worker = house.start(House::config());
    house.ask_ring(1).await;
    let second = house.ask_ring(2).await;
    let accept = house.expect("AcceptPricing");
    wait_for("the pause", || house.seen.has(Asked::Pause(true)));
    house.seen.turns(5);
    house.no_more_commands();
    assert_eq!(worker.running(), 1);
    house.accept(&accept).await;
    let complete = house.expect("CompletePricing");
    assert!(!house.seen.has(Asked::Pause(false)), "one slot, and it is taken until the last answer");
    house.accept(&complete).await;
    let next = house.expect("AcceptPricing");
    assert_eq!(next.order_id, second.order_id);
    assert!(house.seen.has(Asked::Pause(false)));
    house.refuse(&next, "not_allowed").await;
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_read_ahead_and_worked_off_without_a_pause() {
    let mut house = House::new();
    let worker = house.start(WorkerConfig { backlog: 8, ..House::config() });
    for order in 1..=4 {
        house.ask_ring(order).await;
    }
    for _ in 1..=4 {
        let accept = house.expect("AcceptPricing");
        house.refuse(&accept, "stale_attempt").await;
    }
    wait_for("the commit", || house.seen.commits().last() == Some(&(0, 4)));
    assert!(!house.seen.has(Asked::Pause(true)), "there was room for all of them");
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_in_order() {
    let mut house = House::new();
    let config = WorkerConfig { capacity: 3, ..House::config() };
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    for order in 1..=3 {
        house.ask_ring(order).await;
    }
    let mut claims: Vec<_> = (0..3).map(|_| house.expect("AcceptPricing")).collect();
    claims.sort_by_key(|claim| claim.order_id);
    for skipped in [2, 1] {
        house.refuse(&claims[skipped], "stale_attempt").await;
    }
    wait_for("two decided claims", || metrics.jobs_ended(Ended::Skipped) == 2);
    house.seen.turns(3);
    assert_eq!(house.seen.commits(), [], "the first claim is not decided");
    house.refuse(&claims[0], "stale_attempt").await;
    wait_for("the commit", || house.seen.commits() == [(0, 3)]);
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_finishes_what_runs_and_takes_no_more() {
    let mut house = House::new();
    let (measuring, gate) = gated();
    let worker = house.start_measuring(WorkerConfig { capacity: 2, ..House::config() }, measuring);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    gate.began.recv().expect("measuring");
    let draining = tokio::spawn(worker.drain());
    wait_for("the worker to leave its group", || house.seen.has(Asked::Leave));
    assert_eq!(house.seen.commits(), [(0, 1)], "what was granted is committed before leaving");
    house.ask_ring(2).await;
    assert!(!draining.is_finished());
    gate.open.send(()).expect("measuring");
    let complete = house.expect("CompletePricing");
    house.accept(&complete).await;
    draining.await.expect("drained");
    house.no_more_commands();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_leaves_an_unanswered_claim_to_others() {
    let mut house = House::new();
    let config = WorkerConfig { command_wait: Duration::from_millis(10), ..House::config() };
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    let job = house.ask_ring(1).await;
    let claim = house.expect("AcceptPricing");
    worker.drain().await;
    assert_eq!(house.seen.commits(), []);
    assert_eq!(metrics.jobs_ended(Ended::Unanswered), 1);
    let other = house.start(WorkerConfig { name: "w2".into(), ..House::config() });
    let again = loop {
        let command = house.expect("AcceptPricing");
        if command.command_id != claim.command_id {
            break command;
        }
    };
    assert_eq!((again.order_id, again.actor.name.as_str()), (job.order_id, "w2"));
    house.refuse(&again, "not_allowed").await;
    other.drain().await;
    assert_eq!(house.seen.commits(), [(0, 1)]);
}

/// The next command about this order of this type; what is sent again meanwhile is passed over.
fn about(house: &mut House, order: Uuid, type_name: &str) -> Command {
    loop {
        let command = house.next();
        if command.order_id == order && command.type_name == type_name {
            return command;
        }
    }
}

/// Accepts the command each time it is sent, as an engine does, until `done`, which may need no other command.
async fn accept_until(house: &mut House, order: Uuid, type_name: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < until, "waited in vain after {type_name} of {order}");
        let Some(command) = house.look() else { continue };
        if command.order_id == order && command.type_name == type_name {
            house.accept(&command).await;
        }
    }
}

/// A partition without an engine answers nobody. Its jobs must not stop those of the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_answers_lets_its_slot_go_and_takes_one_again_to_measure() {
    let mut house = House::new();
    let (measuring, gate) = gated();
    let config = WorkerConfig { backlog: 4, command_wait: Duration::from_millis(500), ..House::config() };
    let metrics = config.metrics.clone();
    let worker = house.start_measuring(config, measuring);
    let (silent, other) = (house.ask_ring(1).await.order_id, house.ask_ring(2).await.order_id);
    about(&mut house, silent, "AcceptPricing");
    accept_until(&mut house, other, "AcceptPricing", || gate.began.try_recv().is_ok()).await;

    // Its engine is back, and the only slot is taken.
    accept_until(&mut house, silent, "AcceptPricing", || metrics.running.get() == 2).await;
    house.seen.turns(10);
    assert!(gate.began.try_recv().is_err(), "never more than the capacity measure at a time");
    gate.open.send(()).expect("measuring");
    accept_until(&mut house, other, "CompletePricing", || gate.began.try_recv().is_ok()).await;

    // A result that nobody takes holds no slot either.
    gate.open.send(()).expect("measuring");
    about(&mut house, silent, "CompletePricing");
    let third = house.ask_ring(3).await.order_id;
    accept_until(&mut house, third, "AcceptPricing", || gate.began.try_recv().is_ok()).await;
    gate.open.send(()).expect("measuring");
    let draining = tokio::spawn(worker.drain());
    accept_until(&mut house, third, "CompletePricing", || metrics.jobs_ended(Ended::Priced) == 2).await;
    assert!(!draining.is_finished(), "there is a result to bring home");
    accept_until(&mut house, silent, "CompletePricing", || draining.is_finished()).await;
    draining.await.expect("drained");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_without_a_slot_are_limited_too() {
    let mut house = House::new();
    let config = WorkerConfig { backlog: 2, command_wait: Duration::from_millis(20), ..House::config() };
    let worker = house.start(config);
    for order in 1..=8 {
        house.ask_ring(order).await;
    }
    wait_for("the pause", || house.seen.has(Asked::Pause(true)));
    let mut asked = BTreeSet::new();
    // Each is asked again and again; by then a fourth would have been.
    for _ in 0..12 {
        asked.insert(house.expect("AcceptPricing").order_id);
    }
    assert_eq!(asked.len(), 3, "one slot, and two that wait without");
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pretended_delay_shows_progress() {
    let mut house = House::new();
    let slowdown = Some(Duration::from_secs(3));
    let worker = house.start(WorkerConfig { heartbeat: Duration::from_millis(5), slowdown, ..House::config() });
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    let mut seen = std::collections::BTreeSet::new();
    let last = loop {
        let beat = house.expect("HeartbeatPricing");
        let atelier_schemas::CommandData::HeartbeatPricing { progress_percent, .. } = beat.data else { panic!("{beat:?}") };
        assert!((0..=100).contains(&progress_percent) && seen.last().is_none_or(|last| *last <= progress_percent), "{seen:?}");
        seen.insert(progress_percent);
        if seen.len() == 3 {
            break beat;
        }
        house.accept(&beat).await;
    };
    house.refuse(&last, "stale_attempt").await;
    worker.drain().await;
    house.no_more_commands();
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let house = House::new();
    let config = House::config;
    for (wrong, named) in [
        (WorkerConfig { name: String::new(), ..config() }, "name"),
        (WorkerConfig { capacity: 0, ..config() }, "capacity"),
        (WorkerConfig { capacity: 1000, ..config() }, "capacity"),
        (WorkerConfig { heartbeat: Duration::ZERO, ..config() }, "heartbeat"),
        (WorkerConfig { command_wait: Duration::ZERO, ..config() }, "command_wait"),
    ] {
        let client = atelier_log::client::Client::start(std::sync::Arc::new(house.log.clone())).expect("client");
        let book = std::sync::Arc::new(crate::PriceBook::builtin());
        let started = super::Worker::start(wrong, client, house.blobs.clone(), book, std::sync::Arc::new(|| 0));
        assert!(matches!(started.err(), Some(Error::Config { field, .. }) if field == named), "{named}");
    }
}
