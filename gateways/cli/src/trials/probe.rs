//! When everything moves again: orders of one's own through HTTP, one in every partition, each as far as its price.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use atelier_schemas::partition_of;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Between two tries of what was not accepted, and two looks at an order.
const AGAIN: Duration = Duration::from_millis(100);

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
    placed: u64,
    acks: Vec<Ack>,
}

impl Prober {
    /// Asks the gateway at `url`, whose log has so many partitions. `run` must be new for every run on one log.
    ///
    /// # Errors
    /// When the system gives no HTTP client.
    pub fn new(url: impl Into<String>, partitions: u32, run: impl Into<String>) -> reqwest::Result<Self> {
        // A gateway that was killed leaves connections that only look alive.
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).pool_max_idle_per_host(0).build()?;
        Ok(Self { client, url: url.into(), partitions, run: run.into(), placed: 0, acks: Vec::new() })
    }

    /// What was acknowledged since the last call.
    pub fn take_acks(&mut self) -> Vec<Ack> {
        std::mem::take(&mut self.acks)
    }

    /// Places an order in every partition and follows each to its price: gateway, engine, pricing and read models
    /// have to work for it. Then cancels it. Returns how long after `since` the last one had its price.
    ///
    /// # Errors
    /// What was waited for in vain, `limit` after `since`.
    pub async fn all_moves(&mut self, since: Instant, limit: Duration) -> Result<Duration, String> {
        let deadline = since + limit;
        let mut orders = Vec::new();
        let mut covered = BTreeSet::new();
        while covered.len() < self.partitions as usize {
            let id = self.place(deadline).await?;
            if covered.insert(partition_of(&id, self.partitions)) {
                self.submit(id, deadline).await?;
                orders.push(id);
            } else {
                self.cancel(id, deadline).await?;
            }
        }
        for id in &orders {
            self.until_priced(*id, deadline).await?;
        }
        let took = since.elapsed();
        for id in orders {
            self.cancel(id, deadline + ANSWER_WITHIN).await?;
        }
        Ok(took)
    }

    /// One new order, not accepted where nothing can be: status of the one answer that it gets, 0 for none.
    pub async fn try_to_place(&mut self) -> u16 {
        self.placed += 1;
        let key = format!("{}-{}", self.run, self.placed);
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

    async fn place(&mut self, deadline: Instant) -> Result<Uuid, String> {
        self.placed += 1;
        let key = format!("{}-{}", self.run, self.placed);
        let created = self.command("/shop/v1/orders", &key, &order(), deadline).await?;
        created["order_id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| format!("no order id in {created}"))
    }

    async fn submit(&mut self, id: Uuid, deadline: Instant) -> Result<(), String> {
        let ring = json!({"inner_diameter_mm": 17.0, "width_mm": 4.0, "thickness_mm": 1.8, "profile": "flat"});
        self.command(&format!("/shop/v1/orders/{id}/model/ring"), &format!("{id}-model"), &ring, deadline).await?;
        self.command(&format!("/shop/v1/orders/{id}/submit"), &format!("{id}-submit"), &json!({}), deadline).await.map(drop)
    }

    async fn cancel(&mut self, id: Uuid, deadline: Instant) -> Result<(), String> {
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
    async fn command(&mut self, path: &str, key: &str, body: &Value, deadline: Instant) -> Result<Value, String> {
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

    fn note(&mut self, answer: &Value) {
        if let (Some(order_id), Some(version), Some(status)) =
            (answer["order_id"].as_str(), answer["version"].as_i64(), answer["status"].as_str())
        {
            self.acks.push(Ack { order_id: order_id.into(), version, status: status.into() });
        }
    }
}

fn order() -> Value {
    json!({
        "customer": {"name": "Ada", "email": "ada@example.org"},
        "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
    })
}
