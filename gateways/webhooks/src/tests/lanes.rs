//! Lanes: first in, first out per order; leases; circuits; disabling; old rows.

use std::time::Duration;

use super::bed::{Bed, NOW, STEPS, each, life, order_id};
use crate::dispatch::{Dispatcher, Finished, Start};
use crate::housekeeping::{Retention, prune, set_gauges};
use crate::send::{Answer, Attempt};
use crate::{DeliveryFilter, Error, LATE_MS, Limits, PATIENCE_MS, Resend, State, Wish};

pub(super) fn answered(start: &Start, code: u16) -> Finished {
    let answer = Answer::Status { code, body: "so be it".into(), retry_after: None };
    Finished { key: start.key, tries: start.tries, epoch: start.epoch, attempt: Attempt { answer, duration_ms: 7 } }
}

fn sequences(starts: &[Start]) -> Vec<i64> {
    let mut sequences: Vec<i64> = starts.iter().map(|start| start.key.sequence).collect();
    sequences.sort_unstable();
    sequences
}

/// All events of the life of these orders, read.
async fn lived(bed: &Bed, partner: &str, orders: std::ops::Range<u32>) {
    for number in orders {
        for nth in 0..STEPS {
            life(partner, number, nth, bed.now()).iter().for_each(|event| bed.append(event));
        }
    }
    bed.read().await;
}

#[tokio::test]
async fn an_order_has_one_message_under_way_and_waits_for_it() {
    each("fifo", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..2).await;
        let mut worker = bed.dispatcher(1);
        let starts = worker.turn(vec![]).await.unwrap();
        assert_eq!(sequences(&starts), [1, 1], "the first of both orders");
        assert_eq!(sequences(&worker.turn(vec![]).await.unwrap()), [0_i64; 0]);
        // The first order's is refused, the second one's arrives: only the second goes on.
        let finished = vec![answered(&starts[0], 500), answered(&starts[1], 204)];
        let next = worker.turn(finished).await.unwrap();
        assert_eq!(next.iter().map(|start| (start.key.order_id, start.key.sequence)).collect::<Vec<_>>(), [(starts[1].key.order_id, 2)]);
        let mut finished = vec![answered(&next[0], 200)];
        bed.advance(6001);
        let mut seen = Vec::new();
        // The lane failed and recovered: it has been without a turn too long, as a process that was stopped.
        assert!(matches!(worker.turn(std::mem::take(&mut finished)).await, Err(Error::Late)));
        worker.forget();
        for _ in 0..40 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            finished.extend(starts.iter().map(|start| answered(start, 200)));
            seen.extend(starts.into_iter().map(|start| start.key));
        }
        for number in 0..2 {
            let order: Vec<i64> = seen.iter().filter(|key| key.order_id == order_id(number)).map(|key| key.sequence).collect();
            let first = if order_id(number) == starts[0].key.order_id { 1 } else { 2 };
            assert_eq!(order, (first..=STEPS as i64).collect::<Vec<_>>());
        }
        assert!(worker.is_idle(), "an idle lane is let go");
        let log = bed.endpoints.deliveries("north", id, &DeliveryFilter::default()).await.unwrap();
        assert_eq!((log.items.len(), log.items[0].last_answer.as_deref()), (16, Some("so be it")));
        assert!(log.items.iter().any(|delivery| delivery.attempts == 2));
    })
    .await;
}

