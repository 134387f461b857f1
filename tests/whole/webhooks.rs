//! SIGKILL for those who send, for those who feed them, and for the database they keep their books in. A receiver
//! that knows nothing of ours counts: nothing lost, nothing out of order, the same message under one id.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atelier_log::{Log, NewRecord, kafka};
use atelier_schemas::{Actor, Command, CommandData, Framed, Item, Topic, partition_of};
use atelier_store::Store;
use atelier_support::{Postgres, free_port};
use atelier_webhooks::{Endpoints, Guard, SCHEMA, Sender, Wish};
use serde_json::Value;
use uuid::Uuid;

use crate::independent;
use crate::roles::{House, PATIENCE, Role};

const KILLS: u32 = 52;
const ORDERS: u32 = 220;
/// Of an order: created, held and resumed so many times, cancelled.
const PAUSES: u32 = 4;
const MESSAGES: usize = 2 + 2 * PAUSES as usize;
const ENDPOINTS: usize = 2;

/// What a receiver saw: by endpoint and order, the sequence numbers and ids in the order of their arrival.
#[derive(Default)]
struct Seen {
    arrivals: Mutex<BTreeMap<(String, String), Vec<(i64, String)>>>,
    /// What was tried before.
    tried: Mutex<HashSet<(String, String)>>,
    count: AtomicU64,
}

/// Answers each POST: 200, or at a message's first attempt now and then 500, before or after it has noted it. (A
/// second failure would have to be waited for five minutes.)
fn receive(stream: TcpStream, seen: &Seen) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut path, mut id, mut length) = (String::new(), String::new(), String::new(), 0);
    while stream.read_line(&mut line).ok()? > 2 {
        let text = line.trim_end();
        if let Some(rest) = text.strip_prefix("POST ") {
            path = rest.split(' ').next()?.to_owned();
        } else if let Some((name, value)) = text.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "webhook-id" => id = value.to_owned(),
                _ => {}
            }
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let nth = seen.count.fetch_add(1, Ordering::SeqCst);
    let first = seen.tried.lock().unwrap().insert((path.clone(), id.clone()));
    let (loses, lies) = (first && nth % 13 == 12, first && nth % 17 == 16);
    if !loses {
        let key = (path, body["data"]["order_id"].as_str()?.to_owned());
        seen.arrivals.lock().unwrap().entry(key).or_default().push((body["data"]["sequence"].as_i64()?, id));
    }
    let status = if loses || lies { "500 No" } else { "200 OK" };
    write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
}

fn start_receiver() -> (Arc<Seen>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = shared.clone();
            std::thread::spawn(move || receive(stream, &seen));
        }
    });
    (seen, url)
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn endpoints(store: Store) -> Endpoints {
    let sender = Sender::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()]), &[]).unwrap();
    Endpoints::new(store, sender, Arc::new(now_ms), Arc::new(Uuid::now_v7), Arc::new(|| [7; 32]))
}

/// The commands of one order's life, in their order.
fn life(number: u32) -> Vec<Command> {
    let order = Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes());
    let item = Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() };
    let create = CommandData::CreateOrder {
        channel: "partner".into(),
        client: "north".into(),
        reference: Some(format!("N-{number}")),
        customer: None,
        item,
    };
    let mut steps = vec![create];
    for _ in 0..PAUSES {
        steps.push(CommandData::HoldOrder { reason: "wait".into() });
        steps.push(CommandData::ResumeOrder { reason: "go on".into() });
    }
    steps.push(CommandData::CancelOrder { reason: "enough".into() });
    let command = |(step, data): (u32, CommandData)| {
        let role = if step == 0 { "partner" } else { "seller" };
        let actor = Actor { role: role.into(), name: "north".into() };
        Command::new(Uuid::new_v5(&order, &step.to_be_bytes()), order, now_ms(), actor, data)
    };
    (0..).zip(steps).map(command).collect()
}

/// Appends the life of an order.
async fn place(log: &dyn Log, number: u32) {
    for command in life(number) {
        let partition = partition_of(&command.order_id, log.partitions());
        loop {
            let record = NewRecord {
                key: command.order_id.to_string(),
                kind: command.data.type_name(),
                traceparent: None,
                payload: command.encode(),
            };
            // The same command again is the same command.
            if log.append(Topic::Commands, partition, record).await.is_ok() {
                break;
            }
        }
    }
}

/// A role that starts while the database is dead says so and ends; what supervises it starts it again.
fn revive(roles: &mut [Role]) {
    for role in roles.iter_mut() {
        if !role.is_running() {
            role.kill_and_restart();
        }
    }
}

