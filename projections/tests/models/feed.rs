//! The partners' feed: every change once, in its order's order, whatever partition it was committed to and when.

use std::collections::HashMap;
use std::time::Duration;

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::feed::{Given, Seen};
use atelier_projections::{FeedCursor, FeedEntry, Queries};
use atelier_schemas::{EventData, Item};
use uuid::Uuid;

use crate::bed::{Bed, run, settle};
use crate::script::{Order, append, append_all, append_raw, created, id, many, to_the_works};

const NOW: Duration = Duration::ZERO;

/// Everything from `cursor` on, in pages of `limit`.
async fn all(queries: &Queries, partner: &str, cursor: &mut FeedCursor, limit: usize) -> Vec<FeedEntry> {
    let mut entries = Vec::new();
    loop {
        let (page, next) = queries.feed(partner, cursor, limit, NOW).await.unwrap();
        // As it goes over the wire.
        *cursor = FeedCursor::decode(&next.encode()).unwrap();
        if page.is_empty() {
            return entries;
        }
        assert!(page.len() <= limit);
        entries.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_comes_once_and_in_its_orders_order() {
    let events = many(60);
    // What the pure rule says, event by event.
    let mut orders: HashMap<Uuid, Option<Seen>> = HashMap::new();
    let mut wanted: HashMap<Uuid, Vec<(Uuid, i64, i64, i64)>> = HashMap::new();
    for event in &events {
        let order = orders.entry(event.order_id).or_default();
        if order.is_none() {
            *order = Seen::created(event);
        }
        let Some(shown) = order.as_mut().and_then(|order| order.follow(event)) else { continue };
        if shown.order.partner == "partner-0" {
            let entry = (shown.event_id, shown.order.version, shown.previous_version, shown.order.sequence);
            wanted.entry(event.order_id).or_default().push(entry);
        }
    }
    assert!(wanted.len() > 5);
    for bed in Bed::both() {
        let log = Memory::new(3);
        append_all(&log, &events).await;
        let store = bed.store().await;
        let runner = run(&store, &log);
        settle(&runner, &log).await;
        for limit in [1, 7, 500] {
            let entries = all(&store.queries(), "partner-0", &mut FeedCursor::default(), limit).await;
            let mut found: HashMap<Uuid, Vec<(Uuid, i64, i64, i64)>> = HashMap::new();
            for entry in entries {
                let entry_of = (entry.event_id, entry.version, entry.previous_version, entry.sequence);
                found.entry(entry.order_id).or_default().push(entry_of);
            }
            assert_eq!(found, wanted, "{} in pages of {limit}", bed.name);
        }
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_late_in_another_partition_is_not_skipped() {
    let log = Memory::new(2);
    let of = |partition| (0..).map(|number| 6 * number).filter(move |number| atelier_schemas::partition_of(&id(*number), 2) == partition);
    let (early, late) = (of(0).next().expect("one"), of(1).next().expect("one"));
    let bed = Bed::sqlite();
    let store = bed.store().await;
    let runner = run(&store, &log);
    let mut cursor = FeedCursor::default();
    let mut first = Order::new(early);
    append_all(&log, &to_the_works(early, &mut first)).await;
    settle(&runner, &log).await;
    assert!(!all(&store.queries(), "partner-0", &mut cursor, 100).await.is_empty());
    // Older by its time, and later in the log.
    let mut second = Order::new(late);
    second.time = first.time - 1_000_000;
    append(&log, &second.then(Stage::Draft, created(late))).await;
    settle(&runner, &log).await;
    let entries = all(&store.queries(), "partner-0", &mut cursor, 100).await;
    assert_eq!(entries.iter().map(|entry| (entry.order_id, entry.event_type.as_str())).collect::<Vec<_>>(), [(id(late), "order.created")]);
    runner.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_is_told_when_something_comes() {
    let bed = Bed::sqlite();
    let log = Memory::new(1);
    let store = bed.store().await;
    let runner = run(&store, &log);
    let waiting = tokio::spawn({
        let queries = store.queries();
        async move { queries.feed("partner-0", &FeedCursor::default(), 10, Duration::from_secs(600)).await.unwrap().0 }
    });
    append(&log, &Order::new(0).then(Stage::Draft, created(0))).await;
    let entries = tokio::time::timeout(Duration::from_secs(300), waiting).await.expect("told long before the wait ends").unwrap();
    assert_eq!(entries.len(), 1);
    runner.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_not_shown_and_an_amendment_is() {
    let bed = Bed::sqlite();
    let log = Memory::new(1);
    let store = bed.store().await;
    let runner = run(&store, &log);
    let mut order = Order::new(0);
    append_all(&log, &to_the_works(0, &mut order)[..7]).await;
    let before = order.version;
    order.version = 7;
    let item = Item { material: "gold-585".into(), quantity: 1, finish: "matte".into() };
    let mut life = vec![
        order.then(
            Stage::PricingRunning,
            EventData::PricingProgressed { attempt: 1, worker: "w".into(), progress_percent: 5, lease_until: 9 },
        ),
        order.then(Stage::PricingRunning, EventData::OrderAmended { item: Some(item.clone()), model: None }),
    ];
    life.push(order.then(Stage::PricingRequested, EventData::PricingRequested { attempt: 2, cause: "amended".into() }));
    assert!(before >= 7);
    append_all(&log, &life).await;
    settle(&runner, &log).await;
    let entries = all(&store.queries(), "partner-0", &mut FeedCursor::default(), 100).await;
    let types: Vec<&str> = entries.iter().map(|entry| entry.event_type.as_str()).collect();
    assert_eq!(types.last(), Some(&"order.amended"), "{types:?}");
    assert_eq!(types.iter().filter(|kind| **kind == "order.amended").count(), 1);
    // The order as read is the one the feed tells of.
    let read = store.queries().partner_order("partner-0", order.id).await.unwrap().expect("its order");
    assert_eq!((read.item.material, read.item.quantity, read.item.finish), (item.material, item.quantity.into(), item.finish));
    assert_eq!(Some(read.previous_version), entries.last().map(|entry| entry.previous_version));
    runner.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciliation_tells_what_differs_what_is_unknown_and_what_is_missing() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        for number in [0, 6, 12, 3] {
            append_all(&log, &to_the_works(number, &mut Order::new(number))).await;
        }
        settle(&runner, &log).await;
        let known = queries.known("partner-0", id(0)).await.unwrap().expect("an order");
        assert!(queries.known("partner-1", id(0)).await.unwrap().is_none(), "another's");
        let by_id = |number, version| Given { order_id: Some(id(number)), reference: None, version };
        let given = vec![
            by_id(0, known.seen_version),
            Given { order_id: None, reference: Some("Ref-0006".into()), version: 2 },
            by_id(3, 1),
            Given { order_id: None, reference: Some("nobody's".into()), version: 1 },
            by_id(0, known.version + 1),
        ];
        let found = queries.reconcile("partner-0", given.clone(), Some(0)).await.unwrap();
        assert_eq!(
            found.differing.iter().map(|differing| (differing.known.order_id, differing.given.version)).collect::<Vec<_>>(),
            [(id(6), 2), (id(0), known.version + 1)]
        );
        assert_eq!(found.unknown, [given[2].clone(), given[3].clone()], "another partner's order is no order");
        assert_eq!(found.missing.iter().map(|known| known.order_id).collect::<Vec<_>>(), [id(12)]);
        assert!(!found.missing_cut);
        assert_eq!(queries.open_orders("partner-0", 2).await.unwrap(), (2, 0), "{}: counted up to the limit", bed.name);
        assert_eq!(queries.open_orders("partner-0", 100).await.unwrap(), (3, 0));
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_back_is_told_to_readers_that_are_past_it() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(0);
        let life = to_the_works(0, &mut order);
        append_all(&log, &life[..3]).await;
        append_raw(&log, order.id, &order.id.to_string(), b"no frame".to_vec()).await;
        append_all(&log, &life[3..]).await;
        // Another order of the partner goes on, and the reader with it.
        append_all(&log, &to_the_works(6, &mut Order::new(6))).await;
        settle(&runner, &log).await;
        let mut cursor = FeedCursor::default();
        let before = all(&queries, "partner-0", &mut cursor, 5).await;
        assert!(before.iter().filter(|entry| entry.order_id == order.id).all(|entry| entry.version <= 3), "{}", bed.name);
        append(&log, &order.also(EventData::RecordsSkipped { offsets: vec![3], reason: "a broken disk".into() })).await;
        let mut later = Vec::new();
        let wanted = life.last().expect("a life").version;
        while later.last().is_none_or(|entry: &FeedEntry| entry.status != life[life.len() - 1].after.status) {
            let (page, next) = queries.feed("partner-0", &cursor, 5, Duration::from_secs(300)).await.unwrap();
            assert!(!page.is_empty(), "{}: nothing came back", bed.name);
            cursor = next;
            later.extend(page);
        }
        assert!(later.iter().all(|entry| entry.order_id == order.id && entry.version <= wanted + 1), "{later:?}");
        let told = before.iter().chain(&later).filter(|entry| entry.order_id == order.id);
        let sequences: Vec<i64> = told.map(|entry| entry.sequence).collect();
        assert_eq!(sequences, (1..).take(sequences.len()).collect::<Vec<_>>(), "{}: every change once", bed.name);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_beside_two_writers_misses_nothing() {
    for bed in Bed::both() {
        let log = Memory::new(4);
        let (one, other) = (bed.store().await, bed.store().await);
        let runners = [run(&one, &log), run(&other, &log)];
        let reading = tokio::spawn({
            let queries = one.queries();
            async move {
                let (mut cursor, mut ids) = (FeedCursor::default(), Vec::new());
                loop {
                    let (page, next) = queries.feed("partner-0", &cursor, 3, NOW).await.unwrap();
                    ids.extend(page.iter().map(|entry| entry.event_id));
                    // The last one says that there are no more.
                    if page.iter().any(|entry| entry.order_id == id(6000)) {
                        return (ids, next);
                    }
                    cursor = next;
                    tokio::task::yield_now().await;
                }
            }
        });
        for events in many(120).chunks(40) {
            append_all(&log, events).await;
            tokio::task::yield_now().await;
        }
        settle(&runners[0], &log).await;
        append(&log, &Order::new(6000).then(Stage::Draft, created(6000))).await;
        let (mut read, _) = tokio::time::timeout(Duration::from_secs(300), reading).await.expect("an end").unwrap();
        settle(&runners[0], &log).await;
        let mut written: Vec<Uuid> =
            all(&one.queries(), "partner-0", &mut FeedCursor::default(), 500).await.iter().map(|entry| entry.event_id).collect();
        read.sort_unstable();
        written.sort_unstable();
        assert!(written.len() > 50);
        assert_eq!(read, written, "{}", bed.name);
        for runner in runners {
            runner.drain().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_made_anew_tells_things_twice_rather_than_never() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        append_all(&log, &many(30)).await;
        let store = bed.store().await;
        crate::bed::run_through(&store, &log).await;
        let mut cursor = FeedCursor::default();
        let before = all(&store.queries(), "partner-0", &mut cursor, 7).await;
        bed.sql(
            "DELETE FROM feed_entries; DELETE FROM feed_orders; DELETE FROM feed_heads; UPDATE offsets SET next = 0 WHERE model = 'feed'",
        )
        .await;
        let store = bed.store().await;
        crate::bed::run_through(&store, &log).await;
        let mut again: Vec<Uuid> = all(&store.queries(), "partner-0", &mut cursor, 7).await.iter().map(|entry| entry.event_id).collect();
        let mut told: Vec<Uuid> = before.iter().map(|entry| entry.event_id).collect();
        again.sort_unstable();
        told.sort_unstable();
        assert_eq!(again, told, "{}", bed.name);
    }
}
