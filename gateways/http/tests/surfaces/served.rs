//! Over real connections: slow callers, defects, a shutdown.

use std::time::Duration;

use atelier_http::{Limits, serve};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::house::House;

async fn start(router: Router, limits: Limits) -> (TcpStream, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, router, limits, async move {
        let _ = stopped.await;
    }));
    (TcpStream::connect(address).await.expect("a connection"), stop, server)
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    tokio::time::timeout(Duration::from_secs(300), stream.read_to_end(&mut text)).await.expect("in time").expect("readable");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_head_that_never_ends_is_hung_up_on() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let (mut stream, _stop, _server) = start(House::new().await.router, limits).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.expect("written");
    let answer = read_to_end(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_ends_streams() {
    let house = House::new().await;
    let id = house.order("a").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    let (mut stream, stop, server) = start(house.router.clone(), Limits::default()).await;
    stream.write_all(format!("GET /shop/v1/orders/{id}/stream HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.expect("written");
    let mut first = [0; 1024];
    let count = stream.read(&mut first).await.expect("the head");
    assert!(String::from_utf8_lossy(&first[..count]).starts_with("HTTP/1.1 200"));
    stop.send(()).expect("the server runs");
    house.stop.cancel();
    tokio::time::timeout(Duration::from_secs(300), server).await.expect("it ends in time").expect("without a panic");
    assert!(read_to_end(&mut stream).await.ends_with("0\r\n\r\n"), "the stream was ended, not cut");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let hangs = Router::new().route("/", get(|| async { std::future::pending::<()>().await }));
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let (mut stream, stop, server) = start(hangs, limits).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    stop.send(()).expect("the server runs");
    tokio::time::timeout(Duration::from_secs(300), server).await.expect("it ends in time").expect("without a panic");
}
