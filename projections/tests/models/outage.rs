//! The store dies and comes back.

use std::sync::Arc;

use atelier_log::memory::Memory;
use atelier_projections::{Error, Metrics, Model, Runner};
use atelier_support::Postgres;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::bed::{Bed, PATIENCE, run, run_through, settle, until};
use crate::script::{append_all, id, many};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_loses_nothing() {
    let server = Postgres::start();
    let bed = Bed::postgres_on(&server);
    let log = Memory::new(4);
    let events = many(150);
    let third = events.len() / 3;
    let store = bed.store().await;
    let runner = run(&store, &log);
    append_all(&log, &events[..third]).await;
    settle(&runner, &log).await;
    // These are on their way while the server dies, and those come while it is dead.
    append_all(&log, &events[third..2 * third]).await;
    server.kill();
    append_all(&log, &events[2 * third..]).await;
    let asked = store.queries().order(id(0)).await;
    assert!(matches!(asked, Err(Error::Unavailable(_))), "{asked:?}");
    assert!(store.ping().await.is_err());
    server.restart();
    settle(&runner, &log).await;
    // A connection used just before the server died may fail one call.
    until("the store is back", || async { store.ping().await.is_ok() }).await;
    let reference = Bed::sqlite();
    run_through(&reference.store().await, &log).await;
    let wanted = reference.dump().await;
    until("everything is there", || async { bed.dump().await == wanted }).await;
    runner.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_can_be_stopped_while_the_database_is_dead() {
    let server = Postgres::start();
    let bed = Bed::postgres_on(&server);
    let log = Memory::new(1);
    let store = bed.store().await;
    let runner = run(&store, &log);
    settle(&runner, &log).await;
    server.kill();
    append_all(&log, &many(3)).await;
    tokio::time::timeout(PATIENCE, runner.drain()).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_told_and_unknown_is_not_zero() {
    let bed = Bed::sqlite();
    let log = Memory::new(2);
    append_all(&log, &many(10)).await;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let text = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let store = bed.store().await;
    let runner = Runner::start(store.clone(), Arc::new(log.clone()), Model::ALL, metrics.clone());
    settle(&runner, &log).await;
    until("the lag is known", || async { text().contains("projection_lag_records{model=\"crm\"} 0\n") }).await;
    assert!(text().contains("projection_lag_unknown{model=\"crm\"} 0\n"), "{}", text());
    assert!(text().contains("projection_last_applied_timestamp_seconds{model=\"shop\"} 1"), "{}", text());
    runner.drain().await;
    // A store that has seen more than there is belongs to another log: the old figure must not stay.
    let runner = Runner::start(store, Arc::new(Memory::new(2)), Model::ALL, metrics);
    until("the lag is unknown", || async { text().contains("projection_lag_unknown{model=\"crm\"} 1\n") }).await;
    assert!(!text().contains("projection_lag_records{model=\"crm\"}"), "{}", text());
    tokio::time::timeout(PATIENCE, runner.drain()).await.expect("it stops");
}
