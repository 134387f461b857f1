//! Webhooks: signed messages over HTTP against a bare keep-alive client, what a hundred endpoints that hang
//! cost the others, and how long a message takes from the log to its receiver.
//!
//! Ours is all of it: read from a log in memory, written to SQLite, leased, signed, posted, settled. The bare client is
//! the same HTTP client, which signs and posts and nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord, Partition};
use atelier_schemas::{Actor, After, Event, EventData, Framed, Item, Topic, partition_of};
use atelier_store::Store;
use atelier_webhooks::{
    Answer, Endpoints, Guard, LATE_MS, Limits, Message, Metrics, Parts, Retention, SCHEMA, Secret, Sender, Transport, Wish,
};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::{Block, Latencies, Mark, Outcome, Report, Row, Settings, Target, alternate, ensure, resident_bytes};

const PARTITIONS: u32 = 4;
/// Endpoints that answer.
const WELL: usize = 8;
/// Endpoints that do not.
const HANGING: usize = 100;
/// Messages under way at each of them.
const AT_ONCE: usize = 8;
/// Messages per second of block that a block is sized for.
const RATE: f64 = 30_000.0;
/// Events a second, for the time from the log to the receiver.
const STEADY: f64 = 200.0;
/// Of the restart.
const ENDPOINTS: u32 = 10_000;
const PENDING: u32 = 1_000_000;
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let orders = (RATE * settings.block_s / WELL as f64).ceil() as u32;
    let messages = u64::from(orders) * WELL as u64;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let receiver = Receiver::start()?;
    let sent = |hanging| runtime.block_on(delivered(&receiver, orders, hanging));
    let compared = alternate(settings.pairs, |_| Ok(()), |()| sent(0), |()| runtime.block_on(bare(&receiver, messages)))?;
    let what = format!(
        "{messages} webhooks, log to receiver, {WELL} endpoints ÷ signed POSTs of a bare keep-alive client, {} at once",
        WELL * AT_ONCE
    );
    report.add(Row::compared(&what, "messages/s", Target::AtLeast(0.7), &compared));
    let compared = alternate(settings.pairs, |_| Ok(()), |()| sent(HANGING), |()| sent(0))?;
    let what = format!("the same beside {HANGING} endpoints that hang ÷ without them");
    report.add(Row::compared(&what, "messages/s", Target::AtLeast(0.95), &compared));
    let (mut ours, mut bare) = (Latencies::default(), Latencies::default());
    let count = (STEADY * settings.block_s).ceil() as u32;
    for _ in 0..settings.pairs {
        bare.merge(runtime.block_on(followed(&receiver, count))?);
        ours.merge(runtime.block_on(steady(&receiver, count))?);
    }
    let (ours, bare) = (ours.quantile_ms(0.5), bare.quantile_ms(0.5));
    let what = format!("webhook from the log to its receiver at {STEADY}/s, p50 {ours:.1} ms, above a bare loop's {bare:.1} ms");
    report.add(Row::figure(&what, ours - bare, "ms", Target::AtMost(50.0)));
    let (first_ms, bytes) = runtime.block_on(restarted(&receiver))?;
    let what = format!("webhooks started with {PENDING} messages pending at {ENDPOINTS} endpoints, to the first delivery");
    report.add(Row::figure(&what, first_ms, "ms", Target::AtMost(5000.0)));
    report.add(Row::figure(
        "the same, memory taken, the receiver's with it",
        bytes as f64 / f64::from(1 << 20),
        "MiB",
        Target::AtMost(512.0),
    ));
    Ok(())
}

/// Answers POSTs, and counts them; what goes to `/hang` is never answered.
struct Receiver {
    address: SocketAddr,
    count: Arc<AtomicU64>,
    /// When each came.
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Receiver {
    fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let count = Arc::new(AtomicU64::new(0));
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = (count.clone(), arrivals.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, arrivals) = noted.clone();
                std::thread::spawn(move || answer(stream, &count, &arrivals));
            }
        });
        Ok(Self { address, count, arrivals })
    }

    /// What arrives next, each since it was placed; as many as were placed.
    async fn since(&self, placed: &[Instant], before: u64) -> Outcome<Latencies> {
        self.reaches(before + placed.len() as u64).await?;
        let mut arrivals = std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        arrivals.sort_unstable();
        let mut latencies = Latencies::default();
        // They may overtake each other, which takes nothing from the median.
        placed.iter().zip(arrivals).for_each(|(placed, arrived)| latencies.add(arrived.saturating_duration_since(*placed)));
        Ok(latencies)
    }

    /// Forgets what came before; how much that was.
    fn begin(&self) -> u64 {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.count.load(Ordering::SeqCst)
    }

    async fn reaches(&self, count: u64) -> Outcome<()> {
        let begun = Instant::now();
        while self.count.load(Ordering::SeqCst) < count {
            ensure(begun.elapsed() < PATIENCE, || format!("{} of {count} messages arrived", self.count.load(Ordering::SeqCst)))?;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Ok(())
    }
}

