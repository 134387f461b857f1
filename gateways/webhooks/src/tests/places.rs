//! Where endpoints stand among their partner's messages: what has arrived and has a row, what has none, what was wanted.

use super::bed::{Bed, STEPS, each, life, order_id};
use super::lanes::answered;
use crate::dispatch::{Dispatcher, Start};
use crate::{DeliveryFilter, DeliveryState, Wish};

/// The first message of these orders, read.
async fn created(bed: &Bed, orders: std::ops::Range<u32>) {
    for number in orders {
        life("north", number, 0, bed.now()).iter().for_each(|event| bed.append(event));
    }
    bed.read().await;
}

/// Sends all there is; what was sent.
async fn drain(worker: &mut Dispatcher) -> Vec<Start> {
    let mut sent = Vec::new();
    let mut starts = worker.turn(vec![]).await.unwrap();
    while !starts.is_empty() {
        let finished = starts.iter().map(|start| answered(start, 200)).collect();
        sent.extend(std::mem::take(&mut starts));
        starts = worker.turn(finished).await.unwrap();
    }
    sent
}

#[tokio::test]
async fn whoever_takes_a_lane_over_sends_only_what_has_not_arrived() {
    each("overtaken", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        created(&bed, 0..20).await;
        let mut one = bed.dispatcher(1);
        let mut starts = one.turn(vec![]).await.unwrap();
        let slow = starts.remove(0);
        let mut arrived = 0;
        // Everything else arrives, and is written down, while the first one is under way.
        while !starts.is_empty() {
            arrived += starts.len();
            starts = one.turn(starts.iter().map(|start| answered(start, 200)).collect()).await.unwrap();
        }
        assert_eq!((arrived, bed.number("SELECT COUNT(*) FROM webhook_deliveries WHERE state = 1").await), (19, 19));
        assert_eq!(bed.number("SELECT MAX(taken) FROM webhook_endpoints").await, slow.key.number - 1, "not further than the slow one");
        let pending = DeliveryFilter { state: Some(DeliveryState::Pending), ..DeliveryFilter::default() };
        let log = bed.endpoints.deliveries("north", id, &pending).await.unwrap();
        assert_eq!(log.items.iter().map(|delivery| delivery.order_id).collect::<Vec<_>>(), [slow.key.order_id]);
        drop(one);
        bed.advance(4000);
        let mut two = bed.dispatcher(2);
        assert_eq!(drain(&mut two).await.iter().map(|start| start.key).collect::<Vec<_>>(), [slow.key]);
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_deliveries WHERE state = 1").await, 20);
        assert_eq!(bed.number("SELECT MIN(taken) FROM webhook_endpoints").await, bed.number("SELECT last FROM webhook_numbers").await);
    })
    .await;
}

#[tokio::test]
async fn what_fails_and_what_is_in_hand_gets_a_row_and_nothing_is_sent_twice() {
    each("put-down", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        created(&bed, 0..40).await;
        let mut worker = bed.dispatcher(1);
        let first = worker.turn(vec![]).await.unwrap();
        let mut under_way = worker.turn(first.iter().map(|start| answered(start, 200)).collect()).await.unwrap();
        assert!(under_way.len() > 4, "it takes more, seeing that they arrive");
        let refused = under_way.remove(0);
        assert!(worker.turn(vec![answered(&refused, 500)]).await.unwrap().is_empty());
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_heads").await, under_way.len() as i64 + 1);
        // The others were under way, and arrive.
        let mut sent: Vec<i64> = first.iter().chain(&under_way).map(|start| start.key.number).collect();
        let mut starts = worker.turn(under_way.iter().map(|start| answered(start, 200)).collect()).await.unwrap();
        for _ in 0..20 {
            sent.extend(starts.iter().map(|start| start.key.number));
            let finished = starts.iter().map(|start| answered(start, 200)).collect();
            bed.advance(1000);
            starts = worker.turn(finished).await.unwrap();
        }
        sent.sort_unstable();
        assert_eq!(sent.len(), 40, "each once, but the one that was refused");
        sent.dedup();
        assert_eq!(sent.len(), 40);
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_heads").await, 0);
        let log = bed.endpoints.deliveries("north", id, &DeliveryFilter { limit: Some(200), ..DeliveryFilter::default() }).await.unwrap();
        let twice: Vec<_> = log.items.iter().filter(|delivery| delivery.attempts == 2).map(|delivery| delivery.order_id).collect();
        assert_eq!((log.items.len(), twice), (40, vec![refused.key.order_id]));
        assert!(log.items.iter().all(|delivery| delivery.state == DeliveryState::Delivered));
    })
    .await;
}

#[tokio::test]
async fn what_waits_goes_by_what_was_wished_for_when_it_came() {
    each("wished", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        let wish = |enabled, events: &[&str]| Wish {
            enabled: Some(enabled),
            events: Some(events.iter().map(|event| (*event).to_owned()).collect()),
            ..Wish::default()
        };
        bed.endpoints.update("north", id, Wish { enabled: Some(false), ..Wish::default() }).await.unwrap();
        let live = async |number: u32| {
            (0..STEPS).flat_map(|nth| life("north", number, nth, bed.now())).for_each(|event| bed.append(&event));
            bed.read().await;
        };
        live(0).await;
        bed.endpoints.update("north", id, wish(false, &["order.held"])).await.unwrap();
        live(1).await;
        let log = bed.endpoints.deliveries("north", id, &DeliveryFilter::default()).await.unwrap();
        assert_eq!(log.items.len(), STEPS + 1, "all of the first order, and that the second was held");
        bed.endpoints.update("north", id, wish(true, &["order.held", "order.created"])).await.unwrap();
        live(2).await;
        let sent = drain(&mut bed.dispatcher(1)).await;
        let of = |number: u32| -> Vec<(i64, i64)> {
            let order = sent.iter().filter(|start| start.key.order_id == order_id(number));
            let body = |start: &Start| serde_json::from_slice::<serde_json::Value>(&start.message.body).unwrap();
            order.map(|start| (start.key.sequence, body(start)["data"]["previous_sequence"].as_i64().unwrap())).collect()
        };
        assert_eq!(of(0), (1..=STEPS as i64).map(|sequence| (sequence, sequence - 1)).collect::<Vec<_>>());
        assert_eq!(of(1), [(6, 0)]);
        assert_eq!(of(2), [(1, 0), (6, 1)], "it says what it was sent before");
    })
    .await;
}
