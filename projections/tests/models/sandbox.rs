//! Orders of partners' sandboxes: the partner's own, and nobody else's business.

use std::time::Duration;

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::{CrmFilter, FeedCursor, Found, GapFilter, PartnerFilter, QueueFilter, account};
use atelier_schemas::{Event, EventData};

use crate::bed::{Bed, run, settle};
use crate::script::{Order, append_all, created_in_sandbox, id, to_the_works};

/// The life of an order at the works, late and with a parcel, from a first event of this kind.
fn life(number: u32, first: EventData) -> Vec<Event> {
    let mut order = Order::new(number);
    let mut events = to_the_works(number, &mut order);
    events[0].data = first;
    let (due, policy) = (events[0].time, String::from("p1"));
    let mut missed = order.also(EventData::DeadlineMissed { stage: "work_available".into(), due, policy, action: "attention".into() });
    missed.after.attention = vec!["overdue".into()];
    events.push(missed);
    events.push(
        order.then(
            Stage::Shipped,
            EventData::OrderShipped { operator: "olga".into(), carrier: "dpx".into(), tracking: format!("T{number}") },
        ),
    );
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_in_the_partners_lists_under_an_account_of_their_own_and_in_no_list_of_the_house() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let runner = run(&store, &log);
        // Both are of one partner; one in its sandbox.
        let (trial, real) = (0, 6);
        let shipped = life(trial, created_in_sandbox(trial));
        append_all(&log, &shipped[..shipped.len() - 1]).await;
        let mut events = life(real, crate::script::created(real));
        let parcel = events.pop().expect("the last one");
        append_all(&log, &events).await;
        settle(&runner, &log).await;
        let queries = store.queries();
        let queue = queries.queue(&QueueFilter::default()).await.unwrap().items;
        assert_eq!(queue.iter().map(|item| item.order_id).collect::<Vec<_>>(), [id(real)], "{}", bed.name);
        let attention = queries.attention(&CrmFilter::default(), &[]).await.unwrap().items;
        assert_eq!(attention.iter().map(|order| order.order_id).collect::<Vec<_>>(), [id(real)]);
        let orders = queries.crm_orders(&CrmFilter::default()).await.unwrap().items;
        assert_eq!(orders.iter().map(|order| order.order_id).collect::<Vec<_>>(), [id(real)]);
        assert_eq!(queries.counts().await.unwrap().iter().map(|(_, orders)| orders).sum::<i64>(), 1);
        let gaps = queries.gaps(&GapFilter::default(), "operator", &Found::default()).await.unwrap().items;
        assert_eq!(gaps.iter().filter_map(|gap| gap.order_id.clone()).collect::<Vec<_>>(), [id(real).to_string()]);
        append_all(&log, &[shipped[shipped.len() - 1].clone(), parcel]).await;
        settle(&runner, &log).await;
        assert_eq!(queries.order_by_tracking("dpx", "T0").await.unwrap(), None, "no carrier has it");
        assert_eq!(queries.order_by_tracking("dpx", "T6").await.unwrap(), Some(id(real)));
        for (account, own, other) in [(account("partner-0", false), real, trial), (account("partner-0", true), trial, real)] {
            let order = queries.partner_order(&account, id(own)).await.unwrap().expect("its own");
            assert_eq!(order.allowed.contains(&"clock".to_owned()), own == trial, "{:?}", order.allowed);
            assert!(queries.partner_order(&account, id(other)).await.unwrap().is_none());
            let listed = queries.partner_orders(&account, &PartnerFilter::default()).await.unwrap().items;
            assert_eq!(listed.iter().map(|order| order.order_id).collect::<Vec<_>>(), [id(own)]);
            let (feed, _) = queries.feed(&account, &FeedCursor::default(), 100, Duration::ZERO).await.unwrap();
            assert!(!feed.is_empty() && feed.iter().all(|entry| entry.order_id == id(own)));
            assert_eq!(queries.open_orders(&account, 10).await.unwrap(), (1, 0));
        }
        runner.drain().await;
    }
}
