//! Offsets and rows move together: across restarts, and with several runners at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use atelier_log::memory::Memory;
use atelier_log::{Appending, Log, Membership, NewRecord, Owner, Partition, Reader, Subscription};
use atelier_projections::{Feed, Metrics, Model, Runner};
use atelier_schemas::{Event, Topic};
use tokio::runtime::Handle;

use crate::bed::{Bed, assert_same, run, run_through, settle, until};
use crate::script::{Order, append, append_all, append_raw, many, to_the_customer, to_the_works};

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_goes_on_where_the_last_one_ended() {
    for bed in Bed::both() {
        let events = many(60);
        let (log, whole) = (Memory::new(4), Bed::sqlite());
        let half = events.len() / 2;
        append_all(&log, &events[..half]).await;
        run_through(&bed.store().await, &log).await;
        append_all(&log, &events[half..]).await;
        run_through(&bed.store().await, &log).await;
        run_through(&whole.store().await, &log).await;
        assert_same(&bed.dump().await, &whole.dump().await, bed.name);
        let positions = bed.store().await.queries().positions(Model::Crm.as_str()).await.unwrap();
        assert_eq!(positions.iter().map(|(_, next)| next).sum::<u64>(), events.len() as u64);
    }
}

/// Records that are already applied (a log copied with doubles, say) change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_count_once() {
    for bed in Bed::both() {
        let (log, once) = (Memory::new(1), Memory::new(1));
        let events = many(10);
        append_all(&once, &events).await;
        append_all(&log, &events).await;
        append_all(&log, &events).await;
        run_through(&bed.store().await, &log).await;
        let reference = Bed::sqlite();
        run_through(&reference.store().await, &once).await;
        let (dump, mut wanted) = (bed.dump().await, reference.dump().await);
        assert_ne!(Some(&dump["offsets"]), wanted.remove("offsets").as_ref());
        assert_same(&dump, &wanted, bed.name);
    }
}

/// Both have seen every order when the next event of each arrives, so both believe they know what to do.
#[tokio::test(flavor = "multi_thread")]
async fn two_runners_apply_everything_once() {
    for bed in Bed::both() {
        let log = Memory::new(4);
        let (one, two) = (bed.store().await, bed.store().await);
        let runners = [run(&one, &log), run(&two, &log)];
        let mut orders: Vec<Order> = (0..50).map(Order::new).collect();
        let mut lives: Vec<Vec<Event>> = Vec::new();
        for (number, order) in (0..).zip(&mut orders) {
            let mut life = to_the_works(number, order);
            life.extend(to_the_customer(order));
            lives.push(life);
        }
        for round in 0..lives[0].len() {
            for life in &lives {
                append(&log, &life[round]).await;
            }
            for runner in &runners {
                settle(runner, &log).await;
            }
        }
        let [first, second] = runners;
        // One dies in the middle of things; the other goes on alone.
        append_all(&log, &to_the_works(9000, &mut Order::new(9000))).await;
        drop(first);
        append_all(&log, &to_the_works(9001, &mut Order::new(9001))).await;
        settle(&second, &log).await;
        second.drain().await;
        let alone = Bed::sqlite();
        run_through(&alone.store().await, &log).await;
        assert_same(&bed.dump().await, &alone.dump().await, bed.name);
    }
}

/// A database that comes back without its last transactions (restored, failed over) is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn lost_transactions_are_applied_again() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        append_all(&log, &many(30)).await;
        let store = bed.store().await;
        let runner = run(&store, &log);
        settle(&runner, &log).await;
        let before = bed.dump().await;
        bed.sql("DELETE FROM shop_orders; DELETE FROM shop_timeline; UPDATE offsets SET next = 0 WHERE model = 'shop'").await;
        until("the rows are back", || async { bed.dump().await == before }).await;
        runner.drain().await;
    }
}

/// A log in which something is written and applied by somebody else whenever the records from `at` are read again.
struct Overtaken {
    log: Memory,
    at: u64,
    other: Mutex<Feed>,
    runtime: Handle,
    times: AtomicU32,
}

impl Log for Overtaken {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn max_payload_bytes(&self) -> usize {
        self.log.max_payload_bytes()
    }

    fn append(&self, topic: Topic, partition: Partition, record: NewRecord) -> Appending {
        self.log.append(topic, partition, record)
    }

    fn own(&self, membership: Membership) -> Result<Box<dyn Owner>, atelier_log::Error> {
        self.log.own(membership)
    }

    fn read(&self, topic: Topic, from: &[(Partition, u64)]) -> Result<Box<dyn Reader>, atelier_log::Error> {
        if from == [(0, self.at)] {
            let number = 1000 + self.times.fetch_add(1, Ordering::SeqCst);
            let mut other = self.other.lock().unwrap();
            self.runtime.block_on(async {
                append_all(&self.log, &to_the_works(number, &mut Order::new(number))[..1]).await;
                other.read(10).await.unwrap();
                other.commit().await.unwrap();
            });
        }
        self.log.read(topic, from)
    }

    fn subscribe(&self, topic: Topic, group: &str) -> Result<Box<dyn Subscription>, atelier_log::Error> {
        self.log.subscribe(topic, group)
    }

    fn end(&self, topic: Topic, partition: Partition) -> Result<u64, atelier_log::Error> {
        self.log.end(topic, partition)
    }

    fn committed(&self, group: &str, partition: Partition) -> Result<u64, atelier_log::Error> {
        self.log.committed(group, partition)
    }
}

/// What an order missed is ever more of the log; a runner that another one is always faster than reads it now and then only.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_missed_is_not_read_again_with_every_chunk() {
    const CHUNKS: u32 = 24;
    let bed = Bed::sqlite();
    let log = Memory::new(1);
    let mut garbled = Order::new(1);
    append_all(&log, &to_the_works(1, &mut garbled)[..3]).await;
    append_raw(&log, garbled.id, &garbled.id.to_string(), b"no frame".to_vec()).await;
    let store = bed.store().await;
    run_through(&store, &log).await;
    let other = Mutex::new(Feed::new(store.clone(), Arc::new(log.clone()), Model::Crm, Metrics::default()));
    let overtaken = Arc::new(Overtaken { log: log.clone(), at: 3, other, runtime: Handle::current(), times: AtomicU32::new(0) });
    let runner = Runner::start(store, overtaken.clone(), &[Model::Crm], Metrics::default());
    for number in 0..CHUNKS {
        append_all(&log, &to_the_works(100 + number, &mut Order::new(100 + number))[..1]).await;
        settle(&runner, &log).await;
    }
    let times = overtaken.times.load(Ordering::SeqCst);
    // Twelve pauses that double are minutes.
    assert!((1..=12).contains(&times), "read {times} times in {CHUNKS} chunks");
    runner.drain().await;
}
