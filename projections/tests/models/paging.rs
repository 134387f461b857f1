//! Pages give everything once, while orders come, move and go.

use std::collections::HashSet;

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::{CrmFilter, Error, PartnerFilter, QueueFilter};
use atelier_schemas::EventData;
use uuid::Uuid;

use crate::bed::{Bed, run, settle};
use crate::script::{Order, append, append_all, id, to_the_works};

#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_the_queue_while_orders_move() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut orders: Vec<Order> = (0..60).map(Order::new).collect();
        for (number, order) in (0..).zip(&mut orders) {
            append_all(&log, &to_the_works(number, order)).await;
        }
        settle(&runner, &log).await;
        let mut seen = Vec::new();
        let mut filter = QueueFilter { limit: Some(7), ..QueueFilter::default() };
        for turn in 0u32.. {
            let page = queries.queue(&filter).await.unwrap();
            seen.extend(page.items.iter().map(|item| item.order_id));
            assert!(turn < 100, "the queue never ends");
            let Some(next) = page.next else { break };
            filter.cursor = Some(next);
            // One that was shown is cancelled, one is put on hold (and keeps its place), a new one arrives at the end.
            let (gone, held) = (turn as usize, 59 - turn as usize);
            let cancelled = orders[gone].then(Stage::Cancelled, EventData::OrderCancelled { reason: "r".into() });
            append(&log, &cancelled).await;
            append(&log, &orders[held].also(EventData::OrderHeld { reason: "r".into() })).await;
            append_all(&log, &to_the_works(1000 + turn, &mut Order::new(1000 + turn))).await;
            settle(&runner, &log).await;
        }
        let unique: HashSet<Uuid> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len(), "an order came twice");
        assert_eq!(seen[..60], (0..60).map(id).collect::<Vec<_>>(), "oldest due first");
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_the_sellers_list_whatever_happens() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        // Some created in the same moment: the id decides.
        let mut orders: Vec<Order> = (0..40).map(Order::new).collect();
        for (number, order) in (0..).zip(&mut orders) {
            order.time = crate::script::START_MS + i64::from(number / 10);
            append_all(&log, &to_the_works(number, order)[..8]).await;
        }
        settle(&runner, &log).await;
        let mut filter = CrmFilter { limit: Some(9), ..CrmFilter::default() };
        let (mut all, mut needy) = (Vec::new(), Vec::new());
        for turn in 0.. {
            let page = queries.crm_orders(&filter).await.unwrap();
            all.extend(page.items.iter().map(|order| (order.created_at.clone(), order.order_id)));
            let Some(next) = page.next else { break };
            filter.cursor = Some(next);
            for order in &mut orders[turn * 3..turn * 3 + 8] {
                let version = order.version;
                order.version = version.max(8);
                append(&log, &order.also(EventData::OrderApproved { reason: None })).await;
            }
            settle(&runner, &log).await;
        }
        filter.cursor = None;
        loop {
            let page = queries.attention(&filter, &[]).await.unwrap();
            needy.extend(page.items.iter().map(|order| order.order_id));
            let Some(next) = page.next else { break };
            filter.cursor = Some(next);
        }
        assert!(all.is_sorted_by(|one, other| one > other), "newest first");
        assert_eq!(all.iter().map(|(_, id)| *id).collect::<HashSet<_>>(), (0..40).map(id).collect());
        assert_eq!((needy.len(), needy.iter().collect::<HashSet<_>>().len()), (40, 40));
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_is_refused() {
    let bed = Bed::sqlite();
    let log = Memory::new(1);
    let store = bed.store().await;
    let queries = store.queries();
    let runner = run(&store, &log);
    for number in 0..3 {
        append_all(&log, &to_the_works(number, &mut Order::new(number))).await;
    }
    settle(&runner, &log).await;
    let page = queries.queue(&QueueFilter { limit: Some(1), ..QueueFilter::default() }).await.unwrap();
    let cursor = page.next;
    assert!(cursor.is_some());
    let crm = CrmFilter { cursor: cursor.clone(), ..CrmFilter::default() };
    assert!(matches!(queries.crm_orders(&crm).await, Err(Error::BadCursor)));
    assert!(matches!(queries.attention(&crm, &[]).await, Err(Error::BadCursor)));
    let partner = PartnerFilter { cursor, ..PartnerFilter::default() };
    assert!(matches!(queries.partner_orders("partner-0", &partner).await, Err(Error::BadCursor)));
    runner.drain().await;
}
