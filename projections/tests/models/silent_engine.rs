//! Deadlines that pass while no engine writes them down.

use std::collections::BTreeSet;

use atelier_domain::{Channel, Stage};
use atelier_log::memory::Memory;
use atelier_projections::{Behind, Cause, Found, GapFilter, Model, ParkedFilter};
use atelier_schemas::{EventData, Framed};
use uuid::Uuid;

use crate::bed::{Bed, run, run_through, settle};
use crate::ledger::{LIMIT, paged};
use crate::outcomes;
use crate::script::{Order, append, append_all, append_raw, to_the_works};

/// The order's deadline as the script's orders have it, and the time at which a silent engine counts as dead.
const GRACE_MS: i64 = 2 * 30_000;

fn of_engine() -> GapFilter {
    GapFilter { cause: Some(Cause::NoEngine), ..GapFilter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_nobody_writes_down_is_a_gap_until_somebody_does() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let (mut late, mut held) = (Order::new(1), Order::new(2));
        append_all(&log, &to_the_works(1, &mut late)[..4]).await;
        append_all(&log, &to_the_works(2, &mut held)[..4]).await;
        late.version = 4;
        held.version = 4;
        // A held order has no deadline.
        let mut on_hold = held.also(EventData::OrderHeld { reason: "r".into() });
        on_hold.after.due = None;
        append(&log, &on_hold).await;
        let due = late.time.max(held.time) + 600_000;
        let mut waits = late.then(Stage::PricingRequested, EventData::PricingRequested { attempt: 2, cause: "again".into() });
        waits.after.due = Some(due);
        append(&log, &waits).await;
        settle(&runner, &log).await;

        let at = |now: i64| Found { now, limit: LIMIT, ..Found::default() };
        assert_eq!(queries.gaps(&of_engine(), "admin", &at(due + GRACE_MS)).await.unwrap().items, [], "not for too long yet");
        let look = at(due + GRACE_MS + 1);
        let found = queries.gaps(&of_engine(), "admin", &look).await.unwrap().items;
        let gap = &found[0];
        assert_eq!((found.len(), gap.order_id.clone()), (1, Some(late.id.to_string())), "{}", bed.name);
        let text = |time: i64| chrono::DateTime::from_timestamp_millis(time).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        assert_eq!((gap.expected_by.clone(), gap.opened_at.clone()), (Some(text(due)), text(due + GRACE_MS)));
        assert_eq!((gap.status.as_deref(), gap.version, gap.allowed.len()), (Some("SUBMITTED"), Some(5), 0));
        assert!(gap.detail.as_deref().is_some_and(|detail| detail.contains("no engine has decided anything in partition 0")), "{gap:?}");
        assert_eq!(queries.open_gaps(&look).await.unwrap()[&Cause::NoEngine], 1);
        let of_other = GapFilter { order: Some(held.id), ..of_engine() };
        assert_eq!(queries.gaps(&of_other, "admin", &look).await.unwrap().items, []);
        // Where the ledger itself lacks records of the partition nobody can tell.
        let behind = Behind { model: Model::Gaps, partition: 0, records: 1, since: due };
        let lacking = Found { behind: vec![behind], ..look.clone() };
        assert_eq!(queries.gaps(&of_engine(), "admin", &lacking).await.unwrap().items, []);
        assert_eq!(queries.open_gaps(&lacking).await.unwrap().get(&Cause::NoEngine), None);

        // The engine is back and says it.
        let mut said =
            late.also(EventData::DeadlineMissed { stage: "pricing_requested".into(), due, policy: "1".into(), action: "attention".into() });
        (said.time, said.after.due) = (due + GRACE_MS + 5000, Some(due));
        append(&log, &said).await;
        settle(&runner, &log).await;
        assert_eq!(queries.gaps(&of_engine(), "admin", &at(i64::MAX)).await.unwrap().items, [], "{}", bed.name);
        let open = queries.gaps(&GapFilter::default(), "admin", &Found::default()).await.unwrap().items;
        assert_eq!(open.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [Cause::NotPriced]);
        runner.drain().await;
    }
}

