//! What is dialled, and how long and how much of an answer is read. Nothing here leaves this machine: the
//! resolver and the connector are stubs that note what would have been called, or receivers on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::send::System;
use crate::{Answer, Dial, Doing, Guard, Message, Resolve, Secret, Sender, Transport};

/// Answers with these addresses, one list after the other and the last one for ever.
struct Names(Mutex<Vec<Vec<IpAddr>>>);

impl Resolve for Names {
    fn resolve(&self, _: String) -> Doing<io::Result<Vec<IpAddr>>> {
        let mut lists = self.0.lock().unwrap();
        let found = if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() };
        Box::pin(async move { Ok(found) })
    }
}

/// Notes what it would have dialled.
#[derive(Default)]
struct Noted(Mutex<Vec<SocketAddr>>);

impl Dial for Noted {
    fn dial(&self, address: SocketAddr) -> Doing<io::Result<TcpStream>> {
        self.0.lock().unwrap().push(address);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

fn message(url: &str) -> Message {
    Message {
        url: url.into(),
        id: "m1".into(),
        timestamp_s: 1_700_000_000,
        secrets: [Secret::of([7; 32])].into(),
        body: Bytes::from_static(b"{}"),
    }
}

fn stubbed(allow: &[&str], names: &[&[&str]]) -> (Sender, Arc<Noted>) {
    let lists = names.iter().map(|list| list.iter().map(|address| address.parse().unwrap()).collect()).collect();
    let noted = Arc::new(Noted::default());
    let guard = Guard::new(allow.iter().map(|net| net.parse().unwrap()).collect());
    let sender = Sender::with(guard, RootCertStore::empty(), Arc::new(Names(Mutex::new(lists))), noted.clone(), Duration::from_secs(5));
    (sender, noted)
}

#[tokio::test]
async fn no_address_that_is_not_public_is_dialled_however_it_is_written() {
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "169.254.169.254",
        "10.0.0.8",
        "192.168.1.1",
        "172.16.5.4",
        "100.100.100.200",
        "0.0.0.0",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "user@127.0.0.1",
        "example.org@10.0.0.1",
    ];
    for host in hosts {
        let (sender, noted) = stubbed(&[], &[&["93.184.216.34"]]);
        let url = format!("https://{host}/hook");
        assert!(sender.check(&url).await.is_err(), "{url}");
        assert!(matches!(sender.send(message(&url)).await.answer, Answer::None(_)), "{url}");
        assert_eq!(*noted.0.lock().unwrap(), [], "{url}");
    }
    // Names that lead there: metadata.google.internal, localtest.me, one of several.
    for found in [&["169.254.169.254"][..], &["127.0.0.1"], &["::1"], &["::ffff:10.0.0.1"], &["93.184.216.34", "10.0.0.1"], &["fe80::1"]] {
        let (sender, noted) = stubbed(&[], &[found]);
        let error = sender.check("https://hook.example.org/").await.unwrap_err();
        assert!(error.contains("not public"), "{error}");
        let Answer::None(why) = sender.send(message("https://hook.example.org/")).await.answer else { panic!("{found:?}") };
        assert!(why.contains("not public") && !why.contains("hook.example.org"), "{why}");
        assert_eq!(*noted.0.lock().unwrap(), [], "{found:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_when_it_is_called() {
    let (sender, noted) = stubbed(&[], &[&["93.184.216.34"], &["169.254.169.254"]]);
    sender.check("https://rebind.example.org/").await.unwrap();
    assert!(matches!(sender.send(message("https://rebind.example.org/")).await.answer, Answer::None(why) if why.contains("not public")));
    assert_eq!(*noted.0.lock().unwrap(), []);
}

#[tokio::test]
async fn what_passed_is_what_is_dialled() {
    let (sender, noted) = stubbed(&[], &[&["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]]);
    sender.send(message("https://hook.example.org:8443/")).await;
    let dialled: Vec<String> = noted.0.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(dialled, ["93.184.216.34:8443", "[2606:2800:220:1:248:1893:25c8:1946]:8443"]);
    // Plain text goes to addresses on the list only, also by a name.
    let (sender, noted) = stubbed(&["127.0.0.0/8"], &[&["93.184.216.34"]]);
    assert!(matches!(sender.send(message("http://hook.example.org/")).await.answer, Answer::None(why) if why.contains("not https")));
    assert_eq!(*noted.0.lock().unwrap(), []);
}

/// A receiver on loopback that answers each connection with these bytes, one piece after the other.
async fn answering(pieces: Vec<Vec<u8>>, pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                for piece in pieces {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    address
}

/// A sender that may call loopback, with more time for an attempt than any here takes.
fn local() -> Sender {
    local_within(Duration::from_secs(300))
}

fn local_within(limit: Duration) -> Sender {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Sender::with(guard, RootCertStore::empty(), Arc::new(System), Arc::new(System), limit)
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let head = format!("HTTP/1.1 307 Moved\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
    let address = answering(vec![head.into_bytes()], Duration::ZERO).await;
    let attempt = local().send(message(&format!("http://{address}/"))).await;
    assert!(matches!(attempt.answer, Answer::Status { code: 307, .. }), "{attempt:?}");
    let called = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(called.is_err(), "nobody came to where it pointed");
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_and_bytes() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
    // 32 MB: what is kept is its beginning, as it came.
    let mut pieces = vec![ok.clone()];
    pieces.extend(std::iter::repeat_n(vec![b'x'; 1 << 20], 32));
    let address = answering(pieces, Duration::ZERO).await;
    let attempt = local().send(message(&format!("http://{address}/"))).await;
    assert!(matches!(&attempt.answer, Answer::Status { code: 200, body, .. } if *body == "x".repeat(4096)));
    // A byte every 100 ms: a head that does not end in time is no answer, a body is cut.
    let drip = |bytes: &[u8]| -> Vec<Vec<u8>> { bytes.iter().map(|byte| vec![*byte]).collect() };
    let address = answering(drip(&b"HTTP/1.1 200 OK\r\nX-Slow: ".repeat(4)), Duration::from_millis(100)).await;
    let attempt = local_within(Duration::from_secs(2)).send(message(&format!("http://{address}/"))).await;
    assert_eq!(attempt.answer, Answer::None("no answer within 2 s".into()));
    assert!(attempt.duration_ms >= 1900, "{attempt:?}");
    let mut pieces = vec![ok];
    pieces.extend(drip(&[b'y'; 600]));
    let address = answering(pieces, Duration::from_millis(100)).await;
    let attempt = local_within(Duration::from_secs(2)).send(message(&format!("http://{address}/"))).await;
    assert!(matches!(&attempt.answer, Answer::Status { code: 200, body, .. } if body.len() < 40), "{attempt:?}");
    assert!(attempt.duration_ms >= 1900, "{attempt:?}");
}

#[tokio::test]
async fn what_is_not_an_answer_is_told_without_the_address() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closes = answering(vec![], Duration::ZERO).await;
    let nonsense = answering(vec![b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec()], Duration::ZERO).await;
    for (address, words) in [(nobody, "no connection"), (closes, "closed before"), (nonsense, "not HTTP")] {
        let Answer::None(why) = local().send(message(&format!("http://{address}/?key=s3cret"))).await.answer else { panic!("{words}") };
        assert!(why.contains(words) && !why.contains("s3cret") && !why.contains("127.0.0.1"), "{why}");
    }
    let tls = local().send(message(&format!("https://{nonsense}/"))).await;
    assert!(matches!(tls.answer, Answer::None(why) if why.contains("TLS")));
}
