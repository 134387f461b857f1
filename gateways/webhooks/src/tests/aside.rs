//! Events that cannot be read: their orders wait, others go on, and nothing is lost.

use std::time::Duration;

use atelier_log::Log;
use atelier_schemas::{EventData, Framed, Topic, partition_of};
use uuid::Uuid;

use super::bed::{Bed, NOW, On, STEPS, each, life, order_id};
use crate::DeliveryFilter;
use crate::ingest::Ingest;

/// The events told of an order, in the order of their sequence, which has no gap.
async fn told(bed: &Bed, endpoint_id: Uuid, number: u32) -> Vec<Uuid> {
    let filter = DeliveryFilter { order_id: Some(order_id(number)), ..DeliveryFilter::default() };
    let mut log = bed.endpoints.deliveries("north", endpoint_id, &filter).await.unwrap().items;
    log.sort_by_key(|delivery| delivery.sequence);
    let sequences: Vec<i64> = log.iter().map(|delivery| delivery.sequence).collect();
    assert_eq!(sequences, (1..=log.len() as i64).collect::<Vec<_>>());
    log.iter().map(|delivery| delivery.event_id).collect()
}

/// Reads all there is; whether an order is to be tried again.
async fn read(ingest: &mut Ingest) -> bool {
    let mut again = false;
    loop {
        let ingested = ingest.turn(Duration::ZERO).await.unwrap();
        again |= ingested.again;
        if ingested.records == 0 {
            return again;
        }
    }
}

#[tokio::test]
async fn a_copy_of_an_event_under_another_orders_key_tells_its_partner_nothing() {
    each("foreign_key", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        let events: Vec<_> = (0..STEPS).flat_map(|nth| life("north", 0, nth, NOW)).collect();
        events.iter().for_each(|event| bed.append(event));
        let before = {
            let mut ingest = bed.ingest();
            read(&mut ingest).await;
            told(&bed, id, 0).await
        };
        let mut stray = events[0].clone();
        stray.order_id = order_id(1);
        bed.append_as(&stray, events[0].encode());
        let mut ingest = bed.ingest();
        assert!(!read(&mut ingest).await);
        assert_eq!((told(&bed, id, 0).await, bed.metrics.unreadable.get()), (before.clone(), 1));
        // The order goes on where it was.
        let mut held = events.last().unwrap().clone();
        held.version += 1;
        held.event_id = Uuid::from_u128(18);
        (held.after.held, held.data) = (true, EventData::OrderHeld { reason: "asked".into() });
        held.type_name = held.data.type_name().into();
        bed.append(&held);
        read(&mut ingest).await;
        assert_eq!(told(&bed, id, 0).await.len(), before.len() + 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_nobody_can_read_stops_its_order_alone_until_it_does_not_count() {
    each("unreadable", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        let mut expected = Vec::new();
        for nth in 0..STEPS {
            let [shown, unseen] = life("north", 0, nth, NOW).try_into().expect("two events");
            if nth == 3 {
                bed.append_as(&shown, b"garbage".to_vec());
                // It has the same status and is the first that can be read with it.
                expected.push(unseen.event_id);
            } else {
                bed.append(&shown);
                expected.push(shown.event_id);
            }
            bed.append(&unseen);
            life("north", 1, nth, NOW).iter().for_each(|event| bed.append(event));
        }
        // Of another channel: nothing is told of it, and nobody waits.
        let mut shop = life("north", 2, 1, NOW)[0].clone();
        shop.order_id = order_id(2);
        bed.append_as(&shop, b"garbage".to_vec());
        let mut ingest = bed.ingest();
        assert!(!read(&mut ingest).await);
        assert_eq!((told(&bed, id, 0).await.len(), told(&bed, id, 1).await.len()), (3, STEPS));
        assert_eq!(bed.metrics.unreadable.get(), 2);
        assert!(ingest.try_again().await.unwrap().is_empty(), "it cannot be read yet");
        assert_eq!((told(&bed, id, 0).await.len(), bed.number("SELECT COUNT(*) FROM webhook_parked").await), (3, 1));

        let mut skip = life("north", 0, STEPS - 1, NOW)[1].clone();
        skip.version += 1;
        skip.event_id = Uuid::from_u128(17);
        skip.data = EventData::RecordsSkipped {
            offsets: vec![bed.number("SELECT log_offset FROM webhook_parked").await],
            reason: "it says nothing".into(),
        };
        skip.type_name = skip.data.type_name().into();
        bed.append(&skip);
        assert!(read(&mut ingest).await);
        assert_eq!(ingest.try_again().await.unwrap().into_iter().collect::<Vec<_>>(), [id]);
        assert_eq!(told(&bed, id, 0).await, expected);
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_parked").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_an_older_program_could_not_read_a_newer_one_tells() {
    each("upgraded", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        let events: Vec<_> = (0..STEPS).flat_map(|nth| life("north", 0, nth, NOW)).collect();
        events[..6].iter().for_each(|event| bed.append(event));
        bed.read().await;
        // The older one meets the seventh event and goes on with others.
        let mut transaction = bed.store.begin().await.unwrap();
        const PARK: &str = "INSERT INTO webhook_parked (order_id, log_partition, log_offset, reason, parked_at, skipped) \
            SELECT $1, log_partition, next, 'another schema', 0, 0 FROM webhook_offsets WHERE next > 0";
        assert_eq!(transaction.execute(PARK, [order_id(0).into()]).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        events[6..].iter().for_each(|event| bed.append(event));
        let mut ingest = bed.ingest();
        read(&mut ingest).await;
        assert_eq!(told(&bed, id, 0).await.len(), 3);
        assert_eq!(ingest.try_again().await.unwrap().len(), 1);
        let shown: Vec<Uuid> = events.iter().step_by(2).map(|event| event.event_id).collect();
        assert_eq!(told(&bed, id, 0).await, shown);
        assert!(ingest.try_again().await.unwrap().is_empty());
        assert_eq!(told(&bed, id, 0).await, shown, "once");
    })
    .await;
}

#[tokio::test]
async fn orders_that_stay_unreadable_do_not_stand_in_the_way_of_others() {
    let bed = Bed::new(On::Sqlite, "many").await;
    let (id, _) = bed.endpoint("north", &[]).await;
    for number in 1..=120 {
        bed.append_as(&life("north", number, 0, NOW)[0], b"garbage".to_vec());
    }
    life("north", 0, 0, NOW).iter().for_each(|event| bed.append(event));
    bed.read().await;
    // An older program did not understand the last of them.
    let mut transaction = bed.store.begin().await.unwrap();
    const PARK: &str = "INSERT INTO webhook_parked (order_id, log_partition, log_offset, reason, parked_at, skipped) \
        VALUES ($1, $2, $3, 'another schema', $4, 0)";
    let partition = partition_of(&order_id(0), 3);
    let offset = bed.log.end(Topic::Events, partition).unwrap() - 2;
    let values = [order_id(0).into(), i64::from(partition).into(), offset.cast_signed().into(), i64::MAX.into()];
    transaction.execute(PARK, values).await.unwrap();
    for table in ["DELETE FROM webhook_orders", "DELETE FROM webhook_messages"] {
        transaction.execute(table, []).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mut ingest = bed.ingest();
    let first = ingest.try_again().await.unwrap();
    let second = ingest.try_again().await.unwrap();
    assert!(first.is_empty() && second.contains(&id), "a hundred at once, and the others after them");
    assert_eq!(told(&bed, id, 0).await.len(), 1);
}
