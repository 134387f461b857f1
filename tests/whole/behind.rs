//! An engine that comes late decides by what came in time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atelier_log::Log;
use atelier_schemas::{Command, CommandData, Event, EventData, Framed, Topic};
use atelier_support::free_port;
use serde_json::json;

use crate::gaps::submitted;
use crate::roles::{House, PATIENCE, Role};
use crate::servers::{self, on_servers};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// All of a topic that can be read as what it should hold.
fn all<T: Framed>(log: &dyn Log, topic: Topic) -> Vec<T> {
    let mut found = Vec::new();
    for partition in 0..log.partitions() {
        let end = log.end(topic, partition).unwrap();
        let mut reader = log.read(topic, &[(partition, 0)]).unwrap();
        while reader.position(partition) < end {
            let records = reader.poll(1000, LOOK_AGAIN).unwrap();
            found.extend(records.iter().map(|record| T::decode(&record.payload).unwrap()));
        }
    }
    found
}

fn wait<T>(role: &Role, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never: {what}; {}", role.messages());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The engine dies while a worker has the lease, and is back when the lease would be over: the heartbeats and the price
/// lie unread in the log meanwhile. The worker kept its lease, so it must not be taken away and the price not be thrown away.
#[test]
fn a_worker_keeps_its_lease_while_no_engine_is_there_on_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, json!({"version": "short", "pricing_lease_ms": 3000}).to_string()).unwrap();
    let mut settings = on_servers("behind");
    settings.push(("ATELIER_POLICY", policy.display().to_string()));
    let house = House { data: folder.path().to_owned(), settings };
    let log = servers::log("behind");
    let mut gateway = house.start("gateway", &["gateway", "--listen", &format!("127.0.0.1:{}", free_port())]);
    let url = gateway.url();
    let mut engine = house.start("engine", &["engine", "--instance", "a"]);
    let pricing = house.start("pricing", &["pricing", "--slowdown-ms", "2000"]);
    submitted(&url, "order");
    let lease_until = wait(&pricing, "a worker takes the job", || {
        all::<Event>(&log, Topic::Events).into_iter().find_map(|event| match event.data {
            EventData::PricingAccepted { lease_until, .. } => Some(lease_until),
            _ => None,
        })
    });
    engine.kill();
    wait(&pricing, "the price is on the log", || {
        let completed = |command: &Command| matches!(command.data, CommandData::CompletePricing { .. });
        all::<Command>(&log, Topic::Commands).iter().any(completed).then_some(())
    });
    let now_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    wait(&pricing, "the lease would be over", || (now_ms() > lease_until.unsigned_abs().into()).then_some(()));
    engine.kill_and_restart();
    let priced = wait(&engine, "the order is priced", || {
        let events = all::<Event>(&log, Topic::Events);
        let ended = |event: &Event| matches!(event.data, EventData::PriceCalculated { .. } | EventData::PricingExpired { .. });
        events.into_iter().find(ended)
    });
    assert!(matches!(priced.data, EventData::PriceCalculated { attempt: 1, .. }), "{priced:?}; {}", engine.messages());
}
