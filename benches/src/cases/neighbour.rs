//! What a partner that asks ten times as often as it may does to its neighbours.
//!
//! The real binary, `atelier up` on the embedded log. Other partners and the shop place orders at a steady rate, measured
//! from the moment each was meant to be sent, while the loud partner keeps within its limit (bare) or asks at ten times
//! of it (ours). Once the burst that everybody has is used up, what it is granted is the same in both; the rest is what
//! has to cost nobody anything.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::accept::{answer, binary};
use crate::harness::{Block, Compared, Latencies, Outcome, Report, Row, Settings, Target, alternate, cpu_of, ensure};

/// Orders a partner of the class `standard` may place in a second.
const LIMIT: f64 = 10.0;
const TIMES: f64 = 10.0;
const SHOP_RATE: f64 = 40.0;
/// So many others, each within its limit, so that none of its orders is refused.
const NEIGHBOURS: usize = 8;
const PARTNER_RATE: f64 = 3.0;
const CONNECTIONS: usize = 4;
/// Until then the loud partner uses its burst up; nothing is measured.
const LEAD: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// In a block of so many seconds six of the neighbours' orders take longer than their 99th percentile, and ten of the shop's.
const SHORTEST_S: f64 = 25.0;
const SHOP_BODY: &str =
    r#"{"customer":{"name":"Jane Roe","email":"jane.roe@example.org"},"item":{"material":"silver-925","quantity":1,"finish":"polished"}}"#;
/// A tetrahedron of 10 mm, binary STL in base64: it is priced in no time.
const FILE: &str = "\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIEEAAAAAAAAgQQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACBBAAAA\
    AAAAAAAAAAAAAAAAAAAAIEEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgQQAAAAAAACBBAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AgQQAAAAAAAAAAAAAAAAAAIEEAAAAAAAAAAAAAAAAAACBBAAA=";

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let house = House::start()?;
    let seconds = settings.block_s.max(SHORTEST_S) + LEAD.as_secs_f64();
    let mut number = 0;
    let mut of_partner: [Vec<Block>; 2] = [Vec::new(), Vec::new()];
    let mut block = |times: f64| -> Outcome<(Block, Block)> {
        number += 1;
        // New ones for each block: as many orders as one may have open are soon there.
        let loud = house.key(&format!("loud-{number}"))?;
        let neighbours = (0..NEIGHBOURS).map(|nth| house.key(&format!("neighbour-{number}-{nth}"))).collect::<Outcome<Vec<_>>>()?;
        house.block(&loud, &neighbours, number, times, seconds)
    };
    block(1.0)?;
    let compared = {
        let block = std::cell::RefCell::new(&mut block);
        let of_partner = std::cell::RefCell::new(&mut of_partner);
        let side = |side: usize, times: f64| -> Outcome<Block> {
            let (shop, partner) = (block.borrow_mut())(times)?;
            of_partner.borrow_mut()[side].push(partner);
            Ok(shop)
        };
        alternate(settings.pairs, |_| Ok(()), |()| side(0, TIMES), |()| side(1, 1.0))?
    };
    let what = |who: &str| format!("{who} beside a partner at {TIMES} × its limit ÷ beside one that keeps to it, p99 of placing an order");
    report.add(Row::compared(&what("the shop"), "ms", Target::AtMost(1.1), &compared));
    let [ours, bare] = of_partner;
    let compared = Compared { ours, bare, machine: compared.machine };
    report.add(Row::compared(&what(&format!("{NEIGHBOURS} other partners")), "ms", Target::AtMost(1.1), &compared));
    Ok(())
}

/// Who sends, how often, and what may be answered.
struct Stream<'s> {
    head: String,
    body: &'s (dyn Fn(usize) -> String + Sync),
    rate: f64,
    /// Besides 201.
    may_be_limited: bool,
}

