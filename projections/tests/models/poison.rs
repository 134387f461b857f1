//! A record that cannot be understood costs its own order only.

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::{CrmFilter, Model, ParkedFilter};
use atelier_schemas::{EventData, Framed};
use uuid::Uuid;

use crate::bed::{Bed, assert_same, run, run_through, settle};
use crate::script::{Order, append, append_all, append_raw, created, id, many, to_the_works};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_order_of_the_record_is_parked() {
    let mut dumps = Vec::new();
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let (mut garbled, mut gap, mut newer, mut well) = (Order::new(1), Order::new(2), Order::new(4), Order::new(5));
        let lives = [to_the_works(1, &mut garbled), to_the_works(2, &mut gap), to_the_works(4, &mut newer), to_the_works(5, &mut well)];
        // Three events of each, then what goes wrong, then the rest of everybody.
        for life in &lives {
            append_all(&log, &life[..3]).await;
        }
        append_raw(&log, garbled.id, &garbled.id.to_string(), b"no frame".to_vec()).await;
        let mut unknown = lives[2][3].clone();
        unknown.after.stage = "polishing".into();
        append(&log, &unknown).await;
        append_all(&log, &lives[0][3..]).await;
        append_all(&log, &lives[1][4..]).await;
        append_all(&log, &lives[2][4..]).await;
        append_all(&log, &lives[3][3..]).await;
        run_through(&store, &log).await;

        let versions = |id: Uuid| {
            let queries = &queries;
            async move { queries.order(id).await.unwrap().map(|order| order.version) }
        };
        assert_eq!(versions(garbled.id).await, Some(3), "{}", bed.name);
        assert_eq!(versions(gap.id).await, Some(3));
        assert_eq!(versions(newer.id).await, Some(3));
        assert_eq!(versions(well.id).await, Some(12));

        let parked = queries.parked(&ParkedFilter { limit: Some(200), ..ParkedFilter::default() }).await.unwrap().items;
        let of_shop = |id: Uuid| parked.iter().find(|parked| parked.model == "shop" && parked.order_id == id.to_string()).unwrap();
        assert!(of_shop(garbled.id).reason.contains("no Avro frame"), "{parked:?}");
        assert_eq!((of_shop(garbled.id).offset, of_shop(garbled.id).skipped), (12, 9));
        assert_eq!((of_shop(gap.id).reason.as_str(), of_shop(gap.id).skipped), ("version 5 follows version 3", 7));
        assert!(of_shop(newer.id).reason.contains("\"polishing\""), "{parked:?}");
        // None of the three is a partner's, but only the unreadable record cannot be told to be another's.
        let of_partner: Vec<_> = parked.iter().filter(|parked| parked.model == "partner").map(|parked| parked.order_id.clone()).collect();
        assert_eq!(of_partner.len(), 2, "{parked:?}");
        dumps.push(bed.dump().await);

        // And it stays so for the next process.
        append(&log, &well.also(EventData::OrderHeld { reason: "r".into() })).await;
        append(&log, &garbled.also(EventData::OrderHeld { reason: "r".into() })).await;
        let again = bed.store().await;
        run_through(&again, &log).await;
        assert_eq!((versions(garbled.id).await, versions(well.id).await), (Some(3), Some(13)));
    }
    assert_same(&dumps[0], &dumps[1], "SQLite against PostgreSQL");
}

