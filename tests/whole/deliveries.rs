//! SIGKILL for those who send, for those who feed them, and for the database they keep their books in. A receiver
//! that knows nothing of ours counts: nothing lost, nothing out of order, the same message under one id; and what
//! it has got is what the feed and the log say.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_log::embedded::Embedded;
use atelier_support::{Postgres, free_port};
use atelier_tests::independent;
use serde_json::json;

use crate::partner_side::{Messages, Partner, Seen, revive, said, start_receiver};
use crate::roles::{House, PATIENCE};
use crate::servers;

const ENDPOINTS: usize = 2;
/// What the feed has and an endpoint has not, by name; empty when everything is there.
fn missing(seen: &Seen, feed: &Messages) -> Vec<String> {
    let arrivals = seen.arrivals.lock().unwrap();
    let mut missing = Vec::new();
    for endpoint in (0..ENDPOINTS).map(|number| format!("/{number}")) {
        for (order, messages) in feed {
            let arrived = arrivals.get(&endpoint).and_then(|orders| orders.get(order));
            for message in messages.iter().filter(|message| arrived.is_none_or(|all| !all.contains(message))) {
                missing.push(format!("{endpoint}: order {order}, message {} ({})", message.0, message.1));
            }
        }
    }
    missing
}

/// What is killed, and how often.
struct Trial {
    kills: u32,
    /// Flags of `atelier up`.
    up: &'static [&'static str],
    /// Processes of `atelier webhooks` beside it.
    workers: usize,
    settings: servers::Settings,
    log: fn(&Path) -> Box<dyn Log>,
}

/// Kills while orders come in, then lets everything arrive, and looks at what the receiver saw.
fn survive(folder: &Path, trial: Trial, postgres: Option<&Postgres>) {
    let Trial { kills, up, workers, mut settings, log } = trial;
    let count = kills as usize * 3 / 2;
    settings.push(("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".to_owned()));
    let house = House { data: folder.to_owned(), settings };
    let (seen, receiver) = start_receiver();
    // It comes back where partners know it.
    let listen = format!("127.0.0.1:{}", free_port());
    let up: Vec<&str> = [&["up", "--listen", &listen], up].concat();
    let mut roles = vec![house.start("up", &up)];
    let url = roles[0].url();
    let partner = Partner::new(&house, "north", url);
    for number in 0..ENDPOINTS {
        let wish = json!({"url": format!("{receiver}/{number}")});
        let (status, answer) = partner.told(&mut roles, "POST", "/partner/v1/webhooks", &wish);
        assert_eq!(status, 201, "{answer}");
    }
    roles.extend((0..workers).map(|number| house.start(&format!("webhooks-{number}"), &["webhooks"])));
    let mut random = fastrand::Rng::with_seed(7);
    let victims = roles.len() + usize::from(postgres.is_some());
    let mut killed: BTreeMap<String, u32> = BTreeMap::new();
    let mut orders: Vec<String> = Vec::new();
    for kill in 0..kills as usize {
        // So that there is something on its way at every kill.
        let upto = (kill + 1) * count / kills as usize;
        let begun = orders.len();
        while orders.len() < upto {
            let number = u32::try_from(orders.len()).unwrap();
            orders.push(partner.place(&mut roles, number));
        }
        for order in orders.get(begun.saturating_sub(4)..upto.saturating_sub(4)).unwrap_or_default() {
            partner.cancel(&mut roles, order);
        }
        let target = seen.count.load(Ordering::SeqCst) + random.u64(1..12);
        let started = Instant::now();
        while seen.count.load(Ordering::SeqCst) < target && started.elapsed() < Duration::from_millis(500) {
            std::thread::sleep(Duration::from_millis(2));
        }
        revive(&mut roles);
        // Everybody gets their turn, then whoever is drawn.
        let which = if kill < victims { kill } else { random.usize(0..victims) };
        let name = match (roles.get_mut(which), postgres) {
            (Some(role), _) => {
                role.kill_and_restart();
                role.name.clone()
            }
            (None, Some(postgres)) => {
                postgres.restart();
                "postgres".into()
            }
            (None, None) => unreachable!("drawn among the roles"),
        };
        *killed.entry(name).or_default() += 1;
    }
    for order in &orders[orders.len() - 4..] {
        partner.cancel(&mut roles, order);
    }
    let started = Instant::now();
    let mut feed = Messages::new();
    let expected = loop {
        if let Some((now, done)) = partner.feed(count) {
            feed = now;
            if done && missing(&seen, &feed).is_empty() {
                break feed;
            }
        }
        assert!(started.elapsed() < PATIENCE, "still missing: {:#?}\n{}", missing(&seen, &feed), said(&roles));
        revive(&mut roles);
        std::thread::sleep(Duration::from_millis(100));
    };
    for role in &mut roles {
        assert!(role.is_running(), "{} runs: {}", role.name, role.messages());
        assert!(role.end(), "{} ends well when asked to: {}", role.name, role.messages());
    }
    println!("killed: {killed:?}; {} attempts", seen.count.load(Ordering::SeqCst));
    assert_eq!(killed.values().sum::<u32>(), kills);
    let found = independent::check(log(folder).as_ref());
    assert_eq!((found.orders.len(), expected.len()), (count, count));
    for (order, messages) in &expected {
        let ids: HashSet<&String> = found.ids[order].values().collect();
        assert!(messages.len() >= 2 && messages.iter().all(|(_, id)| ids.contains(id)), "order {order}: {messages:?} against the log");
    }
    let arrivals = seen.arrivals.lock().unwrap();
    assert_eq!(arrivals.len(), ENDPOINTS);
    for (endpoint, orders) in arrivals.iter() {
        let mut first = Messages::new();
        for (order, all) in orders {
            let mut last = 0;
            let first = first.entry(order.clone()).or_default();
            for (sequence, id) in all {
                assert!(*sequence >= last, "{endpoint}, order {order}: {sequence} came after {last}");
                if *sequence > last {
                    first.push((*sequence, id.clone()));
                } else {
                    assert_eq!(first.last().map(|(_, id)| id), Some(id), "the same message has the same id");
                }
                last = *sequence;
            }
        }
        assert_eq!(&first, &expected, "{endpoint} has what the feed has");
    }
}

#[test]
fn several_workers_survive_being_killed_on_kafka_and_postgresql_and_so_does_that() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start();
    let settings = servers::on("hooks", &postgres);
    let log = |_: &Path| -> Box<dyn Log> { Box::new(servers::log("hooks")) };
    survive(folder.path(), Trial { kills: 50, up: &["--without", "webhooks"], workers: 3, settings, log }, Some(&postgres));
}

#[test]
fn one_process_with_everything_in_it_survives_being_killed_with_and_without_help() {
    let folder = tempfile::tempdir().unwrap();
    let log = |folder: &Path| -> Box<dyn Log> { Box::new(Embedded::open_read_only(&folder.join("log")).unwrap()) };
    survive(folder.path(), Trial { kills: 30, up: &[], workers: 1, settings: vec![], log }, None);
}