#[tokio::test]
async fn a_lane_has_one_holder_and_another_when_that_one_is_gone() {
    each("lease", async |bed| {
        bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..1).await;
        let (mut one, mut two) = (bed.dispatcher(1), bed.dispatcher(2));
        let starts = one.turn(vec![]).await.unwrap();
        assert_eq!(starts.len(), 1);
        for _ in 0..5 {
            bed.advance(1500);
            assert!(one.turn(vec![]).await.unwrap().is_empty(), "renewed while its message is under way");
            assert!(two.turn(vec![]).await.unwrap().is_empty());
        }
        // No turn of the first any more: the second takes over and sends the same.
        bed.advance(3999);
        assert!(two.turn(vec![]).await.unwrap().is_empty());
        bed.advance(1);
        let again = two.turn(vec![]).await.unwrap();
        assert_eq!((again[0].key, &again[0].message.id), (starts[0].key, &starts[0].message.id));
        assert!(one.is_late(), "and the first has stopped by then");
        assert!(one.turn(vec![answered(&starts[0], 200)]).await.is_err());
        two.turn(vec![answered(&again[0], 200)]).await.unwrap();
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_deliveries WHERE state = 1").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_failing_endpoint_has_one_place_then_none_and_takes_nothing_from_others() {
    each("circuit", async |bed| {
        let (bad, _) = bed.endpoint("north", &[]).await;
        let (good, _) = bed.endpoint("south", &[]).await;
        lived(&bed, "north", 0..20).await;
        lived(&bed, "south", 20..40).await;
        let mut worker = bed.dispatcher(1);
        let mut finished = Vec::new();
        let (mut most, mut tried, mut arrived) = (0, 0, 0);
        for turn in 0..60 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            let to_bad = starts.iter().filter(|start| start.key.endpoint_id == bad).count();
            if turn > 0 {
                most = most.max(to_bad);
            }
            tried += to_bad;
            arrived += starts.len() - to_bad;
            finished.extend(starts.iter().map(|start| answered(start, if start.key.endpoint_id == good { 200 } else { 503 })));
            bed.advance(100);
        }
        assert_eq!((most, arrived), (1, 20 * STEPS));
        assert_eq!(tried, 5, "two at first, then one by one; the fifth in a row opened the circuit");
        let endpoint = bed.endpoints.get("north", bad).await.unwrap();
        assert_eq!((endpoint.state, endpoint.failures, endpoint.last_failure.as_deref()), (State::CircuitOpen, 5, Some("it answered 503")));
        assert!(bed.endpoints.get("south", bad).await.is_err(), "nobody else's business");
        set_gauges(&bed.store, &bed.clock(), &bed.metrics).await.unwrap();
        // Back: what had failed before comes first, and all of it at once rather than by its schedule.
        bed.advance(3 * 60_000);
        let mut seen = 0;
        for _ in 0..200 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            seen += starts.len();
            finished.extend(starts.iter().map(|start| answered(start, 200)));
            bed.advance(10);
        }
        assert_eq!(seen, 20 * STEPS);
        assert_eq!(bed.endpoints.get("north", bad).await.unwrap().state, State::Ok);
    })
    .await;
}

#[tokio::test]
async fn gone_disables_and_enabling_sends_what_has_waited() {
    each("gone", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..1).await;
        let mut worker = bed.dispatcher(1);
        let starts = worker.turn(vec![]).await.unwrap();
        assert!(worker.turn(vec![answered(&starts[0], 410)]).await.unwrap().is_empty());
        let endpoint = bed.endpoints.get("north", id).await.unwrap();
        assert_eq!((endpoint.state, endpoint.disabled_why.as_deref()), (State::Disabled, Some("it answered 410 Gone")));
        lived(&bed, "north", 1..2).await;
        bed.advance(10 * PATIENCE_MS);
        assert!(worker.turn(vec![]).await.unwrap().is_empty());
        assert!(bed.endpoints.resend("north", id, Resend::Since(0)).await.is_err(), "not while it is disabled");
        let enabled = Wish { enabled: Some(true), ..Wish::default() };
        assert_eq!(bed.endpoints.update("north", id, enabled).await.unwrap().state, State::Ok);
        let mut finished = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..2 * STEPS + 2 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            finished.extend(starts.iter().map(|start| answered(start, 200)));
            seen.extend(starts);
        }
        let all: Vec<i64> = (1..=STEPS as i64).flat_map(|sequence| [sequence, sequence]).collect();
        assert_eq!(sequences(&seen), all, "nothing was lost");
        // And by hand.
        let disabled = Wish { enabled: Some(false), ..Wish::default() };
        bed.endpoints.update("north", id, disabled).await.unwrap();
        lived(&bed, "north", 2..3).await;
        assert!(worker.turn(vec![]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_fails_at_an_old_address_says_nothing_of_the_new_one() {
    each("moved", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..2).await;
        let mut worker = bed.dispatcher(1);
        let starts = worker.turn(vec![]).await.unwrap();
        let there = Wish { url: Some("http://127.0.0.1:10/there".into()), ..Wish::default() };
        bed.endpoints.update("north", id, there).await.unwrap();
        let finished = vec![answered(&starts[0], 410), answered(&starts[1], 200)];
        let again = worker.turn(finished).await.unwrap();
        assert_eq!(sequences(&again), [1, 2], "what was refused there is sent here at once, and what arrived has arrived");
        assert!(again.iter().all(|start| start.message.url.ends_with("/there") && start.fresh.is_none() == (start.key.sequence == 1)));
        let endpoint = bed.endpoints.get("north", id).await.unwrap();
        assert_eq!((endpoint.state, endpoint.failures), (State::Ok, 0));
    })
    .await;
}

