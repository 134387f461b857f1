//! The ledger as a list: pages, filters, what agrees with it, and what is found only by looking.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use atelier_domain::{Channel, Stage, Status};
use atelier_log::memory::Memory;
use atelier_projections::{
    Behind, Cause, CrmFilter, Error, Found, Gap, GapFilter, GapState, Metrics, Model, Queries, Runner, Store, Undelivered, behind,
};
use atelier_schemas::EventData;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::bed::{Bed, assert_same, run, run_through, settle, until};
use crate::script::{Order, append, append_all, id, many, to_the_works};

/// Whether a filter should let a gap through.
type Wanted<'f> = &'f dyn Fn(&Gap) -> bool;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn paged(queries: &Queries, filter: &GapFilter, besides: &Found) -> Vec<Gap> {
    let mut filter = GapFilter { limit: Some(7), ..filter.clone() };
    let mut found = Vec::new();
    loop {
        let page = queries.gaps(&filter, "admin", besides).await.unwrap();
        assert!(page.items.len() <= 7);
        found.extend(page.items);
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_filters_cover_it_oldest_first() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        append_all(&log, &many(200)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let all = paged(&queries, &GapFilter { state: GapState::All, ..GapFilter::default() }, &Found::default()).await;
        assert!(all.is_sorted_by_key(|gap| &gap.opened_at) && all.len() > 100, "{}", all.len());
        assert_eq!(all.iter().map(|gap| gap.gap_id).collect::<HashSet<_>>().len(), all.len(), "a gap came twice on {}", bed.name);

        let of = |wanted: Wanted<'_>| all.iter().filter(|gap| wanted(gap)).cloned().collect::<Vec<_>>();
        let some = all[all.len() / 2].clone();
        let before = chrono::DateTime::parse_from_rfc3339(&some.opened_at).unwrap().timestamp_millis();
        let base = || GapFilter { state: GapState::All, ..GapFilter::default() };
        let filters: [(GapFilter, Wanted<'_>); 8] = [
            (GapFilter::default(), &|gap| gap.closed_at.is_none()),
            (GapFilter { state: GapState::Closed, ..base() }, &|gap| gap.closed_at.is_some()),
            (GapFilter { cause: Some(Cause::PricingFailed), ..base() }, &|gap| gap.cause == Cause::PricingFailed),
            (GapFilter { status: Some(Status::Shipped), ..base() }, &|gap| gap.status.as_deref() == Some("SHIPPED")),
            (GapFilter { holder: Some("w1".into()), ..base() }, &|gap| gap.holder.as_deref() == Some("w1")),
            (GapFilter { channel: Some(Channel::Partner), ..base() }, &|gap| gap.channel.as_deref() == Some("partner")),
            (GapFilter { order: some.order_id.as_ref().and_then(|id| id.parse().ok()), ..base() }, &|gap| gap.order_id == some.order_id),
            (GapFilter { opened_before: Some(before), ..base() }, &|gap| gap.opened_at < some.opened_at),
        ];
        for (filter, wanted) in filters {
            let wanted = of(wanted);
            assert!(!wanted.is_empty() && wanted.len() < all.len(), "{filter:?} tells nothing apart");
            assert_eq!(paged(&queries, &filter, &Found::default()).await, wanted, "{filter:?} on {}", bed.name);
        }
        let wrong = GapFilter { cursor: Some("q".repeat(49)), ..GapFilter::default() };
        assert!(matches!(queries.gaps(&wrong, "admin", &Found::default()).await, Err(Error::BadCursor)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_attention_is_the_orders_with_an_open_gap() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        append_all(&log, &many(150)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let gaps = paged(&queries, &GapFilter::default(), &Found::default()).await;
        let by_gaps: BTreeSet<(String, Cause)> = gaps.into_iter().map(|gap| (gap.order_id.unwrap(), gap.cause)).collect();
        let needy = queries.attention(&CrmFilter { limit: Some(200), ..CrmFilter::default() }, &[]).await.unwrap().items;
        let by_attention = needy.iter().flat_map(|order| order.gaps.iter().map(|cause| (order.order_id.to_string(), *cause))).collect();
        assert_eq!(by_gaps, by_attention, "{}", bed.name);
        let counted = queries.open_gaps(&Found::default()).await.unwrap();
        assert_eq!(usize::try_from(counted.values().sum::<i64>()), Ok(by_gaps.len()), "{counted:?} on {}", bed.name);
        assert!(needy.len() > 5 && needy.iter().all(|order| order.attention_since.is_some()), "{}", needy.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_however_the_log_is_cut_and_after_a_rebuild() {
    let events = many(40);
    let log = Memory::new(2);
    let (one_by_one, at_once) = (Bed::sqlite(), Bed::sqlite());
    let store = one_by_one.store().await;
    let runner = run(&store, &log);
    for event in &events {
        append(&log, event).await;
        settle(&runner, &log).await;
    }
    run_through(&at_once.store().await, &log).await;
    let wanted = at_once.dump().await;
    assert_same(&one_by_one.dump().await, &wanted, "one by one against at once");
    one_by_one
        .sql("DELETE FROM gaps; DELETE FROM gap_orders; DELETE FROM gap_partitions; UPDATE offsets SET next = 0 WHERE model = 'gaps'")
        .await;
    until("the ledger is back", || async { one_by_one.dump().await == wanted }).await;
    runner.drain().await;
}

fn find(log: &Memory, progress: &std::collections::HashMap<(Model, u32), u64>, now: i64) -> Result<Vec<Behind>, Error> {
    behind(log, progress, now, LIMIT)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_that_lacks_records_for_too_long_is_a_gap() {
    for bed in Bed::both() {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let log = Memory::with_clock(2, clock.clone());
        append_all(&log, &many(10)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let now = |after_s: i64| 1_000_000 + after_s * 1000;
        assert_eq!(find(&log, &queries.progress().await.unwrap(), now(3600)).unwrap(), [], "nothing is lacking, however old");

        // From here on only one model is fed, and the records come a minute later.
        log.advance_ms(60_000);
        let order = id(77);
        append_all(&log, &to_the_works(77, &mut Order::new(77))).await;
        let models: Vec<Model> = Model::ALL.iter().copied().filter(|model| *model != Model::Crm).collect();
        let runner = Runner::start(store.clone(), Arc::new(log.clone()), &models, Metrics::default());
        settle(&runner, &log).await;
        runner.drain().await;
        let progress = queries.progress().await.unwrap();
        assert_eq!(find(&log, &progress, now(60 + 30)).unwrap(), [], "not for too long yet");
        let found = find(&log, &progress, now(60 + 31)).unwrap();
        let partition = atelier_schemas::partition_of(&order, 2);
        assert_eq!(found, [Behind { model: Model::Crm, partition, records: 12, since: now(60) }], "{}", bed.name);

        let found = Found { behind: found, ..Found::default() };
        let gaps =
            queries.gaps(&GapFilter { cause: Some(Cause::ProjectionBehind), ..GapFilter::default() }, "admin", &found).await.unwrap();
        let gap = &gaps.items[0];
        assert_eq!((gaps.items.len(), gap.order_id.as_deref(), gap.opened_at.as_str()), (1, None, "1970-01-01T00:17:40.000Z"));
        assert!(gap.detail.as_ref().is_some_and(|detail| detail.contains("read model crm lacks 12 records")), "{gap:?}");
        let of_order = GapFilter { order: Some(order), ..GapFilter::default() };
        assert_eq!(queries.gaps(&of_order, "admin", &found).await.unwrap().items, [], "it is about no single order");
        // A store that has seen more than there is belongs to another log: nobody can tell then.
        assert!(matches!(find(&Memory::new(2), &progress, now(0)), Err(Error::AheadOfLog { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_gaps_are_counted_for_the_scrape() {
    let bed = Bed::sqlite();
    let log = Memory::new(2);
    let mut order = Order::new(1);
    append_all(&log, &to_the_works(1, &mut order)[..8]).await;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let text = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let store: Store = bed.store().await;
    run_through(&store, &log).await;
    let runner = Runner::start(store, Arc::new(log.clone()), Model::ALL, metrics);
    until("it is counted", || async { text().contains("atelier_gaps_open{cause=\"pricing_failed\"} 1\n") }).await;
    // Its deadline lies years back, and no engine has said so.
    assert!(text().contains("atelier_gaps_open{cause=\"no_engine\"} 1\n"), "{}", text());
    // Those who send count what does not arrive, those who serve carriers count the parcels.
    let elsewhere = [Cause::WebhookUndelivered, Cause::UnknownParcel];
    assert!(elsewhere.iter().all(|cause| !text().contains(&format!("{cause}\"}}"))), "{}", text());
    let here = Cause::ALL.into_iter().filter(|cause| !elsewhere.contains(cause));
    for cause in here.filter(|cause| ![Cause::PricingFailed, Cause::NoEngine].contains(cause)) {
        assert!(text().contains(&format!("atelier_gaps_open{{cause=\"{cause}\"}} 0\n")), "{cause}: {}", text());
    }
    order.version = 8;
    append(&log, &order.then(Stage::Cancelled, EventData::OrderCancelled { reason: "r".into() })).await;
    until("it is gone", || async { text().contains("atelier_gaps_open{cause=\"pricing_failed\"} 0\n") }).await;
    until("so is the silence", || async { text().contains("atelier_gaps_open{cause=\"no_engine\"} 0\n") }).await;
    runner.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_arrive_at_a_partner_is_a_gap_and_in_the_sellers_list() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        append_all(&log, &many(60)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let all = CrmFilter { limit: Some(200), ..CrmFilter::default() };
        let orders = queries.crm_orders(&all).await.unwrap().items;
        let needy = queries.attention(&all, &[]).await.unwrap().items;
        // One that needs nobody otherwise, before all others, and one that is in the list anyway.
        let quiet = orders.iter().find(|order| needy.iter().all(|needy| needy.order_id != order.order_id)).unwrap().order_id;
        let endpoint_id = Some(Uuid::from_u128(1));
        let of = |order_id: Option<Uuid>, since: i64| Undelivered {
            endpoint_id,
            order_id,
            partner: "acme".into(),
            since,
            detail: "it does not arrive".into(),
            allowed: vec!["endpoint_resend".into()],
        };
        let undelivered = vec![of(Some(quiet), 1000), of(Some(needy[0].order_id), 2000), of(None, 500)];
        let listed = queries.attention(&all, &undelivered).await.unwrap().items;
        assert_eq!(listed.len(), needy.len() + 1, "{}", bed.name);
        assert_eq!((listed[0].order_id, listed[0].gaps.as_slice()), (quiet, &[Cause::WebhookUndelivered][..]));
        assert_eq!(listed[0].attention_since.as_deref(), Some("1970-01-01T00:00:01.000Z"));
        let also = listed.iter().find(|order| order.order_id == needy[0].order_id).unwrap();
        assert_eq!(also.gaps, [needy[0].gaps.as_slice(), &[Cause::WebhookUndelivered]].concat());
        // Page by page it is the same list.
        let (mut paged_list, mut filter) = (Vec::new(), CrmFilter { limit: Some(1), ..CrmFilter::default() });
        loop {
            let page = queries.attention(&filter, &undelivered).await.unwrap();
            paged_list.extend(page.items);
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged_list, listed, "{}", bed.name);

        let looked = Found { undelivered, ..Found::default() };
        let of_partner = GapFilter { cause: Some(Cause::WebhookUndelivered), holder: Some("acme".into()), ..GapFilter::default() };
        let gaps = paged(&queries, &of_partner, &looked).await;
        assert_eq!(gaps.iter().map(|gap| gap.order_id.is_some()).collect::<Vec<_>>(), [false, true, true], "{gaps:?}");
        assert!(gaps[1].status.is_some() && gaps[1].allowed == ["endpoint_resend"], "{gaps:?}");
        assert_eq!(queries.open_gaps(&looked).await.unwrap()[&Cause::WebhookUndelivered], 3);
        let of_others = GapFilter { holder: Some("other".into()), ..of_partner };
        assert_eq!(paged(&queries, &of_others, &looked).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_gaps_go_when_they_are_old_and_open_ones_stay() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        append_all(&log, &many(150)).await;
        let store = bed.store().await;
        run_through(&store, &log).await;
        let queries = store.queries();
        let state = |state| GapFilter { state, ..GapFilter::default() };
        let open = paged(&queries, &state(GapState::Open), &Found::default()).await;
        let closed = paged(&queries, &state(GapState::Closed), &Found::default()).await;
        assert!(!open.is_empty() && !closed.is_empty());
        // The script's orders lived years ago.
        let runner = Runner::keeping(store.clone(), Arc::new(log.clone()), Model::ALL, Metrics::default(), Arc::new(|| Some(86_400_000)));
        until("the closed ones are gone", || async {
            queries.gaps(&state(GapState::Closed), "admin", &Found::default()).await.unwrap().items.is_empty()
        })
        .await;
        assert_eq!(paged(&queries, &state(GapState::Open), &Found::default()).await, open, "{}", bed.name);
        runner.drain().await;
    }
}