/// Who brings an order back moves no offsets, so nothing else tells the other processes.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_another_process_brought_back_goes_on_in_this_one() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let mut order = Order::new(1);
        let life = to_the_works(1, &mut order);
        append_all(&log, &life[..3]).await;
        append_raw(&log, order.id, &order.id.to_string(), b"no frame".to_vec()).await;
        let runner = run(&store, &log);
        settle(&runner, &log).await;
        let filter = || ParkedFilter { limit: Some(200), ..ParkedFilter::default() };
        assert!(!store.queries().parked(&filter()).await.unwrap().items.is_empty(), "{}", bed.name);
        // As the other one leaves it: the record does not count, and nothing else has been missed.
        bed.sql("DELETE FROM parked").await;
        append_all(&log, &life[3..]).await;
        settle(&runner, &log).await;
        assert_eq!(store.queries().parked(&filter()).await.unwrap().items, [], "{}", bed.name);
        assert_eq!(store.queries().order(order.id).await.unwrap().unwrap().version, 12);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_order_ids_harm_nobody() {
    let mut dumps = Vec::new();
    for bed in Bed::both() {
        let log = Memory::new(1);
        let mut order = Order::new(1);
        let life = to_the_works(1, &mut order);
        append_all(&log, &life[..1]).await;
        append_raw(&log, order.id, "not an id", life[1].encode()).await;
        append_raw(&log, order.id, "not an id", vec![]).await;
        append_raw(&log, order.id, "nul\0key", vec![0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
        append_raw(&log, order.id, &id(2).to_string(), life[1].encode()).await;
        // The order under other spellings of its key: nobody looks for it there.
        let (upper, simple) = (order.id.to_string().to_uppercase(), order.id.as_simple().to_string());
        append_raw(&log, order.id, &upper, life[1].encode()).await;
        append_raw(&log, order.id, &simple, b"no frame".to_vec()).await;
        append_all(&log, &life[1..]).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        assert_eq!(store.queries().order(order.id).await.unwrap().unwrap().version, 12, "{}", bed.name);
        assert_eq!(store.queries().order(id(2)).await.unwrap(), None);
        let parked = store.queries().parked(&ParkedFilter { limit: Some(200), ..ParkedFilter::default() }).await.unwrap().items;
        let mut of_shop: Vec<_> =
            parked.iter().filter(|parked| parked.model == "shop").map(|parked| (parked.order_id.clone(), parked.skipped)).collect();
        of_shop.sort();
        let mut wanted =
            vec![("not an id".to_owned(), 1), ("nul\u{fffd}key".to_owned(), 0), (id(2).to_string(), 0), (upper, 0), (simple, 0)];
        wanted.sort();
        assert_eq!(of_shop, wanted);
        dumps.push(bed.dump().await);
    }
    assert_same(&dumps[0], &dumps[1], "SQLite against PostgreSQL");
}

/// Text that PostgreSQL would refuse (NUL) and text that means something to SQL.
#[tokio::test(flavor = "multi_thread")]
async fn odd_text_is_only_text() {
    let mut dumps = Vec::new();
    for bed in Bed::both() {
        let log = Memory::new(1);
        let mut order = Order::new(3);
        let mut data = created(3);
        if let EventData::OrderCreated { reference, .. } = &mut data {
            *reference = Some("50%_\\'; DROP TABLE shop_orders; --\0ÄÖ".into());
        }
        append(&log, &order.then(Stage::Draft, data)).await;
        append_all(&log, &to_the_works(4, &mut Order::new(4))).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        for (text, found) in [("50%_\\'", 1), ("äö", 1), ("50__", 0), ("%", 1), ("Ref-0004", 1), (&order.id.to_string(), 1), ("zz", 0)] {
            let filter = CrmFilter { text: Some(text.into()), ..CrmFilter::default() };
            assert_eq!(store.queries().crm_orders(&filter).await.unwrap().items.len(), found, "{text} on {}", bed.name);
        }
        dumps.push(bed.dump().await);
    }
    assert_same(&dumps[0], &dumps[1], "SQLite against PostgreSQL");
}

/// PostgreSQL does not take an index entry of this size: the batch is halved until its record stands alone.
#[tokio::test(flavor = "multi_thread")]
async fn values_the_database_refuses_park_their_order() {
    let bed = Bed::postgres();
    let log = Memory::new(2);
    let events = many(40);
    append_all(&log, &events).await;
    let mut huge = Order::new(90);
    let mut data = created(90);
    if let EventData::OrderCreated { reference, .. } = &mut data {
        *reference = Some((0..600).map(|number| id(number).simple().to_string()).collect());
    }
    append(&log, &huge.then(Stage::Draft, data)).await;
    append_all(&log, &to_the_works(93, &mut Order::new(93))).await;
    let store = bed.store().await;
    let runner = run(&store, &log);
    settle(&runner, &log).await;
    let parked = store.queries().parked(&ParkedFilter { limit: Some(200), ..ParkedFilter::default() }).await.unwrap().items;
    let huge_id = huge.id.to_string();
    assert_eq!(
        parked.iter().map(|parked| (parked.model.as_str(), parked.order_id.as_str())).collect::<Vec<_>>(),
        [(Model::Feed.as_str(), huge_id.as_str()), (Model::Partner.as_str(), huge_id.as_str())]
    );
    assert!(parked[0].reason.contains("the database refused it"), "{parked:?}");
    assert_eq!(store.queries().order(huge.id).await.unwrap().unwrap().version, 1);
    assert_eq!(store.queries().partner_order("partner-1", id(93)).await.unwrap().unwrap().version, 12);
    runner.drain().await;
}