/// One connection, as long as it lasts.
fn answer(stream: TcpStream, count: &AtomicU64, arrivals: &Mutex<Vec<Instant>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut hangs) = (0, false);
        while stream.read_line(&mut line).ok()? > 2 {
            let text = line.to_ascii_lowercase();
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            hangs |= text.starts_with("post /hang");
            line.clear();
        }
        if line.is_empty() {
            return None;
        }
        line.clear();
        body.resize(length, 0);
        stream.read_exact(&mut body).ok()?;
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        if hangs {
            // Until the other side gives up.
            let _ = stream.read(&mut [0]);
            return None;
        }
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// A house of webhooks over a log in memory.
struct House {
    log: Memory,
    handle: atelier_webhooks::Handle,
    _folder: tempfile::TempDir,
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// May call this machine.
fn sender() -> Outcome<Sender> {
    Ok(Sender::new(Guard::new(vec!["127.0.0.0/8".parse()?]), &[])?)
}

impl House {
    async fn start(receiver: &Receiver, well: usize, hanging: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&format!("sqlite:{}/webhooks.sqlite", folder.path().display()), &SCHEMA).await?;
        let endpoints = Endpoints::new(store.clone(), sender()?, Arc::new(now_ms), Arc::new(Uuid::new_v4), Arc::new(|| [7; 32]), None);
        for number in 0..well + hanging {
            let path = if number < hanging { "hang" } else { "well" };
            let url = format!("http://{}/{path}", receiver.address);
            // A partner has sixteen at most.
            let partner = if number < hanging { format!("hanging-{}", number / 16) } else { "p0".to_owned() };
            endpoints.create(&partner, Wish { url: Some(url), ..Wish::default() }).await?;
        }
        let log = Memory::new(PARTITIONS);
        Ok(Self { handle: Self::over(store, log.clone())?, log, _folder: folder })
    }

    /// The role over a store and a log.
    fn over(store: Store, log: Memory) -> Outcome<atelier_webhooks::Handle> {
        Ok(atelier_webhooks::start(Parts {
            store,
            log: Arc::new(log),
            transport: Arc::new(sender()?),
            clock: Arc::new(now_ms),
            metrics: Metrics::register(&mut Registry::default()),
            link_base: String::new(),
            limits: Limits::default(),
            retention: Retention::default(),
            late_ms: LATE_MS,
            name: Uuid::new_v4().to_string(),
        }))
    }

    /// New orders at [`STEADY`] a second; when each was placed.
    async fn place_steadily(&self, count: u32) -> Vec<Instant> {
        let start = Instant::now();
        let mut placed = Vec::with_capacity(count as usize);
        for number in 0..count {
            tokio::time::sleep_until((start + Duration::from_secs_f64(f64::from(number) / STEADY)).into()).await;
            placed.push(Instant::now());
            self.place("p0", number);
        }
        placed
    }

    fn place(&self, partner: &str, number: u32) {
        self.append(created(partner, number));
    }

    fn append(&self, (partition, record): (Partition, NewRecord)) {
        drop(self.log.append(Topic::Events, partition, record));
    }
}

/// The first event of an order of this partner, and where it belongs.
fn created(partner: &str, number: u32) -> (Partition, NewRecord) {
    let order_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{partner}{number}").as_bytes());
    let data = EventData::OrderCreated {
        channel: "partner".into(),
        client: partner.into(),
        reference: Some(format!("ref-{number}")),
        customer: None,
        item: Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() },
        sandbox: false,
    };
    let event = Event {
        event_id: Uuid::new_v5(&order_id, b"1"),
        order_id,
        version: 1,
        type_name: data.type_name().into(),
        time: now_ms(),
        actor: Actor { role: "partner".into(), name: partner.into() },
        command_id: None,
        command_digest: None,
        correlation_id: order_id,
        traceparent: None,
        after: After { status: "INITIATED".into(), stage: "draft".into(), held: false, attention: vec![], due: None },
        data,
        replayed: None,
    };
    let record = NewRecord { key: order_id.to_string(), kind: event.data.type_name(), traceparent: None, payload: event.encode() };
    (partition_of(&order_id, PARTITIONS), record)
}

