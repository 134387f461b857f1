//! An hour of events to receivers that fail, hang, restart and lie, with workers that die; then peace. Every
//! event must be there, in order per order, once after de-duplication by id.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use uuid::Uuid;

use super::bed::{Bed, NOW, On, STEPS, life, order_id};
use super::receiver::{Mood, Receiver};
use crate::dispatch::{Dispatcher, Finished, Key};

const HOUR: i64 = 3_600_000;
const ORDERS: u32 = 120;
/// Short enough for leases to be renewed in time.
const STEP: i64 = 900;

/// A worker: its dispatcher and what it has under way, by when that ends.
struct Worker {
    dispatcher: Dispatcher,
    under_way: BinaryHeap<Reverse<(i64, Key)>>,
    finished: BTreeMap<Key, Finished>,
}

impl Worker {
    fn new(bed: &Bed, seed: u64) -> Self {
        Self { dispatcher: bed.dispatcher(seed), under_way: BinaryHeap::new(), finished: BTreeMap::new() }
    }

    fn ready(&mut self, now: i64) -> Vec<Finished> {
        let mut ready = Vec::new();
        while self.under_way.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, key))) = self.under_way.pop() else { break };
            ready.extend(self.finished.remove(&key));
        }
        ready
    }
}

/// Moods change every few minutes, each endpoint's by itself.
fn mood(endpoint: usize, now: i64, peace: i64) -> Mood {
    const MOODS: [Mood; 7] = [Mood::Well, Mood::Fails, Mood::Hangs, Mood::Restarts, Mood::Lies, Mood::Busy, Mood::Redirects];
    // One partner's endpoint is well all along.
    if now >= peace || endpoint == 0 {
        return Mood::Well;
    }
    let mut random = fastrand::Rng::with_seed((endpoint as u64) << 32 | ((now - NOW) / 200_000) as u64);
    MOODS[random.usize(0..MOODS.len())]
}

async fn hour(on: On) {
    let bed = Bed::new(on, "hour").await;
    let mut random = fastrand::Rng::with_seed(5);
    let wants: [(&str, &[&str]); 4] =
        [("north", &[]), ("north", &[]), ("south", &["order.created", "order.status_changed"]), ("south", &[])];
    let mut endpoints = Vec::new();
    for (partner, events) in wants {
        endpoints.push((bed.endpoint(partner, events).await.0, partner, events));
    }
    // Each order's events at random times of the hour, in their order.
    let mut due: Vec<(i64, u32, usize)> = Vec::new();
    for number in 0..ORDERS {
        let mut times: Vec<i64> = (0..STEPS).map(|_| NOW + random.i64(0..HOUR)).collect();
        times.sort_unstable();
        due.extend(times.into_iter().enumerate().map(|(nth, at)| (at, number, nth)));
    }
    due.sort_unstable();
    due.reverse();

    let mut ingest = bed.ingest();
    let mut workers = vec![Worker::new(&bed, 1), Worker::new(&bed, 2)];
    let mut receiver = Receiver::default();
    let (peace, mut kills, mut turns) = (NOW + HOUR, 0, 0_u64);
    loop {
        let now = bed.now();
        while due.last().is_some_and(|(at, ..)| *at <= now) {
            let Some((at, number, nth)) = due.pop() else { break };
            let partner = if number % 2 == 0 { "north" } else { "south" };
            life(partner, number, nth, at).iter().for_each(|event| bed.append(event));
        }
        let read = ingest.turn(Duration::ZERO).await.unwrap();
        for worker in &mut workers {
            worker.dispatcher.wake(&read.endpoints);
            let finished = worker.ready(now);
            for start in worker.dispatcher.turn(finished).await.unwrap() {
                let which = endpoints.iter().position(|(id, ..)| *id == start.key.endpoint_id).unwrap();
                let (attempt, takes_ms) = receiver.receive(&start, mood(which, now, peace));
                worker.under_way.push(Reverse((now + takes_ms, start.key)));
                worker.finished.insert(start.key, Finished { key: start.key, tries: start.tries, epoch: start.epoch, attempt });
            }
        }
        turns += 1;
        // A worker dies with all it had under way, and another one comes.
        if now < peace && turns % 150 == 0 {
            let which = random.usize(0..workers.len());
            workers[which] = Worker::new(&bed, turns);
            kills += 1;
        }
        let open = bed.number("SELECT COUNT(*) FROM webhook_heads").await + bed.number(UNTAKEN).await;
        if now >= peace && due.is_empty() && open == 0 && workers.iter().all(|worker| worker.under_way.is_empty()) {
            break;
        }
        let ends = workers.iter().filter_map(|worker| worker.under_way.peek().map(|Reverse((at, _))| *at)).min();
        let idle = workers.iter().all(|worker| worker.dispatcher.is_idle());
        let next = match ends {
            Some(at) => at.clamp(now + 1, now + STEP),
            None if idle && now >= peace => bed.number("SELECT MIN(ready_at) FROM webhook_endpoints").await.clamp(now + 1, now + HOUR),
            None => now + STEP,
        };
        bed.advance(next - now);
        assert!(turns < 100_000, "it does not end: {open} heads and messages are left");
    }
    assert!(kills >= 20, "{kills}");
    assert!(receiver.duplicates > 0, "lies and deaths make duplicates, or this test tests nothing");
    let expected = |events: &[&str]| -> Vec<i64> {
        let kinds = ["order.created", "order.status_changed", "order.status_changed", "order.status_changed", "order.status_changed"];
        let all = kinds.into_iter().chain(["order.held", "order.resumed", "order.status_changed"]);
        (1..).zip(all).filter(|(_, kind)| events.is_empty() || events.contains(kind)).map(|(nth, _)| nth).collect()
    };
    for (endpoint_id, partner, events) in &endpoints {
        for number in (0..ORDERS).filter(|number| (number % 2 == 0) == (*partner == "north")) {
            let seen = receiver.received.get(&(*endpoint_id, order_id(number))).cloned().unwrap_or_default();
            let sequences: Vec<i64> = seen.iter().map(|(sequence, _)| *sequence).collect();
            assert_eq!(sequences, expected(events), "order {number} at {endpoint_id}");
            for (sequence, id) in seen {
                assert_eq!(id, Uuid::new_v5(&order_id(number), &(sequence * 2 - 1).to_be_bytes()).to_string());
            }
        }
    }
    assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_deliveries WHERE state <> 1").await, 0);
    // Every message of every endpoint is accounted for.
    let wanted: usize = wants.iter().map(|(_, events)| expected(events).len() * (ORDERS as usize / 2)).sum();
    assert_eq!(bed.number("SELECT COUNT(*) FROM webhook_deliveries").await, wanted as i64);
}

const UNTAKEN: &str = "SELECT COUNT(*) FROM webhook_endpoints e JOIN webhook_messages m ON m.partner = e.partner AND m.number > e.taken";

#[tokio::test]
async fn after_an_hour_of_trouble_everything_is_there_in_order_on_sqlite() {
    hour(On::Sqlite).await;
}

#[tokio::test]
async fn after_an_hour_of_trouble_everything_is_there_in_order_on_postgresql() {
    hour(On::Postgres).await;
}
