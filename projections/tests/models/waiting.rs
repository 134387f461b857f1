//! Read your writes.

use std::pin::pin;
use std::time::Duration;

use atelier_log::memory::Memory;
use atelier_projections::{Error, Store};
use uuid::Uuid;

use crate::bed::{Bed, PATIENCE, run, settle};
use crate::script::{Order, append, append_all, to_the_works};

/// Waits for a version that is appended only once the wait has gone on for a while.
async fn waits(reader: &Store, log: &Memory, number: u32) {
    let mut order = Order::new(number);
    let life = to_the_works(number, &mut order);
    let queries = reader.queries();
    for (version, event) in (1..).zip(&life[..4]) {
        let mut waiting = pin!(queries.order_at(order.id, version, PATIENCE));
        let early = tokio::time::timeout(Duration::from_millis(70), &mut waiting).await;
        assert!(early.is_err(), "version {version} was answered before it was there: {early:?}");
        append(log, event).await;
        assert_eq!(waiting.await.unwrap().unwrap().version, version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_its_version() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        let store = bed.store().await;
        let runner = run(&store, &log);
        waits(&store, &log, 1).await;
        // Of a process without a runner.
        let elsewhere = bed.store().await;
        waits(&elsewhere, &log, 2).await;
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_come_is_said_to_be_behind() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        let store = bed.store().await;
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        append_all(&log, &to_the_works(1, &mut order)).await;
        settle(&runner, &log).await;
        let queries = store.queries();
        let late = queries.order_at(order.id, 13, Duration::from_millis(30)).await;
        assert!(matches!(late, Err(Error::Behind { wanted: 13, have: 12 })), "{late:?}");
        let nobody = queries.order_at(Uuid::nil(), 1, Duration::from_millis(30)).await;
        assert!(matches!(nobody, Err(Error::Behind { wanted: 1, have: 0 })), "{nobody:?}");
        assert_eq!(queries.order_at(Uuid::nil(), 0, PATIENCE).await.unwrap(), None);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_announced_here_and_elsewhere() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        let (store, elsewhere) = (bed.store().await, bed.store().await);
        let mut far = elsewhere.queries().changes();
        let runner = run(&store, &log);
        let mut near = store.queries().changes();
        for number in 1..4 {
            near.mark_unchanged();
            far.mark_unchanged();
            append_all(&log, &to_the_works(number, &mut Order::new(number))).await;
            tokio::time::timeout(PATIENCE, near.changed()).await.expect("announced here").unwrap();
            tokio::time::timeout(PATIENCE, far.changed()).await.expect("announced elsewhere").unwrap();
            settle(&runner, &log).await;
        }
        runner.drain().await;
    }
}
