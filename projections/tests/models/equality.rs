//! The same events give the same rows, whatever the database and however they are cut into batches.

use atelier_log::memory::Memory;
use atelier_projections::Queries;

use crate::bed::{Bed, assert_same, run, run_through, settle};
use crate::script::{append, append_all, many};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_and_postgres_hold_the_same() {
    let log = Memory::new(4);
    append_all(&log, &many(300)).await;
    let [sqlite, postgres] = Bed::both();
    for bed in [&sqlite, &postgres] {
        run_through(&bed.store().await, &log).await;
    }
    let dump = sqlite.dump().await;
    assert_same(&dump, &postgres.dump().await, "SQLite against PostgreSQL");
    assert_eq!(dump["shop_orders"].len(), 300);
    assert_eq!((dump["partner_orders"].len(), dump["feed_orders"].len()), (100, 100));
    assert!(dump["feed_entries"].len() > 300, "{}", dump["feed_entries"].len());
    assert_eq!(dump["parked"], Vec::<String>::new());
    assert!(dump["crm_counts"].len() > 5, "{:?}", dump["crm_counts"]);
    assert_eq!(dump["gap_orders"].len(), 300);
    let open = dump["gaps"].iter().filter(|row| row.ends_with("closed_at=None closed_by=None")).count();
    assert!(open > 10 && dump["gaps"].len() > open, "{open} open of {}", dump["gaps"].len());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_one_give_the_same_as_large_ones() {
    let events = many(20);
    let log = Memory::new(2);
    let at_once = Bed::sqlite();
    let one_by_one = Bed::sqlite();
    let store = one_by_one.store().await;
    let runner = run(&store, &log);
    for event in &events {
        append(&log, event).await;
        settle(&runner, &log).await;
    }
    runner.drain().await;
    run_through(&at_once.store().await, &log).await;
    assert_same(&one_by_one.dump().await, &at_once.dump().await, "one by one against at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_those_of_the_rows() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        append_all(&log, &many(120)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        assert_eq!(counted(&store.queries()).await, 120, "{}", bed.name);
        let dump = bed.dump().await;
        for (status, orders) in store.queries().counts().await.unwrap() {
            let rows = dump["crm_orders"].iter().filter(|row| row.contains(&format!("status=Some({status:?})"))).count();
            assert_eq!(i64::try_from(rows).unwrap(), orders, "{status} on {}", bed.name);
        }
    }
}

async fn counted(queries: &Queries) -> i64 {
    queries.counts().await.unwrap().iter().map(|(_, orders)| orders).sum()
}