/// More than any part of a list holds, most of them due at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn orders_of_a_dead_engine_are_listed_to_their_end_however_many_they_are() {
    const ORDERS: u32 = 1200;
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let mut due = 0;
        for number in 0..ORDERS {
            let mut first = to_the_works(number, &mut Order::new(number)).remove(0);
            due = crate::script::START_MS + 10_000_000 + i64::from(number / 1100);
            first.after.due = Some(due);
            append(&log, &first).await;
        }
        run_through(&store, &log).await;
        let queries = store.queries();
        let look = Found { now: due + GRACE_MS + 1, limit: LIMIT, ..Found::default() };
        let (mut listed, mut filter) = (Vec::new(), GapFilter { limit: Some(200), ..of_engine() });
        loop {
            let page = queries.gaps(&filter, "admin", &look).await.unwrap();
            listed.extend(page.items);
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        assert!(listed.is_sorted_by_key(|gap| (&gap.opened_at, gap.gap_id)), "{}", bed.name);
        assert_eq!(listed.iter().map(|gap| gap.order_id.clone()).collect::<BTreeSet<_>>().len(), ORDERS as usize, "{}", bed.name);
        assert_eq!((listed.len() as u32, queries.open_gaps(&look).await.unwrap()[&Cause::NoEngine]), (ORDERS, ORDERS.into()));
        // A filter finds the last one, too.
        let last: Uuid = listed.last().unwrap().order_id.as_ref().unwrap().parse().unwrap();
        let of_one = GapFilter { order: Some(last), ..of_engine() };
        assert_eq!(queries.gaps(&of_one, "admin", &look).await.unwrap().items, listed[listed.len() - 1..]);
        let later = GapFilter { channel: Some(Channel::Partner), ..of_engine() };
        assert_eq!(paged(&queries, &later, &look).await.len(), (ORDERS / 3) as usize, "{}", bed.name);
        let early = GapFilter { opened_before: Some(due + GRACE_MS), ..of_engine() };
        assert_eq!(paged(&queries, &early, &look).await.len(), 1100, "{}", bed.name);
        let of_nobody = GapFilter { holder: Some("vera".into()), ..of_engine() };
        assert_eq!(paged(&queries, &of_nobody, &look).await, []);
    }
}

/// An engine that wrote anything later was there: a policy put in force since gives the order longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_writes_and_says_nothing_of_the_order_has_its_reasons() {
    let bed = Bed::sqlite();
    let log = Memory::new(1);
    let store = bed.store().await;
    let runner = run(&store, &log);
    let (mut late, mut other) = (Order::new(1), Order::new(2));
    let mut first = to_the_works(1, &mut late).remove(0);
    let due = first.time + 1000;
    first.after.due = Some(due);
    append(&log, &first).await;
    settle(&runner, &log).await;
    let look = Found { now: due + GRACE_MS * 10, limit: LIMIT, ..Found::default() };
    assert_eq!(store.queries().open_gaps(&look).await.unwrap().get(&Cause::NoEngine), Some(&1));
    let mut foreign = to_the_works(2, &mut other).remove(0);
    (foreign.time, foreign.after.due) = (due + GRACE_MS, None);
    append(&log, &foreign).await;
    settle(&runner, &log).await;
    assert_eq!(store.queries().open_gaps(&look).await.unwrap().get(&Cause::NoEngine), None);
    runner.drain().await;
}

/// The same of one that only answers: it has nothing to write of an order that a policy put in force since gives longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_only_answers_is_there() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut late = Order::new(1);
        let mut first = to_the_works(1, &mut late).remove(0);
        let due = first.time + 1000;
        first.after.due = Some(due);
        append(&log, &first).await;
        outcomes::append(&log, late.id, outcomes::outcome(1, late.id, due + GRACE_MS - 1, 1).encode()).await;
        settle(&runner, &log).await;
        let look = Found { now: due + GRACE_MS * 10, limit: LIMIT, ..Found::default() };
        assert_eq!(queries.open_gaps(&look).await.unwrap().get(&Cause::NoEngine), Some(&1), "{}", bed.name);
        let lacking = Behind { model: Model::Outcomes, partition: 0, records: 1, since: due };
        let lacking = Found { behind: vec![lacking], ..look.clone() };
        assert_eq!(queries.open_gaps(&lacking).await.unwrap().get(&Cause::NoEngine), None, "an answer may be among them");
        outcomes::append(&log, late.id, outcomes::outcome(2, late.id, due + GRACE_MS, 1).encode()).await;
        settle(&runner, &log).await;
        assert_eq!(queries.open_gaps(&look).await.unwrap().get(&Cause::NoEngine), None, "{}", bed.name);
        runner.drain().await;
    }
}

/// What an order missed is old when it comes back, and no sign that its engine has been silent since.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_back_takes_no_sign_of_life_from_its_partition() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let (mut aside, mut late, mut other) = (Order::new(1), Order::new(2), Order::new(3));
        append_all(&log, &to_the_works(1, &mut aside)[..3]).await;
        append_raw(&log, aside.id, &aside.id.to_string(), b"no frame".to_vec()).await;
        aside.version = 3;
        let mut skipped = aside.also(EventData::RecordsSkipped { offsets: vec![3], reason: "a broken disk".into() });
        skipped.after.due = None;
        append(&log, &skipped).await;
        let mut first = to_the_works(2, &mut late).remove(0);
        let due = skipped.time + 1000;
        first.after.due = Some(due);
        append(&log, &first).await;
        // By then an engine was there, and said nothing of the late order.
        let mut foreign = to_the_works(3, &mut other).remove(0);
        (foreign.time, foreign.after.due) = (due + GRACE_MS, None);
        append(&log, &foreign).await;
        // In one batch: the order comes back after all of it has been applied.
        run_through(&store, &log).await;
        let queries = store.queries();
        assert_eq!(queries.parked(&ParkedFilter::default()).await.unwrap().items, [], "{}", bed.name);
        let look = Found { now: due + GRACE_MS * 10, limit: LIMIT, ..Found::default() };
        assert_eq!(queries.open_gaps(&look).await.unwrap().get(&Cause::NoEngine), None, "{}", bed.name);
    }
}
