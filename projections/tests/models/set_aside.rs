//! Orders set aside by the read models: they are gaps, and listed to their end.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use atelier_domain::{Channel, Status};
use atelier_log::memory::Memory;
use atelier_projections::{Behind, Cause, Error, Found, GapFilter, Model, ParkedFilter};
use uuid::Uuid;

use crate::bed::{Bed, run_through};
use crate::ledger::paged;
use crate::script::{Order, append_all, append_raw, id, many, to_the_works};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_set_aside_is_a_gap_among_the_others() {
    for bed in Bed::both() {
        let clock = Arc::new(AtomicI64::new(crate::script::START_MS));
        let log = Memory::with_clock(1, clock);
        append_all(&log, &many(60)).await;
        let mut garbled = Order::new(901);
        append_all(&log, &to_the_works(901, &mut garbled)[..3]).await;
        append_raw(&log, garbled.id, &garbled.id.to_string(), b"no frame".to_vec()).await;
        append_raw(&log, garbled.id, "no order at all", b"no frame".to_vec()).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let unreadable = GapFilter { cause: Some(Cause::UnreadableRecord), ..GapFilter::default() };
        let found = queries.gaps(&unreadable, "admin", &Found::default()).await.unwrap().items;
        assert_eq!(found.len(), 2, "one per order, not per read model: {found:?}");
        assert_eq!(queries.open_gaps(&Found::default()).await.unwrap()[&Cause::UnreadableRecord], 2, "{}", bed.name);
        let gap = found.iter().find(|gap| gap.order_id == Some(garbled.id.to_string())).unwrap();
        assert_eq!((gap.channel.as_deref(), gap.status.as_deref()), (Some("shop"), Some("SUBMITTED")));
        let detail = gap.detail.as_deref().unwrap();
        assert!(detail.contains("crm, feed, gaps, partner, queue, shop") && detail.contains("no Avro frame"), "{detail}");
        assert!(found.iter().any(|gap| gap.order_id.as_deref() == Some("no order at all")), "{found:?}");

        // It has its place in the pages, between gaps of the table.
        let lagging = Behind { model: Model::Shop, partition: 0, records: 1, since: crate::script::START_MS + 500_000 };
        let lagging = Found { behind: vec![lagging], ..Found::default() };
        let all = paged(&queries, &GapFilter::default(), &lagging).await;
        let written = paged(&queries, &GapFilter::default(), &Found::default()).await.len() - 2;
        assert_eq!(all.len(), written + 3);
        assert!(all.is_sorted_by_key(|gap| &gap.opened_at));
        assert_eq!(all.iter().map(|gap| gap.gap_id).collect::<HashSet<Uuid>>().len(), all.len());
        let of_shop = GapFilter { channel: Some(Channel::Shop), status: Some(Status::Submitted), order: Some(garbled.id), ..unreadable };
        assert_eq!(queries.gaps(&of_shop, "admin", &Found::default()).await.unwrap().items.len(), 1);
        let of_partner = GapFilter { channel: Some(Channel::Partner), ..of_shop };
        assert_eq!(queries.gaps(&of_partner, "admin", &Found::default()).await.unwrap().items, []);
    }
}

/// More than any part of a list holds, and most of the same time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_is_listed_to_its_end_however_much_it_is() {
    const KEYS: usize = 450;
    for bed in Bed::both() {
        let log = Memory::with_clock(1, Arc::new(AtomicI64::new(crate::script::START_MS)));
        append_all(&log, &many(10)).await;
        for number in 0..KEYS {
            if number > 220 {
                log.advance_ms(1);
            }
            append_raw(&log, id(7), &format!("stray-{number}"), b"no frame".to_vec()).await;
        }
        // Behind all of those: what a filter finds is not among the first.
        log.advance_ms(1000);
        let (submitted, draft) = (Order::new(901), Order::new(903));
        append_all(&log, &to_the_works(901, &mut Order::new(901))[..3]).await;
        append_all(&log, &to_the_works(903, &mut Order::new(903))[..1]).await;
        for order in [&submitted, &draft] {
            append_raw(&log, order.id, &order.id.to_string(), b"no frame".to_vec()).await;
        }
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let unreadable = GapFilter { cause: Some(Cause::UnreadableRecord), ..GapFilter::default() };
        let gaps = paged(&queries, &unreadable, &Found::default()).await;
        assert_eq!(gaps.iter().map(|gap| gap.order_id.clone()).collect::<BTreeSet<_>>().len(), KEYS + 2, "{}", bed.name);
        assert_eq!(gaps.len(), KEYS + 2);
        let base = || unreadable.clone();
        let by_filter: [(GapFilter, &[Uuid]); 6] = [
            (GapFilter { order: Some(draft.id), ..base() }, &[draft.id]),
            (GapFilter { status: Some(Status::Submitted), ..base() }, &[submitted.id]),
            (GapFilter { channel: Some(Channel::Partner), ..base() }, &[draft.id]),
            (GapFilter { channel: Some(Channel::Partner), status: Some(Status::Submitted), ..base() }, &[]),
            (GapFilter { channel: Some(Channel::Shop), opened_before: Some(crate::script::START_MS + 1000), ..base() }, &[]),
            (GapFilter { holder: Some("vera".into()), ..base() }, &[]),
        ];
        for (filter, wanted) in by_filter {
            let found = paged(&queries, &filter, &Found::default()).await;
            let found: Vec<Uuid> = found.iter().map(|gap| gap.order_id.as_ref().unwrap().parse().unwrap()).collect();
            assert_eq!(found, wanted, "{filter:?} on {}", bed.name);
        }

        let mut filter = ParkedFilter { limit: Some(200), ..ParkedFilter::default() };
        let mut seen = BTreeSet::new();
        let mut pages = 0;
        loop {
            let page = queries.parked(&filter).await.unwrap();
            assert!(page.items.len() <= 200);
            for parked in page.items {
                assert!(seen.insert((parked.order_id, parked.model)), "one came twice");
            }
            pages += 1;
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        // Every model of orders has set each aside.
        assert_eq!((seen.len(), pages), ((KEYS + 2) * 6, ((KEYS + 2) * 6).div_ceil(200)), "{}", bed.name);
        let of_one = ParkedFilter { model: Some("crm".into()), ..ParkedFilter::default() };
        assert!(queries.parked(&of_one).await.unwrap().items.iter().all(|parked| parked.model == "crm"));
        let wrong = ParkedFilter { cursor: Some("q1234".into()), ..ParkedFilter::default() };
        assert!(matches!(queries.parked(&wrong).await, Err(Error::BadCursor)));
    }
}
