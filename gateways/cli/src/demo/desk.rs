//! The partner's desk: an endpoint of its own, to which webhooks come. It takes what is signed for it and sees whether
//! each order is told of once, in order and to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_http::{Secret, signature};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::api::{Api, As, Refused};
use super::cast::{Board, Partner, Props, Shared};
use crate::Failure;
use crate::wiring;

/// What the table at the end calls them.
const TAKEN: &str = "webhooks taken by the partner";
/// A message that met a killed process is sent again within it.
const TOLD_WITHIN: Duration = Duration::from_secs(40);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An open desk.
pub(super) struct Desk {
    api: Api,
    partner: Partner,
    /// Of the endpoint.
    path: String,
    listener: Arc<Listener>,
    _serving: AbortOnDropHandle<()>,
}

struct Listener {
    secret: Secret,
    board: Shared,
    /// By order.
    last: Mutex<BTreeMap<String, Told>>,
}

/// The last message about an order.
struct Told {
    sequence: i64,
    id: String,
    status: String,
}

impl Desk {
    /// Opens it. `None` where the house may not send anything to this machine.
    pub(super) async fn open(props: &Props, partner: &Partner) -> Result<Option<Self>, Failure> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let wish = json!({"url": format!("http://{}/atelier", socket.local_addr()?), "description": "the demo's partner"});
        let made = props.api.post(As::Partner(&partner.key), "/partner/v1/webhooks", &format!("{}-desk", props.run), &wish).await;
        let made = match made {
            Err(refused @ Refused { status: 422, .. }) => {
                println!("no webhooks: the house may not send any to this machine (start it with --webhook-allow 127.0.0.1/32): {refused}");
                return Ok(None);
            }
            made => made?,
        };
        let text = |field: &str| made[field].as_str().map(str::to_owned).ok_or_else(|| format!("an endpoint without {field}"));
        let (path, secret) = (format!("/partner/v1/webhooks/{}", text("id")?), Secret::parse(&text("secret")?)?);
        let listener = Arc::new(Listener { secret, board: props.board.clone(), last: Mutex::default() });
        let router = Router::new().route("/atelier", post(take)).with_state(listener.clone());
        let serving = tokio::spawn(async move {
            // It ends with the desk.
            let _ = axum::serve(socket, router).await;
        });
        Ok(Some(Self { api: props.api.clone(), partner: partner.clone(), path, listener, _serving: AbortOnDropHandle::new(serving) }))
    }

    /// Waits until the partner has been told how each of its orders ended; names those it was not told of.
    pub(super) async fn told_all(&self, orders: usize) {
        let started = Instant::now();
        loop {
            let untold = self.listener.untold(orders);
            if untold.is_empty() {
                return;
            }
            if started.elapsed() > TOLD_WITHIN {
                return untold.iter().for_each(|what| self.listener.board.trouble(format!("webhooks: {what}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Takes the endpoint away: nobody will listen there.
    pub(super) async fn close(self) -> Result<(), Refused> {
        self.api.delete(As::Partner(&self.partner.key), &self.path).await
    }
}

impl Listener {
    fn last(&self) -> MutexGuard<'_, BTreeMap<String, Told>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is lacking until the ends of all the partner's orders are told.
    fn untold(&self, orders: usize) -> Vec<String> {
        let last = self.last();
        let board = self.board.lock();
        let lacking =
            (last.len() < orders).then(|| format!("{} of {orders} orders were told of; is `atelier webhooks` running?", last.len()));
        let behind = |(order, told): (&String, &Told)| {
            let status = status_of(&board, order).filter(|status| *status != told.status)?;
            Some(format!("order {order} is {status}, and {} was the last that was told", told.status))
        };
        lacking.into_iter().chain(last.iter().filter_map(behind)).collect()
    }

    /// Notes a message; what is wrong with it otherwise.
    fn note(&self, id: &str, message: &Value) -> Result<(), String> {
        let data = &message["data"];
        let (Some(order), Some(sequence), Some(status)) = (data["order_id"].as_str(), data["sequence"].as_i64(), data["status"].as_str())
        else {
            return Err(format!("a message about no order: {message}"));
        };
        let mut last = self.last();
        let before = last.get(order).map_or((0, ""), |told| (told.sequence, told.id.as_str()));
        if before == (sequence, id) {
            // It was taken, and the answer got lost.
            return Ok(());
        }
        if sequence != before.0 + 1 {
            return Err(format!("order {order}: message {sequence} ({id}) came after {} ({})", before.0, before.1));
        }
        last.insert(order.to_owned(), Told { sequence, id: id.to_owned(), status: status.to_owned() });
        self.board.count(TAKEN);
        Ok(())
    }
}

fn status_of<'b>(board: &'b Board, order: &str) -> Option<&'b str> {
    board.orders.get(&order.parse().ok()?).map(|followed| followed.status.as_str())
}

/// One message.
async fn take(State(listener): State<Arc<Listener>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("webhook-id");
    let timestamp = header("webhook-timestamp").parse().unwrap_or(0);
    let now_s = (wiring::clock())() / 1000;
    if let Err(error) = signature::verify(&listener.secret, id, timestamp, &body, header("webhook-signature"), now_s) {
        listener.board.trouble(format!("webhooks: message {id} is not believed: {error}"));
        return StatusCode::UNAUTHORIZED;
    }
    if let Err(trouble) = listener.note(id, &serde_json::from_slice(&body).unwrap_or_default()) {
        listener.board.trouble(format!("webhooks: {trouble}"));
    }
    StatusCode::NO_CONTENT
}
