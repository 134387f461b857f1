//! A TCP proxy in front of a Kafka listener. It can be cut, it can be slow, and it knows enough of Kafka's framing to
//! hold back a single request of a kind, or the answer to it.
//!
//! Framing: four bytes of length, then in a request two of API key, two of version, four of correlation id, and in an
//! answer four of correlation id. Answers come in the order of the requests of a connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::{Outcome, text};

/// API key of EndTxn.
pub(crate) const END_TXN: u16 = 26;
/// API key of ListOffsets: where a partition begins or ends.
pub(crate) const LIST_OFFSETS: u16 = 2;
/// Larger than any request or answer that our clients send or ask for.
const FRAME_MAX_BYTES: u32 = 128 << 20;
/// For the answer to a request whose client is gone.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// What is done with the request that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is passed on later, and with it all that follows on its connection.
    Request,
    /// It is passed on at once, the answer later.
    Answer,
    /// Its connection breaks at once, and it arrives all the same, later.
    Late,
}

/// Waits for the next request of a kind, at whichever proxy it comes by.
struct Trap {
    api_key: u16,
    hold: Hold,
    time: Duration,
    caught: Sender<()>,
}

#[derive(Default)]
struct Set {
    next: Option<Trap>,
    /// All requests of this kind are passed on so much later.
    slow: Option<(u16, Duration)>,
}

/// The traps of several proxies.
#[derive(Clone, Default)]
pub(crate) struct Traps(Arc<Mutex<Set>>);

impl Traps {
    /// Holds the next request of the kind for so long. The receiver is told when it is caught: with [`Hold::Answer`]
    /// when the answer is there, so that the request has been carried out.
    pub(crate) fn set(&self, api_key: u16, hold: Hold, time: Duration) -> Receiver<()> {
        let (caught, told) = channel();
        self.lock().next = Some(Trap { api_key, hold, time, caught });
        told
    }

    /// Holds all requests of the kind for so long each.
    pub(crate) fn slow(&self, api_key: u16, time: Duration) {
        self.lock().slow = Some((api_key, time));
    }

    /// Waits for nothing any more.
    pub(crate) fn clear(&self) {
        *self.lock() = Set::default();
    }