/// Fills a store with endpoints and pending messages, and starts on it: milliseconds to the first delivery, and
/// the memory taken a while into delivering.
async fn restarted(receiver: &Receiver) -> Outcome<(f64, u64)> {
    const FILL: [&str; 3] = [
        "INSERT INTO webhook_endpoints (endpoint_id, partner, url, events, events_from, description, secret, enabled, created_at, failures, \
         opened, ready_at) WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT \
         printf('00000000-0000-4000-8000-%012x', i), 'p' || i, $1, '', '', '', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1, 0, 0, 0, 0 FROM n",
        "INSERT INTO webhook_messages (partner, number, order_id, sequence, event_id, event_type, event_at, log_partition, log_offset, body) \
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999999) SELECT \
         'p' || (i % 10000), i + 1, printf('00000000-0000-4000-9000-%012x', i), 1, \
         printf('00000000-0000-4000-a000-%012x', i), 'order.created', i, 0, i, printf('%480s', 'x') FROM n",
        "UPDATE webhook_numbers SET last = 1000000",
    ];
    let folder = tempfile::tempdir()?;
    let address = format!("sqlite:{}/webhooks.sqlite", folder.path().display());
    let store = Store::open(&address, &SCHEMA).await?;
    let mut transaction = store.begin().await?;
    transaction.execute(FILL[0], [format!("http://{}/well", receiver.address).as_str().into()]).await?;
    transaction.execute(FILL[1], []).await?;
    transaction.execute(FILL[2], []).await?;
    transaction.commit().await?;
    drop(store);
    let before = (receiver.count.load(Ordering::SeqCst), resident_bytes());
    let begun = Instant::now();
    let store = Store::open(&address, &SCHEMA).await?;
    let handle = House::over(store, Memory::new(PARTITIONS))?;
    receiver.reaches(before.0 + 1).await?;
    let first_ms = begun.elapsed().as_secs_f64() * 1000.0;
    receiver.reaches(before.0 + 2000).await?;
    let bytes = resident_bytes().saturating_sub(before.1);
    handle.drain().await;
    Ok((first_ms, bytes))
}

/// Sends so many orders' messages to every endpoint that answers, beside some that do not.
async fn delivered(receiver: &Receiver, orders: u32, hanging: usize) -> Outcome<Block> {
    let house = House::start(receiver, WELL, hanging).await?;
    for partner in 0..hanging.div_ceil(16) {
        (0..orders.min(50)).for_each(|number| house.place(&format!("hanging-{partner}"), number));
    }
    if hanging > 0 {
        // They hang by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let before = receiver.count.load(Ordering::SeqCst);
    let messages = u64::from(orders) * WELL as u64;
    // What the engine does is no part of it.
    let events: Vec<_> = (0..orders).map(|number| created("p0", number)).collect();
    let mark = Mark::now();
    events.into_iter().for_each(|event| house.append(event));
    receiver.reaches(before + messages).await?;
    let (wall_s, cpu_s) = Mark::now().since(&mark);
    house.handle.drain().await;
    let arrived = receiver.count.load(Ordering::SeqCst) - before;
    ensure(arrived == messages, || format!("{arrived} arrived instead of {messages}"))?;
    Ok(Block { value: messages as f64 / wall_s, cpu_s_per_1000: cpu_s / messages as f64 * 1000.0, p99_ms: None })
}

/// The same number of bodies of the same size, signed and posted to as many addresses, as many at once.
async fn bare(receiver: &Receiver, messages: u64) -> Outcome<Block> {
    let sender = sender()?;
    let share = messages / (WELL * AT_ONCE) as u64;
    let mark = Mark::now();
    let mut under_way = JoinSet::new();
    for _ in 0..WELL * AT_ONCE {
        let (sender, url) = (sender.clone(), format!("http://{}/well", receiver.address));
        under_way.spawn(async move {
            for _ in 0..share {
                let attempt = sender.send(message(&url)).await;
                if !matches!(attempt.answer, Answer::Status { code: 204, .. }) {
                    return Err(format!("{:?}", attempt.answer));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    let (wall_s, cpu_s) = Mark::now().since(&mark);
    let sent = (share * (WELL * AT_ONCE) as u64) as f64;
    Ok(Block { value: sent / wall_s, cpu_s_per_1000: cpu_s / sent * 1000.0, p99_ms: None })
}

fn message(url: &str) -> Message {
    Message {
        url: url.into(),
        id: Uuid::new_v4().to_string().into(),
        timestamp_s: now_ms() / 1000,
        secrets: [Secret::of([7; 32])].into(),
        body: Bytes::from("x".repeat(480)),
    }
}

/// Events at a steady rate, each from its place in the log to its receiver.
async fn steady(receiver: &Receiver, count: u32) -> Outcome<Latencies> {
    let house = House::start(receiver, 1, 0).await?;
    let before = receiver.begin();
    let placed = house.place_steadily(count).await;
    let latencies = receiver.since(&placed, before).await?;
    house.handle.drain().await;
    Ok(latencies)
}

/// The same by a bare loop: a thread reads the log and whatever it finds is posted at once.
async fn followed(receiver: &Receiver, count: u32) -> Outcome<Latencies> {
    // Without an endpoint the role does nothing but read.
    let house = House::start(receiver, 0, 0).await?;
    let before = receiver.begin();
    let from: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let mut reader = house.log.read(Topic::Events, &from)?;
    let (sender, url) = (sender()?, format!("http://{}/well", receiver.address));
    let follower = tokio::task::spawn_blocking(move || -> Result<(), atelier_log::Error> {
        let mut left = count as usize;
        while left > 0 {
            let records = reader.poll(1000, Duration::from_millis(100))?;
            left = left.saturating_sub(records.len());
            for _ in records {
                tokio::spawn(sender.send(message(&url)));
            }
        }
        Ok(())
    });
    let placed = house.place_steadily(count).await;
    follower.await??;
    let latencies = receiver.since(&placed, before).await?;
    house.handle.drain().await;
    Ok(latencies)
}