#[tokio::test]
async fn what_was_found_and_is_not_sent_is_found_again_as_it_is_then() {
    each("withdrawn", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..40).await;
        let mut worker = bed.dispatcher(1);
        let mut starts = worker.turn(vec![]).await.unwrap();
        while starts.len() <= Limits::default().per_endpoint {
            let finished = starts.iter().map(|start| answered(start, 200)).collect();
            starts = worker.turn(finished).await.unwrap();
        }
        assert!(worker.take_changed().is_empty());
        let there = Wish { url: Some("http://127.0.0.1:10/there".into()), ..Wish::default() };
        bed.endpoints.update("north", id, there).await.unwrap();
        // One was under way, the others waited.
        let last = starts.pop().unwrap();
        assert!(worker.turn(vec![answered(&last, 200)]).await.unwrap().iter().all(|start| start.message.url.ends_with("/there")));
        assert_eq!(worker.take_changed().into_iter().collect::<Vec<_>>(), [id], "what waits must not go to the old address");
        let withdrawn: Vec<_> = starts.iter().map(|start| start.key).collect();
        worker.take_back(&withdrawn);
        let mut again = Vec::new();
        let mut finished = Vec::new();
        for _ in 0..10 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            finished.extend(starts.iter().map(|start| answered(start, 200)));
            again.extend(starts);
        }
        for key in withdrawn {
            let found = again.iter().find(|start| start.key == key).expect("it is found again");
            assert!(found.message.url.ends_with("/there"));
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_was_enabled_meanwhile_is_not_let_go_as_a_disabled_one() {
    each("enabled", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..2).await;
        let mut worker = bed.dispatcher(1);
        let keys: Vec<_> = worker.turn(vec![]).await.unwrap().iter().map(|start| start.key).collect();
        let enabled = |enabled| Wish { enabled: Some(enabled), ..Wish::default() };
        bed.endpoints.update("north", id, enabled(false)).await.unwrap();
        // Long enough for the lease to be renewed, which reads every row.
        bed.advance(1100);
        assert!(worker.turn(vec![]).await.unwrap().is_empty());
        assert_eq!(worker.take_changed().len(), 1);
        bed.endpoints.update("north", id, enabled(true)).await.unwrap();
        worker.take_back(&keys);
        let again: Vec<_> = worker.turn(vec![]).await.unwrap().iter().map(|start| start.key).collect();
        assert_eq!(again, keys);
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_again_is_sent_now_and_is_late_from_now_on() {
    each("asked", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..1).await;
        let mut worker = bed.dispatcher(1);
        let mut finished = Vec::new();
        for _ in 0..STEPS {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            finished.extend(starts.iter().map(|start| answered(start, 200)));
        }
        worker.turn(finished).await.unwrap();
        // Much later another one fails until nothing is sent any more.
        bed.advance(20 * LATE_MS);
        worker.forget();
        lived(&bed, "north", 1..6).await;
        let mut finished = Vec::new();
        for _ in 0..8 {
            let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
            finished.extend(starts.iter().map(|start| answered(start, 500)));
        }
        assert!(finished.is_empty());
        assert_eq!(bed.endpoints.get("north", id).await.unwrap().state, State::CircuitOpen);
        assert_eq!(bed.endpoints.resend("north", id, Resend::Since(0)).await.unwrap(), 6 * STEPS as u64);
        assert!(!worker.turn(vec![]).await.unwrap().is_empty(), "the circuit is closed");
        assert!(bed.endpoints.undelivered(LATE_MS).await.unwrap().0.is_empty(), "old events, but nothing waits for long");
        bed.advance(LATE_MS + 1);
        assert!(!bed.endpoints.undelivered(LATE_MS).await.unwrap().0.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_message_nobody_can_digest_is_given_up_by_name_and_can_be_sent_again() {
    each("given_up", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..1).await;
        let mut worker = bed.dispatcher(1);
        let mut finished: Vec<Finished> = Vec::new();
        let mut tried = 0;
        let (mut number, mut seen) = (100, Vec::new());
        while bed.now() < NOW + PATIENCE_MS + 20 * 3_600_000 {
            // Others' messages arrive all the time.
            life("north", number, 0, bed.now()).iter().for_each(|event| bed.append(event));
            number += 1;
            bed.read().await;
            loop {
                let starts = worker.turn(std::mem::take(&mut finished)).await.unwrap();
                if starts.is_empty() {
                    break;
                }
                for start in &starts {
                    let poison = start.key.order_id == order_id(0) && start.key.sequence == 1;
                    tried += u32::from(poison);
                    seen.push(start.key);
                    finished.push(answered(start, if poison { 400 } else { 200 }));
                }
            }
            bed.advance(1_800_000);
            worker.forget();
        }
        assert!((10..=13).contains(&tried), "{tried}");
        let filter = DeliveryFilter { state: Some(crate::DeliveryState::GivenUp), ..DeliveryFilter::default() };
        let given_up = bed.endpoints.deliveries("north", id, &filter).await.unwrap().items;
        assert_eq!((given_up.len(), given_up[0].sequence, given_up[0].last_status), (1, 1, Some(400)));
        let order: Vec<i64> = seen.iter().filter(|key| key.order_id == order_id(0) && key.sequence > 1).map(|key| key.sequence).collect();
        assert_eq!(order, (2..=STEPS as i64).collect::<Vec<_>>(), "its order went on then");
        // By hand: this one, then all of it, each in its order.
        assert_eq!(bed.endpoints.resend("north", id, Resend::Failed(0)).await.unwrap(), 1);
        let starts = worker.turn(vec![]).await.unwrap();
        assert_eq!(sequences(&starts), [1]);
        worker.turn(vec![answered(&starts[0], 200)]).await.unwrap();
        assert_eq!(bed.endpoints.resend("north", id, Resend::One(given_up[0].event_id)).await.unwrap(), 1);
        assert!(bed.endpoints.resend("north", id, Resend::One(id)).await.is_err());
        assert_eq!(worker.turn(vec![]).await.unwrap()[0].message.id, given_up[0].event_id.to_string().into());
    })
    .await;
}

#[tokio::test]
async fn a_deleted_endpoint_harms_nobody_and_old_rows_go() {
    each("deleted", async |bed| {
        let (doomed, _) = bed.endpoint("north", &[]).await;
        let (other, _) = bed.endpoint("north", &["order.held"]).await;
        lived(&bed, "north", 0..5).await;
        let mut worker = bed.dispatcher(1);
        let starts = worker.turn(vec![]).await.unwrap();
        bed.endpoints.delete("north", doomed).await.unwrap();
        let finished: Vec<Finished> = starts.iter().map(|start| answered(start, 200)).collect();
        let mut finished = worker.turn(finished).await.unwrap().iter().map(|start| answered(start, 200)).collect::<Vec<_>>();
        bed.advance(1100);
        for _ in 0..6 {
            finished = worker.turn(finished).await.unwrap().iter().map(|start| answered(start, 200)).collect();
        }
        assert!(worker.is_idle());
        let log = bed.endpoints.deliveries("north", other, &DeliveryFilter::default()).await.unwrap();
        assert_eq!(log.items.len(), 5);
        assert!(log.items.iter().all(|delivery| delivery.event_type == "order.held" && delivery.settled_at.is_some()));
        let keep = |age_ms, count| Retention { age_ms, count };
        assert_eq!(prune(&bed.store, &bed.clock(), keep(60_000, 100)).await.unwrap(), 0);
        bed.advance(61_000);
        lived(&bed, "north", 5..6).await;
        assert_eq!(prune(&bed.store, &bed.clock(), keep(60_000, 100)).await.unwrap(), 5, "what is pending stays");
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_deliveries").await, 0);
        let mut starts = worker.turn(vec![]).await.unwrap();
        while !starts.is_empty() {
            starts = worker.turn(starts.iter().map(|start| answered(start, 200)).collect()).await.unwrap();
        }
        bed.advance(61_000);
        assert_eq!(prune(&bed.store, &bed.clock(), keep(60_000, 100)).await.unwrap(), 1);
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_messages").await, 0, "nobody needs any");
    })
    .await;
}

#[tokio::test]
async fn one_that_was_sent_again_keeps_no_others() {
    each("oldest", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        lived(&bed, "north", 0..3).await;
        let mut worker = bed.dispatcher(1);
        let through = async |worker: &mut Dispatcher| {
            let mut starts = worker.turn(vec![]).await.unwrap();
            while !starts.is_empty() {
                starts = worker.turn(starts.iter().map(|start| answered(start, 200)).collect()).await.unwrap();
            }
        };
        through(&mut worker).await;
        bed.advance(61_000);
        let all = bed.endpoints.deliveries("north", id, &DeliveryFilter::default()).await.unwrap().items;
        let oldest = all.last().unwrap().event_id;
        assert_eq!((all.len(), bed.endpoints.resend("north", id, Resend::One(oldest)).await.unwrap()), (3 * STEPS, 1));
        through(&mut worker).await;
        let keep = Retention { age_ms: 60_000, count: 100 };
        assert_eq!(prune(&bed.store, &bed.clock(), keep).await.unwrap(), 3 * STEPS as u64 - 1);
        let left = bed.endpoints.deliveries("north", id, &DeliveryFilter::default()).await.unwrap().items;
        assert_eq!(left.iter().map(|delivery| delivery.event_id).collect::<Vec<_>>(), [oldest]);
    })
    .await;
}

#[tokio::test]
async fn two_processes_read_the_same_events_once() {
    each("ingest", async |bed| {
        let (id, _) = bed.endpoint("north", &[]).await;
        let (mut one, mut two) = (bed.ingest(), bed.ingest());
        one.turn(Duration::ZERO).await.unwrap();
        two.turn(Duration::ZERO).await.unwrap();
        for nth in 0..STEPS {
            life("north", 0, nth, NOW).iter().for_each(|event| bed.append(event));
        }
        assert_eq!(one.turn(Duration::ZERO).await.unwrap().endpoints.into_iter().collect::<Vec<_>>(), [id]);
        assert!(matches!(two.turn(Duration::ZERO).await, Err(Error::Moved)));
        assert_eq!(two.turn(Duration::ZERO).await.unwrap().records, 0);
        // Of what one of them has read already, only what the other one has not written counts.
        life("north", 1, 0, NOW).iter().for_each(|event| bed.append(event));
        one.turn(Duration::ZERO).await.unwrap();
        life("north", 2, 0, NOW).iter().for_each(|event| bed.append(event));
        assert!(matches!(two.turn(Duration::ZERO).await, Err(Error::Moved)));
        assert_eq!(two.turn(Duration::ZERO).await.unwrap().records, 2);
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_messages").await, STEPS as i64 + 2);
        // Another partner's and the shop's orders are nobody's business here.
        life("south", 3, 0, NOW).iter().for_each(|event| bed.append(event));
        assert!(two.turn(Duration::ZERO).await.unwrap().endpoints.is_empty());
        assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_messages").await, STEPS as i64 + 2);
    })
    .await;
}