    fn take(&self, api_key: u16) -> Option<Trap> {
        let mut set = self.lock();
        if set.next.as_ref().is_some_and(|trap| trap.api_key == api_key) {
            return set.next.take();
        }
        let (_, time) = set.slow.filter(|(slow, _)| *slow == api_key)?;
        Some(Trap { api_key, hold: Hold::Request, time, caught: channel().0 })
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Rules {
    to: SocketAddr,
    cut: watch::Sender<bool>,
    delay_ms: AtomicU64,
    traps: Traps,
}

/// A proxy. Runs until its runtime ends.
pub(crate) struct Proxy {
    rules: Arc<Rules>,
}

impl Proxy {
    /// Passes on from `from` to `to`, ports of 127.0.0.1.
    pub(crate) fn start(runtime: &Handle, from: u16, to: u16, traps: Traps) -> Outcome<Self> {
        let rules = Arc::new(Rules { to: ([127, 0, 0, 1], to).into(), cut: watch::Sender::new(false), delay_ms: AtomicU64::new(0), traps });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", from))).map_err(text)?;
        runtime.spawn(accept(listener, rules.clone()));
        Ok(Self { rules })
    }

    /// Breaks all connections and takes no new ones.
    pub(crate) fn cut(&self) {
        self.rules.cut.send_replace(true);
    }

    /// Takes connections again.
    pub(crate) fn heal(&self) {
        self.rules.cut.send_replace(false);
    }

    /// Every request takes so much longer.
    pub(crate) fn delay(&self, delay: Duration) {
        self.rules.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, rules: Arc<Rules>) {
    while let Ok((client, _)) = listener.accept().await {
        if *rules.cut.borrow() {
            continue;
        }
        tokio::spawn(serve(client, rules.clone()));
    }
}

async fn serve(client: TcpStream, rules: Arc<Rules>) {
    let Ok(broker) = TcpStream::connect(rules.to).await else { return };
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let (from_client, mut to_client) = client.into_split();
    let (mut from_broker, to_broker) = broker.into_split();
    let held = Held::default();
    let mut cut = rules.cut.subscribe();
    let late = tokio::select! {
        late = requests(from_client, to_broker, &rules, &held) => late,
        _ = answers(&mut from_broker, &mut to_client, &held) => None,
        _ = cut.wait_for(|cut| *cut) => None,
    };
    // From here on the client's connection is gone, whatever is still to arrive.
    drop(to_client);
    if let Some(Late { frame, mut to_broker, time }) = late {
        tokio::time::sleep(time).await;
        if to_broker.write_all(&frame).await.is_ok() {
            let _ = tokio::time::timeout(LAST_ANSWER, read_frame(&mut from_broker)).await;
        }
    }
}

/// Answers to be held back, by correlation id.
type Held = Mutex<HashMap<[u8; 4], Trap>>;

/// A request that outlives its connection.
struct Late {
    frame: Vec<u8>,
    to_broker: OwnedWriteHalf,
    time: Duration,
}

async fn requests(mut from_client: OwnedReadHalf, mut to_broker: OwnedWriteHalf, rules: &Rules, held: &Held) -> Option<Late> {
    loop {
        let frame = read_frame(&mut from_client).await.ok()?;
        let delay_ms = rules.delay_ms.load(Ordering::Relaxed);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if let Some((api_key, correlation)) = header(&frame)
            && let Some(trap) = rules.traps.take(api_key)
        {
            match trap.hold {
                Hold::Request => {
                    let _ = trap.caught.send(());
                    tokio::time::sleep(trap.time).await;
                }
                Hold::Answer => {
                    held.lock().unwrap_or_else(PoisonError::into_inner).insert(correlation, trap);
                }
                Hold::Late => {
                    let _ = trap.caught.send(());
                    return Some(Late { frame, to_broker, time: trap.time });
                }
            }
        }
        to_broker.write_all(&frame).await.ok()?;
    }
}

async fn answers(from_broker: &mut OwnedReadHalf, to_client: &mut OwnedWriteHalf, held: &Held) -> std::io::Result<()> {
    loop {
        let frame = read_frame(from_broker).await?;
        let trap = match frame.get(4..8) {
            Some(&[a, b, c, d]) => held.lock().unwrap_or_else(PoisonError::into_inner).remove(&[a, b, c, d]),
            _ => None,
        };
        if let Some(trap) = trap {
            let _ = trap.caught.send(());
            tokio::time::sleep(trap.time).await;
        }
        to_client.write_all(&frame).await?;
    }
}

/// A frame with its length.
async fn read_frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > FRAME_MAX_BYTES {
        return Err(std::io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; 4 + length as usize];
    frame[..4].copy_from_slice(&length.to_be_bytes());
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}

/// API key and correlation id of a request.
fn header(frame: &[u8]) -> Option<(u16, [u8; 4])> {
    match frame {
        [_, _, _, _, high, low, _, _, a, b, c, d, ..] => Some((u16::from_be_bytes([*high, *low]), [*a, *b, *c, *d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A request of an API key with a correlation id; the broker of these tests answers with the id alone.
    fn request(api_key: u8, correlation: u8) -> [u8; 12] {
        [0, 0, 0, 8, 0, api_key, 0, 0, 0, 0, 0, correlation]
    }

    fn answer(correlation: u8) -> [u8; 8] {
        [0, 0, 0, 4, 0, 0, 0, correlation]
    }

    /// Tells which requests have arrived.
    fn broker() -> (u16, Receiver<u8>) {
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (tell, arrived) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, tell) = (stream.expect("a client"), tell.clone());
                std::thread::spawn(move || {
                    let mut frame = [0; 12];
                    while stream.read_exact(&mut frame).is_ok() {
                        let _ = tell.send(frame[11]);
                        let _ = stream.write_all(&answer(frame[11]));
                    }
                });
            }
        });
        (port, arrived)
    }

    struct Bed {
        runtime: tokio::runtime::Runtime,
        proxy: Proxy,
        traps: Traps,
        port: u16,
        arrived: Receiver<u8>,
    }

    fn bed() -> Bed {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let (to, arrived) = broker();
        let (port, traps) = (atelier_support::free_port(), Traps::default());
        let proxy = Proxy::start(runtime.handle(), port, to, traps.clone()).expect("it listens");
        Bed { runtime, proxy, traps, port, arrived }
    }

    impl Bed {
        fn connect(&self) -> net::TcpStream {
            let stream = net::TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
            stream.set_read_timeout(Some(LONG)).expect("a timeout");
            stream
        }
    }

    fn receive(stream: &mut net::TcpStream) -> std::io::Result<u8> {
        let mut frame = [0; 8];
        stream.read_exact(&mut frame)?;
        Ok(frame[7])
    }

    #[test]
    fn what_is_cut_is_cut_and_heals() {
        let bed = bed();
        let mut stream = bed.connect();
        stream.write_all(&request(3, 1)).expect("sent");
        assert_eq!(receive(&mut stream).expect("answered"), 1);
        bed.proxy.cut();
        assert!(receive(&mut stream).is_err(), "the connection breaks");
        let mut refused = bed.connect();
        let _ = refused.write_all(&request(3, 2));
        assert!(receive(&mut refused).is_err(), "no new one is served");
        bed.proxy.heal();
        let mut stream = bed.connect();
        stream.write_all(&request(3, 4)).expect("sent");
        assert_eq!(receive(&mut stream).expect("answered"), 4);
        assert_eq!(bed.arrived.try_iter().collect::<Vec<_>>(), [1, 4]);
        drop(bed.runtime);
    }

    #[test]
    fn one_request_of_a_kind_is_held() {
        let bed = bed();
        let caught = bed.traps.set(END_TXN, Hold::Request, Duration::from_millis(300));
        let mut stream = bed.connect();
        for (api_key, correlation) in [(3, 1), (26, 2), (26, 3)] {
            stream.write_all(&request(api_key, correlation)).expect("sent");
        }
        assert_eq!(receive(&mut stream).expect("answered"), 1);
        caught.recv_timeout(LONG).expect("it is caught");
        assert_eq!(bed.arrived.try_iter().collect::<Vec<_>>(), [1], "the held one has not arrived");
        assert_eq!([receive(&mut stream).expect("answered"), receive(&mut stream).expect("answered")], [2, 3]);
    }

    #[test]
    fn an_answer_is_held_after_its_request_has_arrived() {
        let bed = bed();
        let caught = bed.traps.set(END_TXN, Hold::Answer, LONG);
        let mut stream = bed.connect();
        stream.write_all(&request(26, 2)).expect("sent");
        caught.recv_timeout(LONG).expect("it is caught");
        assert_eq!(bed.arrived.try_iter().collect::<Vec<_>>(), [2]);
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        assert!(receive(&mut stream).is_err(), "no answer yet");
    }

    #[test]
    fn a_late_request_outlives_its_connection() {
        let bed = bed();
        let caught = bed.traps.set(END_TXN, Hold::Late, Duration::from_millis(200));
        let mut stream = bed.connect();
        stream.write_all(&request(26, 2)).expect("sent");
        caught.recv_timeout(LONG).expect("it is caught");
        assert!(receive(&mut stream).is_err(), "the connection breaks");
        assert_eq!(bed.arrived.recv_timeout(LONG).expect("it arrives"), 2);
    }
}
