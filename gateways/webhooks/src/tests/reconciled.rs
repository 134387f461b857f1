//! Events against deliveries, and what does not arrive.

use atelier_projections::feed::Seen;
use atelier_schemas::partition_of;
use uuid::Uuid;

use super::bed::{Bed, NOW, STEPS, each, life, order_id};
use crate::housekeeping::{Retention, prune};
use crate::reconcile::{Missing, Reconciled, Told, kept_after, reconcile};
use crate::{LATE_MS, Resend, Wish, undelivered, undelivered_or_cut};

/// What the lives of these orders show, as an auditor works it out: each order alone in its partition's places.
fn told(partner: &str, orders: std::ops::Range<u32>) -> Vec<Told> {
    let mut told = Vec::new();
    for number in orders {
        let events: Vec<_> = (0..STEPS).flat_map(|nth| life(partner, number, nth, NOW)).collect();
        let mut seen = Seen::created(&events[0]).expect("its first event");
        let partition = partition_of(&order_id(number), 3);
        told.extend(events.iter().filter_map(|event| Some(Told { partition, offset: 0, shown: seen.follow(event)? })));
    }
    told
}

async fn execute(bed: &Bed, sql: &'static str, values: Vec<atelier_store::Value>) {
    let mut transaction = bed.store.begin().await.unwrap();
    assert_eq!(transaction.execute(sql, values).await.unwrap(), 1, "{sql}");
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_message_that_nobody_will_send_is_missing_and_no_other() {
    each("reconciled", async |bed| {
        let (all, _) = bed.endpoint("north", &[]).await;
        bed.endpoint("north", &["order.held"]).await;
        bed.endpoint("south", &[]).await;
        for number in 0..3 {
            (0..STEPS).flat_map(|nth| life("north", number, nth, NOW)).for_each(|event| bed.append(&event));
        }
        bed.read().await;
        let (late, _) = bed.endpoint("north", &[]).await;
        let told = told("north", 0..3);
        let found = reconcile(&bed.store, &told).await.unwrap();
        // Held once in each life. The last endpoint wants only what comes later.
        let due = 3 * STEPS as u64 + 3;
        assert_eq!(found, Reconciled { pending: due, ..Reconciled::default() });

        let gone = &told[STEPS + 2].shown;
        bed.put_down(all).await;
        const DELETE: &str = "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND \
            number = (SELECT number FROM webhook_messages WHERE event_id = $2)";
        execute(&bed, DELETE, vec![all.into(), gone.event_id.into()]).await;
        const SETTLE: &str = "UPDATE webhook_deliveries SET state = 1, settled_at = 5 WHERE endpoint_id = $1 AND \
            number = (SELECT number FROM webhook_messages WHERE event_id = $2)";
        execute(&bed, SETTLE, vec![all.into(), told[0].shown.event_id.into()]).await;
        const GIVE_UP: &str = "UPDATE webhook_deliveries SET state = 2, settled_at = 5 WHERE endpoint_id = $1 AND \
            number = (SELECT number FROM webhook_messages WHERE event_id = $2)";
        execute(&bed, GIVE_UP, vec![all.into(), told[1].shown.event_id.into()]).await;
        let missing = Missing { endpoint_id: all, order_id: gone.order.order_id, event_id: gone.event_id, sequence: gone.order.sequence };
        let found = reconcile(&bed.store, &told).await.unwrap();
        assert_eq!(found, Reconciled { delivered: 1, given_up: 1, pending: due - 3, missing: vec![missing], ..Reconciled::default() });

        // What was pruned was there: nobody can tell it from what is missing among as old ones.
        assert_eq!(prune(&bed.store, &bed.clock(), Retention { age_ms: 0, count: 10 }).await.unwrap(), 1);
        let found = reconcile(&bed.store, &told).await.unwrap();
        assert_eq!((found.delivered, found.pruned, found.missing.len()), (0, 2, 0));

        bed.endpoints.delete("north", all).await.unwrap();
        let found = reconcile(&bed.store, &told).await.unwrap();
        assert_eq!(found, Reconciled { pending: 3, ..Reconciled::default() }, "nothing is due to an endpoint that is gone");
        bed.endpoints.delete("north", late).await.unwrap();
    })
    .await;
}

/// The other way round: all there are, once, in pages of any size.
#[tokio::test]
async fn what_is_kept_is_listed_to_its_end() {
    each("kept", async |bed| {
        bed.endpoint("north", &[]).await;
        bed.endpoint("north", &["order.held"]).await;
        for number in 0..3 {
            (0..STEPS).flat_map(|nth| life("north", number, nth, NOW)).for_each(|event| bed.append(&event));
        }
        bed.read().await;
        for limit in [1, 5, 1000] {
            let (mut last, mut keys) = (None, std::collections::BTreeSet::new());
            let mut count = 0;
            loop {
                let page = kept_after(&bed.store, last.as_ref(), limit).await.unwrap();
                let Some(end) = page.last().cloned() else { break };
                assert!(page.iter().all(|kept| kept.partner == "north"));
                count += page.len();
                keys.extend(page.into_iter().map(|kept| (kept.number, kept.event_id)));
                last = Some(end);
            }
            assert_eq!((count, keys.len()), (3 * STEPS, 3 * STEPS), "pages of {limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_very_much_that_does_not_arrive_the_oldest_is_told_and_that_there_is_more() {
    each("much-undelivered", async |bed| {
        const PARK: &str = "INSERT INTO webhook_parked (order_id, log_partition, log_offset, reason, parked_at, skipped) \
            VALUES ($1, 0, $2, 'unknown', $2, 0)";
        let mut transaction = bed.store.begin().await.unwrap();
        for number in (0..1000_i64).rev() {
            transaction.execute(PARK, [Uuid::from_u128(number.unsigned_abs().into()).into(), number.into()]).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let (found, cut) = undelivered_or_cut(&bed.store, bed.now(), LATE_MS).await.unwrap();
        assert_eq!((found.len(), found[0].since, cut), (1000, 0, false));
        execute(&bed, PARK, vec![Uuid::from_u128(5000).into(), 5000.into()]).await;
        let (found, cut) = undelivered_or_cut(&bed.store, bed.now(), LATE_MS).await.unwrap();
        assert_eq!((found.len(), found[999].since, cut), (1000, 999, true));
    })
    .await;
}

#[tokio::test]
async fn what_does_not_arrive_is_told_until_it_does() {
    each("undelivered", async |bed| {
        let (late, _) = bed.endpoint("north", &[]).await;
        let (off, _) = bed.endpoint("north", &[]).await;
        bed.endpoints.update("north", off, Wish { enabled: Some(false), ..Wish::default() }).await.unwrap();
        assert_eq!(undelivered(&bed.store, bed.now(), LATE_MS).await.unwrap(), [], "nothing waits for it");
        life("north", 0, 0, NOW).iter().for_each(|event| bed.append(event));
        // Of a sandbox nobody is told, however long it waits.
        bed.endpoint("north:sandbox", &[]).await;
        let mut tried = life("north", 1, 0, NOW).remove(0);
        if let atelier_schemas::EventData::OrderCreated { sandbox, .. } = &mut tried.data {
            *sandbox = true;
        }
        bed.append(&tried);
        bed.read().await;
        let concerned = async || -> Vec<(Option<Uuid>, Option<Uuid>, Vec<String>)> {
            let found = undelivered(&bed.store, bed.now(), LATE_MS).await.unwrap();
            found.into_iter().map(|found| (found.endpoint_id, found.order_id, found.allowed)).collect()
        };
        let disabled = (Some(off), None, vec!["endpoint_enable".to_owned()]);
        assert_eq!(concerned().await, std::slice::from_ref(&disabled), "not late yet");
        bed.advance(LATE_MS);
        let order = (Some(late), Some(order_id(0)), vec!["endpoint_resend".to_owned()]);
        assert_eq!(concerned().await, [order.clone(), disabled.clone()]);
        let found = undelivered(&bed.store, bed.now(), LATE_MS).await.unwrap();
        assert_eq!((found[0].partner.as_str(), found[0].since), ("north", NOW + LATE_MS));

        const GIVE_UP: &str = "UPDATE webhook_deliveries SET state = 2, settled_at = 5 WHERE endpoint_id = $1";
        bed.put_down(late).await;
        execute(&bed, GIVE_UP, vec![late.into()]).await;
        assert_eq!(concerned().await, [order.clone(), disabled], "given up is not delivered");
        assert_eq!(bed.endpoints.resend("north", late, Resend::Failed(0)).await.unwrap(), 1);
        bed.endpoints.update("north", off, Wish { enabled: Some(true), ..Wish::default() }).await.unwrap();
        let mut worker = bed.dispatcher(1);
        let mut starts = worker.turn(vec![]).await.unwrap();
        while !starts.is_empty() {
            let finished = starts.iter().map(|start| super::lanes::answered(start, 200)).collect();
            starts = worker.turn(finished).await.unwrap();
        }
        assert_eq!(concerned().await, []);
    })
    .await;
}
