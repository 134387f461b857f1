//! SIGKILL in mid-flow, 20 times in a seeded run, on both logs. The load goes on through it and must end
//! balanced; then an independent reader looks at the topics.

use std::process::Stdio;
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_log::embedded::Embedded;
use atelier_schemas::Topic;
use atelier_support::free_port;
use atelier_tests::independent;

use crate::demo::log_folder;
use crate::roles::{House, PATIENCE, Role};
use crate::servers::{self, on_servers};

const KILLS: u32 = 20;
const SEED: u64 = 0x5eed;
const SECRET: &str = "a secret of at least twenty-four bytes";
const POLICY: &str = r#"{"version": "crashes", "pricing_lease_ms": 3000, "pricing_accept_ms": 15000, "pricing_attempts": 50}"#;

fn house(data: &std::path::Path, mut settings: Vec<(&'static str, String)>) -> House {
    let policy = data.join("policy.json");
    std::fs::write(&policy, POLICY).unwrap();
    settings.push(("ATELIER_POLICY", policy.display().to_string()));
    settings.push(("ATELIER_CARRIER_SECRET", SECRET.into()));
    House { data: data.to_owned(), settings }
}

fn events(log: &dyn Log) -> u64 {
    (0..log.partitions()).map(|partition| log.end(Topic::Events, partition).unwrap_or(0)).sum()
}

/// Kills roles while the load runs: each time after a drawn number of further events, so that every kill
/// meets a flow that moves. Gives how often each role was killed.
fn kill_under_load(house: &House, url: &str, orders: u32, log: &dyn Log, roles: &mut [Role]) -> Vec<u32> {
    let acks = house.data.join("acks.jsonl");
    let output = std::fs::File::create(house.data.join("load.out")).unwrap();
    let mut load = house
        .command(&["demo", "--url", url, "--orders", &orders.to_string(), "--customers", "6", "--acks", &acks.display().to_string()])
        .stdout(output.try_clone().unwrap())
        .stderr(Stdio::from(output))
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(house.data.join("load.out")).unwrap_or_default();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut killed = vec![0; roles.len()];
    for kill in 0..KILLS {
        let target = events(log) + random.u64(20..90);
        let started = Instant::now();
        while events(log) < target {
            assert!(started.elapsed() < PATIENCE, "kill {kill}: the flow stands still\n{}", said());
            assert!(load.try_wait().unwrap().is_none(), "the load ended before kill {kill}; give it more orders\n{}", said());
            std::thread::sleep(Duration::from_millis(2));
        }
        // Everybody gets their turn, then whoever is drawn.
        let which = if (kill as usize) < roles.len() { kill as usize } else { random.usize(0..roles.len()) };
        roles[which].kill_and_restart();
        killed[which] += 1;
    }
    let started = Instant::now();
    let status = loop {
        if let Some(status) = load.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < 3 * PATIENCE, "the load does not end\n{}", said());
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{}", said());
    assert!(said().contains("balanced: nothing is missing"), "{}", said());
    killed
}

fn verdict(log: &dyn Log, house: &House, orders: u32) {
    let found = independent::check(log);
    assert_eq!(found.orders.len(), orders as usize);
    for (order, versions) in &found.orders {
        let last = versions.values().last().map(String::as_str);
        assert!(matches!(last, Some("CLOSED" | "CANCELLED")), "order {order} ended as {last:?}");
    }
    let acknowledged = independent::check_acknowledged(&found, &house.data.join("acks.jsonl"));
    assert!(acknowledged > found.orders.len(), "the load noted what was acknowledged");
}

#[test]
fn everything_in_one_process_survives_being_killed_on_the_embedded_log() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path(), vec![]);
    let listen = format!("127.0.0.1:{}", free_port());
    let mut up = house.start("up", &["up", "--listen", &listen]);
    let url = up.url();
    let log = Embedded::open_read_only(&log_folder(folder.path())).unwrap();
    let orders = 150;
    let mut roles = [up];
    let killed = kill_under_load(&house, &url, orders, &log, &mut roles);
    assert_eq!(killed, [KILLS]);
    let [mut up] = roles;
    assert!(up.end(), "it ends well when asked to: {}", up.messages());
    verdict(&log, &house, orders);
}

#[test]
fn every_role_survives_being_killed_on_kafka_and_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let settings = on_servers("crashes");
    let house = house(folder.path(), settings);
    let log = servers::log("crashes");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut gateway = house.start("gateway", &["gateway", "--listen", &listen]);
    let url = gateway.url();
    let mut roles = [
        house.start("engine-a", &["engine", "--instance", "a"]),
        gateway,
        house.start("projections", &["projections"]),
        house.start("pricing", &["pricing", "--slowdown-ms", "100"]),
        house.start("engine-b", &["engine", "--instance", "b"]),
    ];
    let orders = 150;
    let killed = kill_under_load(&house, &url, orders, &log, &mut roles);
    assert!(killed.iter().all(|kills| *kills > 0), "every role was killed: {killed:?}");
    for role in roles.iter_mut().rev() {
        assert!(role.is_running(), "{} runs: {}", role.name, role.messages());
        assert!(role.end(), "{} ends well when asked to: {}", role.name, role.messages());
    }
    verdict(&log, &house, orders);
}