/// Kills while orders come in, then lets everything arrive, and looks at what the receiver saw.
fn survive(name: &'static str, settings: Vec<(&'static str, String)>, postgres: Option<&Postgres>) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let store_url = postgres.map_or_else(|| format!("sqlite:{}/webhooks.sqlite", data.display()), |postgres| postgres.url(name));
    let mut settings = settings;
    settings.push(("ATELIER_WEBHOOK_ALLOW", "127.0.0.0/8".into()));
    let house = House { data, settings };
    let brokers = atelier_support::Kafka::shared().bootstrap();
    let config = kafka::Config { brokers, prefix: format!("{name}-"), ..kafka::Config::default() };
    let log: Arc<dyn Log> = Arc::new(kafka::Kafka::connect(config).unwrap());
    let (seen, url) = start_receiver();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoints = endpoints(Store::open(&store_url, &SCHEMA).await.unwrap());
        for number in 0..ENDPOINTS {
            endpoints.create("north", Wish { url: Some(format!("{url}/{number}")), ..Wish::default() }).await.unwrap();
        }
    });
    let listen = format!("127.0.0.1:{}", free_port());
    let mut gateway = house.start("gateway", &["gateway", "--listen", &listen]);
    gateway.url();
    let mut roles = vec![
        house.start("webhooks-a", &["webhooks"]),
        house.start("webhooks-b", &["webhooks"]),
        house.start("webhooks-c", &["webhooks"]),
        gateway,
        house.start("engine", &["engine", "--instance", "a"]),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut killed: HashMap<String, u32> = HashMap::new();
    let mut placed = 0;
    for kill in 0..KILLS {
        // So that there is something on its way at every kill.
        let upto = (kill + 1) * ORDERS / KILLS;
        while placed < upto {
            runtime.block_on(place(log.as_ref(), placed));
            placed += 1;
        }
        let target = seen.count.load(Ordering::SeqCst) + random.u64(5..40);
        let started = Instant::now();
        while seen.count.load(Ordering::SeqCst) < target && started.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(2));
        }
        revive(&mut roles);
        let which = random.usize(0..roles.len() + usize::from(postgres.is_some()));
        match roles.get_mut(which) {
            Some(role) => {
                role.kill_and_restart();
                *killed.entry(role.name.clone()).or_default() += 1;
            }
            None => {
                if let Some(postgres) = postgres {
                    postgres.restart();
                }
                *killed.entry("postgres".into()).or_default() += 1;
            }
        }
    }
    let wanted = ENDPOINTS * ORDERS as usize * MESSAGES;
    let arrived = || -> usize {
        let arrivals = seen.arrivals.lock().unwrap();
        arrivals.values().map(|all| all.iter().map(|(_, id)| id).collect::<std::collections::BTreeSet<_>>().len()).sum()
    };
    let started = Instant::now();
    while arrived() < wanted {
        let said: Vec<String> = roles.iter().map(Role::messages).collect();
        assert!(started.elapsed() < 3 * PATIENCE, "{} of {wanted} have arrived; {}", arrived(), said.join("\n---\n"));
        revive(&mut roles);
        std::thread::sleep(Duration::from_millis(100));
    }
    for role in &mut roles {
        assert!(role.is_running(), "{} runs: {}", role.name, role.messages());
        assert!(role.end(), "{} ends well when asked to: {}", role.name, role.messages());
    }
    println!("killed: {killed:?}; {} attempts for {wanted} messages", seen.count.load(Ordering::SeqCst));
    assert!(killed.len() == roles.len() + usize::from(postgres.is_some()), "everybody had their turn: {killed:?}");
    let found = independent::check(log.as_ref());
    assert_eq!(found.orders.len(), ORDERS as usize);
    let arrivals = seen.arrivals.lock().unwrap();
    assert_eq!(arrivals.len(), ENDPOINTS * ORDERS as usize);
    for ((endpoint, order), all) in arrivals.iter() {
        let mut first = Vec::new();
        let mut last = 0;
        for (sequence, id) in all {
            assert!(*sequence >= last, "{endpoint}, order {order}: {sequence} came after {last}");
            if *sequence > last {
                first.push((*sequence, id.clone()));
            } else {
                assert_eq!(first.last().map(|(_, id)| id), Some(id), "the same message has the same id");
            }
            last = *sequence;
        }
        // Every event of these lives shows the partner something: the nth message is that of the nth event.
        let expected: Vec<(i64, String)> = found.ids[order].iter().map(|(version, id)| (*version, id.clone())).collect();
        assert_eq!((first.len(), &first), (MESSAGES, &expected), "{endpoint}, order {order}");
    }
}

#[test]
fn several_workers_survive_being_killed_on_postgresql_and_so_does_it() {
    let postgres = Postgres::start();
    let store = postgres.create_database("hooks");
    let brokers = atelier_support::Kafka::shared().bootstrap();
    let settings = vec![("ATELIER_LOG", format!("kafka://{brokers}")), ("ATELIER_STORE", store), ("ATELIER_TOPIC_PREFIX", "hooks-".into())];
    survive("hooks", settings, Some(&postgres));
}

#[test]
fn several_workers_survive_being_killed_on_sqlite() {
    let brokers = atelier_support::Kafka::shared().bootstrap();
    survive("hooklets", vec![("ATELIER_LOG", format!("kafka://{brokers}")), ("ATELIER_TOPIC_PREFIX", "hooklets-".into())], None);
}
