//! What is written to the log lines: never personal data, never a secret, never what a header or body said.
//!
//! One collector hears every test of this binary; the test here plants what must not be found.

use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::body::Body;
use tracing_subscriber::fmt::MakeWriter;

use crate::house::{House, ORDER, create, post};
use crate::partner;

static LINES: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(Mutex::default);

struct Collector;

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collector {
    type Writer = Collector;
    fn make_writer(&'a self) -> Collector {
        Collector
    }
}

#[tokio::test]
async fn log_lines_tell_of_orders_and_not_of_people() {
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(Collector).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only collector here");
    let house = House::new().await;
    let planted = ORDER.replace("Jane Roe", "Planted-Name").replace("jane@", "planted-mail@");
    let id = house.call(create("planted-key", &planted)).await.expect(201).id();
    house.call(create("planted-key", &planted.replace("Planted", "Planted2"))).await.expect(422);
    house.call(create("planted-key", &planted.replace("\"quantity\":1", "\"quantity\":\"Planted-Quantity\""))).await.expect(422);
    let hold = post(&format!("/crm/v1/orders/{id}/hold"))
        .header("x-staff", "Planted-Staff;seller")
        .header("webhook-signature", "planted-signature");
    house.call(hold.body(Body::from("{\"reason\":\"planted-reason\"}")).expect("a request")).await.expect(200);
    let key = house.key("acme").await;
    let placed = partner::order("planted-reference").to_string();
    house.by(&key, "POST", "/partner/v1/orders", &placed).await.expect(201);
    let made = house.by(&key, "POST", "/partner/v1/keys", "").await.expect(201).json();
    let second = made["key"].as_str().expect("a key").to_owned();
    house.by(&second, "DELETE", &format!("/partner/v1/keys/{}", &key[4..16]), "").await.expect(200);
    house.by(&key, "GET", "/partner/v1/orders", "").await.expect(401);
    house.log.away(true);
    house.call(create("planted-key-2", &planted)).await.expect(503);
    let lines = String::from_utf8_lossy(&LINES.lock().unwrap_or_else(PoisonError::into_inner)).to_lowercase();
    assert!(lines.contains(&id.to_string()) && lines.contains("did not take it"), "the collector hears: {lines}");
    let found: Vec<&str> = lines.lines().filter(|line| line.contains("planted")).collect();
    assert!(found.is_empty(), "{found:#?}");
    for key in [key, second] {
        assert!(!lines.contains(&key[17..40]), "a key is in the log lines");
    }
}
