//! When everything moves again: orders of one's own through HTTP, one in every partition, each as far as its price.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_http::order_id_of;
use atelier_schemas::partition_of;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Between two tries of what was not accepted, and two looks at an order.
const AGAIN: Duration = Duration::from_millis(100);
/// Whose orders they are: with a key, the order's id.
const CLIENT: &str = "shop";

/// A command that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ack {
    /// The order.
    pub order_id: String,
    /// Its version after the command.
    pub version: i64,
    /// Its public status after the command.
    pub status: String,
}

/// A customer who wants to know whether the house works.
pub struct Prober {
    client: reqwest::Client,
    url: String,
    partitions: u32,
    /// Names this run; every key starts with it.
    run: String,
    /// Keys used or passed over.
    keys: u64,
    acks: Mutex<Vec<Ack>>,
}

impl Prober {
    /// Asks the gateway at `url`, whose log has so many partitions. `run` must be new for every run on one log.
    ///
    /// # Errors
    /// When the system gives no HTTP client.
    pub fn new(url: impl Into<String>, partitions: u32, run: impl Into<String>) -> reqwest::Result<Self> {
        // A gateway that was killed leaves connections that only look alive.
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).pool_max_idle_per_host(0).build()?;
        Ok(Self { client, url: url.into(), partitions, run: run.into(), keys: 0, acks: Mutex::default() })
    }

    /// What was acknowledged since the last call.
    pub fn take_acks(&mut self) -> Vec<Ack> {
        std::mem::take(self.acks.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Places an order in every partition and follows each to its price: gateway, engine, pricing and read models
    /// have to work for it. Then cancels it. Returns how long after `since` the last one had its price.
    ///
    /// # Errors
    /// What was waited for in vain, `limit` after `since`.
    pub async fn all_moves(&mut self, since: Instant, limit: Duration) -> Result<Duration, String> {
        let deadline = since + limit;
        let keys = self.keys();
        let this = &*self;
        let submitted = keys.iter().map(|key| async move {
            let id = this.place(key, deadline).await?;
            this.submit(id, deadline).await.map(|()| id)
        });
        let orders = all(submitted).await?;
        for id in &orders {
            self.until_priced(*id, deadline).await?;
        }
        let took = since.elapsed();
        all(orders.iter().map(|id| self.cancel(*id, deadline + ANSWER_WITHIN))).await?;
        Ok(took)
    }

    /// A key for every partition: which one an order goes to follows from its key.
    fn keys(&mut self) -> Vec<String> {
        let mut keys = BTreeMap::new();
        while keys.len() < self.partitions as usize {
            let key = self.next_key();
            keys.entry(partition_of(&order_id_of(CLIENT, &key), self.partitions)).or_insert(key);
        }
        keys.into_values().collect()
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.run, self.keys)
    }

    /// One new order, not accepted where nothing can be: status of the one answer that it gets, 0 for none.
    pub async fn try_to_place(&mut self) -> u16 {
        let key = self.next_key();
        match self.once(&Method::POST, "/shop/v1/orders", &key, &order()).await {
            Ok((status, answer)) => {
                if status.is_success() {
                    self.note(&answer);
                }
                status.as_u16()
            }
            Err(_) => 0,
        }
    }

    async fn place(&self, key: &str, deadline: Instant) -> Result<Uuid, String> {
        let created = self.command("/shop/v1/orders", key, &order(), deadline).await?;
        let id = order_id_of(CLIENT, key);
        if created["order_id"] != id.to_string() {
            return Err(format!("an order under the key {key} is to be {id}, and is {created}"));
        }
        Ok(id)
    }

    async fn submit(&self, id: Uuid, deadline: Instant) -> Result<(), String> {
        let ring = json!({"inner_diameter_mm": 17.0, "width_mm": 4.0, "thickness_mm": 1.8, "profile": "flat"});
        self.command(&format!("/shop/v1/orders/{id}/model/ring"), &format!("{id}-model"), &ring, deadline).await?;
        self.command(&format!("/shop/v1/orders/{id}/submit"), &format!("{id}-submit"), &json!({}), deadline).await.map(drop)
    }

    async fn cancel(&self, id: Uuid, deadline: Instant) -> Result<(), String> {
        let why = json!({"reason": "only asking"});
        self.command(&format!("/shop/v1/orders/{id}/cancel"), &format!("{id}-cancel"), &why, deadline).await.map(drop)
    }

    async fn until_priced(&self, id: Uuid, deadline: Instant) -> Result<(), String> {
        let path = format!("/shop/v1/orders/{id}");
        loop {
            let last = match self.once(&Method::GET, &path, "", &Value::Null).await {
                Ok((_, view)) if view["status"] == "PRICE_CALCULATED" => return Ok(()),
                Ok((status, view)) => format!("{status} {view}"),
                Err(error) => error,
            };
            if Instant::now() > deadline {
                return Err(format!("order {id} has no price: {last}"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The same command until it is decided.
    async fn command(&self, path: &str, key: &str, body: &Value, deadline: Instant) -> Result<Value, String> {
        loop {
            let last = match self.once(&Method::POST, path, key, body).await {
                Ok((StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, answer)) => answer.to_string(),
                Ok((status, answer)) if status.is_success() => {
                    self.note(&answer);
                    return Ok(answer);
                }
                Ok((status, answer)) => return Err(format!("POST {path}: {status} {answer}")),
                Err(error) => error,
            };
            if Instant::now() > deadline {
                return Err(format!("POST {path} is not accepted or not decided: {last}"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn once(&self, method: &Method, path: &str, key: &str, body: &Value) -> Result<(StatusCode, Value), String> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        if *method == Method::POST {
            request = request.header("Idempotency-Key", key).json(body);
        }
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    fn note(&self, answer: &Value) {
        if let (Some(order_id), Some(version), Some(status)) =
            (answer["order_id"].as_str(), answer["version"].as_i64(), answer["status"].as_str())
        {
            self.acks.lock().unwrap_or_else(PoisonError::into_inner).push(Ack {
                order_id: order_id.into(),
                version,
                status: status.into(),
            });
        }
    }
}

/// All of them, each to its end also where another fails: what it was told meanwhile counts.
async fn all<T>(tasks: impl Iterator<Item = impl Future<Output = Result<T, String>>>) -> Result<Vec<T>, String> {
    join_all(tasks).await.into_iter().collect()
}

fn order() -> Value {
    json!({
        "customer": {"name": "Ada", "email": "ada@example.org"},
        "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_probe_has_an_order_in_every_partition_and_never_the_same_one_again() {
        let mut prober = Prober::new("http://127.0.0.1:1", 16, "run").expect("a client");
        let (first, second) = (prober.keys(), prober.keys());
        for keys in [&first, &second] {
            let partitions: BTreeSet<u32> = keys.iter().map(|key| partition_of(&order_id_of(CLIENT, key), 16)).collect();
            assert!(partitions.into_iter().eq(0..16), "{keys:?}");
        }
        assert!(first.iter().all(|key| !second.contains(key)), "{first:?} and {second:?}");
    }

    /// A gateway that gives other ids than the probe has worked out would leave partitions that nobody has looked at.
    #[tokio::test]
    async fn an_order_that_goes_elsewhere_is_named() {
        let app = axum::Router::new().route(
            "/shop/v1/orders",
            axum::routing::post(|| async { axum::Json(json!({"order_id": Uuid::nil(), "version": 1, "status": "INITIATED"})) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let _server = tokio::spawn(async move { axum::serve(listener, app).await });
        let mut prober = Prober::new(url, 1, "run").expect("a client");
        let complaint = prober.all_moves(Instant::now(), ANSWER_WITHIN).await.expect_err("the id is another");
        assert!(complaint.contains("run-1") && complaint.contains(&order_id_of(CLIENT, "run-1").to_string()), "{complaint}");
        assert_eq!(prober.take_acks().len(), 1, "what was acknowledged counts all the same");
    }
}