/// The whole product in one process, in a folder of its own.
struct House {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl House {
    fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        // The kernel ends it with this process, however that ends.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary()?)
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("the house has no output")?).read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("http://").ok_or_else(|| format!("the house says {line:?} instead of its address"))?.to_owned();
        Ok(Self { child, address, folder })
    }

    fn key(&self, partner: &str) -> Outcome<String> {
        let folder: &Path = self.folder.path();
        let output = Command::new(binary()?).args(["key", "create", "--partner", partner, "--data"]).arg(folder).output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure(output.status.success(), || format!("no key for {partner}: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// All at once; what the shop and the neighbours saw.
    fn block(&self, loud: &str, neighbours: &[String], number: usize, times: f64, seconds: f64) -> Outcome<(Block, Block)> {
        let cpu_before = cpu_of(self.child.id());
        let order = |n: usize| {
            format!(
                r#"{{"reference":"B-{n}","item":{{"material":"silver-925","quantity":1,"finish":"polished"}},"model":{{"base64":"{FILE}","format":"stl"}}}}"#
            )
        };
        let partner = |key: &str| format!("POST /partner/v1/orders HTTP/1.1\r\nAuthorization: Bearer {key}\r\n");
        let shop = Stream {
            head: "POST /shop/v1/orders HTTP/1.1\r\n".into(),
            body: &|_| SHOP_BODY.into(),
            rate: SHOP_RATE,
            may_be_limited: false,
        };
        let within = |key: &String| Stream { head: partner(key), body: &order, rate: PARTNER_RATE, may_be_limited: false };
        let neighbours: Vec<Stream<'_>> = neighbours.iter().map(within).collect();
        let loud = Stream { head: partner(loud), body: &order, rate: LIMIT * times, may_be_limited: true };
        let start = Instant::now() + Duration::from_millis(50);
        let (shop, neighbours, limited) = std::thread::scope(|scope| -> Outcome<_> {
            let run = |stream| scope.spawn(move || self.stream(stream, start, number, seconds));
            let (shop, loud) = (run(&shop), run(&loud));
            let neighbours: Vec<_> = neighbours.iter().map(run).collect();
            let done = |thread: std::thread::ScopedJoinHandle<'_, Outcome<_>>| thread.join().map_err(|_| "a sender panicked")?;
            let mut theirs = Latencies::default();
            for neighbour in neighbours {
                theirs.merge(done(neighbour)?.0);
            }
            let ((shop, _), (_, limited)) = (done(shop)?, done(loud)?);
            Ok((shop, theirs, limited))
        })?;
        ensure(times < 2.0 || limited > 0, || "the loud partner was never told to wait".into())?;
        let cpu_s = cpu_of(self.child.id()) - cpu_before;
        let sent = (SHOP_RATE + PARTNER_RATE * NEIGHBOURS as f64 + LIMIT * times) * seconds;
        let block =
            |mut latencies: Latencies| Block { value: latencies.quantile_ms(0.99), cpu_s_per_1000: cpu_s / sent * 1000.0, p99_ms: None };
        Ok((block(shop), block(neighbours)))
    }

    /// Sends for so long over several connections; the latencies, and how many were told to wait.
    fn stream(&self, stream: &Stream<'_>, start: Instant, block: usize, seconds: f64) -> Outcome<(Latencies, usize)> {
        let count = ((stream.rate * seconds) as usize).max(1);
        let (mut latencies, mut limited) = (Latencies::default(), 0);
        std::thread::scope(|scope| -> Outcome<()> {
            let connections: Vec<_> = (0..CONNECTIONS)
                .map(|first| scope.spawn(move || self.connection(stream, start, block, (first..count).step_by(CONNECTIONS))))
                .collect();
            for connection in connections {
                let (some, told) = connection.join().map_err(|_| "a connection panicked")??;
                latencies.merge(some);
                limited += told;
            }
            Ok(())
        })?;
        Ok((latencies, limited))
    }

    fn connection(
        &self,
        stream: &Stream<'_>,
        start: Instant,
        block: usize,
        numbers: impl Iterator<Item = usize>,
    ) -> Outcome<(Latencies, usize)> {
        let connection = TcpStream::connect(&self.address)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut reader = BufReader::new(connection.try_clone()?);
        let mut writer = connection;
        let (mut latencies, mut limited) = (Latencies::default(), 0);
        for number in numbers {
            let due = start + Duration::from_secs_f64(number as f64 / stream.rate);
            let body = (stream.body)(number);
            let request = format!(
                "{}Host: {}\r\nContent-Type: application/json\r\nIdempotency-Key: bench-{block}-{number}\r\nContent-Length: {}\r\n\r\n{body}",
                stream.head,
                self.address,
                body.len()
            );
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            writer.write_all(request.as_bytes())?;
            let (head, body) = answer(&mut reader)?;
            if due >= start + LEAD {
                latencies.add(due.elapsed());
            }
            let told = stream.may_be_limited && head.starts_with("HTTP/1.1 429");
            ensure(told || head.starts_with("HTTP/1.1 201"), || format!("{head}{body}"))?;
            limited += usize::from(told);
        }
        Ok((latencies, limited))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
