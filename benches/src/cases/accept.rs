//! `POST /shop/v1/orders` → 201 against the bare round trip.
//!
//! The real binary: `atelier engine` and `atelier gateway shop` as processes on Kafka, driven at 200 a
//! second over keep-alive connections, measured from the moment each request was meant to be sent.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_schemas::Topic;

use super::round_trip::{RATE, bare};
use crate::harness::{Block, Latencies, Outcome, Report, Row, Settings, Target, alternate, cpu_of, ensure};
use crate::kafka::{Bench, PARTITIONS};

const CONNECTIONS: usize = 16;
const BODY: &str =
    r#"{"customer":{"name":"Jane Roe","email":"jane.roe@example.org"},"item":{"material":"silver-925","quantity":1,"finish":"polished"}}"#;
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const WARM_UP_S: f64 = 2.0;
const POLL: Duration = Duration::from_millis(500);

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let bench = Bench::start();
    let folder = tempfile::tempdir()?;
    let (prefix, log) = bench.log(PARTITIONS)?;
    let role = |role: &[&str]| Role::start(role, &bench.brokers(), &prefix, folder.path());
    let engine = role(&["engine"])?;
    let mut gateway = role(&["gateway", "shop", "--listen", "127.0.0.1:0"])?;
    let address = gateway.address()?;
    let (limit, mut driver) = bare(&bench)?;
    let pids = [engine.child.id(), gateway.child.id()];
    let mut posted = 0;
    let mut block = |seconds| {
        let block = post(&address, posted, seconds, &pids)?;
        posted += count(seconds);
        Ok(block)
    };
    block(WARM_UP_S)?;
    let compared = alternate(settings.pairs, |_| Ok(()), |()| block(settings.block_s), |()| driver.block(RATE, settings.block_s))?;
    limit.stop()?;
    check(&log, posted)?;
    let what = "HTTP accept (POST order → 201) at 200/s, engine and gateway processes ÷ bare round trip, p50";
    report.add(Row::compared(what, "ms", Target::AtMost(3.0), &compared));
    Ok(())
}

fn count(seconds: f64) -> usize {
    ((RATE * seconds) as usize).max(1)
}

/// One block of requests, spread over the connections.
fn post(address: &str, first: usize, seconds: f64, pids: &[u32]) -> Outcome<Block> {
    let cpu = || pids.iter().map(|pid| cpu_of(*pid)).sum::<f64>();
    let cpu_before = cpu();
    let count = count(seconds);
    let start = Instant::now() + Duration::from_millis(50);
    let (mut latencies, mut orders) = (Latencies::default(), HashSet::new());
    std::thread::scope(|scope| -> Outcome<()> {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|number| scope.spawn(move || connection(address, start, first, (number..count).step_by(CONNECTIONS))))
            .collect();
        for connection in connections {
            let (some, ids) = connection.join().map_err(|_| "a connection panicked")??;
            latencies.merge(some);
            for id in ids {
                ensure(orders.insert(id.clone()), || format!("order {id} was created twice"))?;
            }
        }
        Ok(())
    })?;
    ensure(orders.len() == count, || format!("{} of {count} orders were created", orders.len()))?;
    Ok(Block {
        value: latencies.quantile_ms(0.5),
        cpu_s_per_1000: (cpu() - cpu_before) / count as f64 * 1000.0,
        p99_ms: Some(latencies.quantile_ms(0.99)),
    })
}

fn connection(address: &str, start: Instant, first: usize, numbers: impl Iterator<Item = usize>) -> Outcome<(Latencies, Vec<String>)> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let (mut latencies, mut orders) = (Latencies::default(), Vec::new());
    for number in numbers {
        let due = start + Duration::from_secs_f64(number as f64 / RATE);
        let request = format!(
            "POST /shop/v1/orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nIdempotency-Key: bench-{}\r\nContent-Length: {}\r\n\r\n{BODY}",
            first + number,
            BODY.len()
        );
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        writer.write_all(request.as_bytes())?;
        let (head, body) = answer(&mut reader)?;
        latencies.add(due.elapsed());
        ensure(head.starts_with("HTTP/1.1 201"), || format!("{head}{body}"))?;
        let id = body.split("\"order_id\":\"").nth(1).and_then(|rest| rest.get(..36)).ok_or_else(|| format!("no order_id in {body}"))?;
        orders.push(id.to_owned());
    }
    Ok((latencies, orders))
}

/// Head and body of one answer.
pub(super) fn answer(reader: &mut BufReader<TcpStream>) -> Outcome<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        ensure(reader.read_line(&mut line)? > 0, || "the gateway closed the connection".into())?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, String::from_utf8(body)?))
}

/// One event and one outcome per order.
fn check(log: &dyn Log, posted: usize) -> Outcome<()> {
    for topic in [Topic::Events, Topic::Outcomes] {
        let from: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let mut reader = log.read(topic, &from)?;
        let mut keys = HashSet::new();
        let mut empty = 0;
        while empty < if keys.len() < posted { 20 } else { 1 } {
            let records = reader.poll(1000, POLL)?;
            empty = if records.is_empty() { empty + 1 } else { 0 };
            for record in records {
                ensure(keys.insert(record.key.clone()), || format!("order {} has two {topic}", record.key))?;
            }
        }
        ensure(keys.len() == posted, || format!("{} of {posted} orders have {topic}", keys.len()))?;
    }
    Ok(())
}

/// One role of the binary as a process; killed on drop.
pub(super) struct Role {
    child: Child,
}

impl Role {
    pub(super) fn start(role: &[&str], brokers: &str, prefix: &str, folder: &Path) -> Outcome<Self> {
        let binary = binary()?;
        // The kernel ends it with this process, however that ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary)
            .args(role)
            .args(["--log", &format!("kafka://{brokers}"), "--topic-prefix", prefix, "--data"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { child })
    }

    /// What the gateway prints when it is ready.
    fn address(&mut self) -> Outcome<String> {
        let mut line = String::new();
        let output = self.child.stdout.as_mut().ok_or("the gateway has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        Ok(line.trim().strip_prefix("http://").ok_or_else(|| format!("the gateway says {line:?} instead of its address"))?.to_owned())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary beside this one.
pub(super) fn binary() -> Outcome<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("atelier");
    ensure(binary.exists(), || format!("{} is missing: cargo build --release --workspace", binary.display()))?;
    Ok(binary)
}
