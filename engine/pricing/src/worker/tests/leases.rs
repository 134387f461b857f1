//! Heartbeats, lost leases, late results, former lives.

use std::time::Duration;

use atelier_schemas::CommandData;

use super::super::metrics::Ended;
use super::WorkerConfig;
use super::house::{House, gated, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_extend_until_the_work_is_done() {
    let mut house = House::new();
    let (measuring, gate) = gated();
    let worker = house.start_measuring(WorkerConfig { heartbeat: Duration::from_millis(5), ..House::config() }, measuring);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let beat = house.expect("HeartbeatPricing");
        assert!(matches!(&beat.data, CommandData::HeartbeatPricing { attempt: 1, worker, .. } if worker == "w1"));
        ids.push(beat.command_id);
        house.accept(&beat).await;
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each heartbeat is a command of its own");
    gate.open.send(()).expect("measuring");
    let complete = loop {
        let command = house.next();
        if command.type_name != "HeartbeatPricing" {
            break command;
        }
        house.accept(&command).await;
    };
    assert_eq!(complete.type_name, "CompletePricing");
    house.accept(&complete).await;
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_heartbeat_drops_the_job() {
    let mut house = House::new();
    let config = WorkerConfig { heartbeat: Duration::from_millis(5), ..House::config() };
    let metrics = config.metrics.clone();
    let (measuring, gate) = gated();
    let worker = house.start_measuring(config, measuring);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    gate.began.recv().expect("measuring");
    let beat = house.expect("HeartbeatPricing");
    house.refuse(&beat, "stale_attempt").await;
    wait_for("the job to be dropped", || metrics.jobs_ended(Ended::Abandoned) == 1);
    assert_eq!(worker.running(), 1, "the thread still works: its slot is not free");
    gate.open.send(()).expect("measuring");
    wait_for("the slot", || worker.running() == 0);
    worker.drain().await;
    house.no_more_commands();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_beats_before_it_works() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let (measuring, gate) = gated();
    let worker = house.start_measuring(config, measuring);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept_as(&accept, true).await;
    // The heartbeat's interval is an hour: this one is sent because the grant is an old answer.
    let beat = house.expect("HeartbeatPricing");
    house.refuse(&beat, "stale_attempt").await;
    wait_for("the job to be dropped", || metrics.jobs_ended(Ended::Abandoned) == 1);
    let _ = gate.open.send(());
    worker.drain().await;
    house.no_more_commands();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_counted() {
    let mut house = House::new();
    let config = House::config();
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    let complete = house.expect("CompletePricing");
    house.refuse(&complete, "stale_attempt").await;
    worker.drain().await;
    assert_eq!((metrics.jobs_ended(Ended::Late), metrics.jobs_ended(Ended::Priced)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_nobody_takes_is_left_to_its_lease() {
    let mut house = House::new();
    let patience = Duration::from_millis(50);
    let config = WorkerConfig { command_wait: Duration::from_millis(10), patience, ..House::config() };
    let metrics = config.metrics.clone();
    let worker = house.start(config);
    house.ask_ring(1).await;
    let accept = house.expect("AcceptPricing");
    house.accept(&accept).await;
    wait_for("the worker to give up", || metrics.jobs_ended(Ended::Unanswered) == 1);
    worker.drain().await;
}
