//! Following the events, and the line that shows how far the day is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cast::{Board, Props};

/// How often the board is looked at.
pub(super) const EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(300);

#[rustfmt::skip]
const COLUMNS: [(&str, &[&str]); 6] = [
    ("new",     &["INITIATED", "FILE_UPLOADED"]),
    ("pricing", &["SUBMITTED"]),
    ("priced",  &["PRICE_CALCULATED"]),
    ("making",  &["MANUFACTURING_APPROVED", "MANUFACTURING_STARTED", "MANUFACTURING_COMPLETED", "PACKAGING"]),
    ("shipped", &["SHIPPED"]),
    ("ended",   &["CLOSED", "CANCELLED"]),
];

/// Keeps the board up to date from `GET /events/v1/`, following.
pub(super) async fn follow(props: Props, over: CancellationToken) {
    // A moment back, for clocks that differ. After a break it starts there again: events of different
    // partitions do not come in the order of time, so the last one seen is no place to go on from.
    let from = crate::publish::time_text((crate::wiring::clock())() - 60_000);
    while !over.is_cancelled() {
        let path = format!("/events/v1/?follow=true&from={from}");
        match props.api.lines(&path).await {
            Ok(stream) => {
                let mut rest = Vec::new();
                futures::pin_mut!(stream);
                while let Some(Ok(bytes)) = stream.next().await {
                    rest.extend_from_slice(&bytes);
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        if let Ok(event) = serde_json::from_slice::<Value>(&line) {
                            take(&props, &event);
                        }
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the events cannot be followed yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn take(props: &Props, event: &Value) {
    let mut board = props.board.lock();
    let (Some(id), Some(status)) = (event["order_id"].as_str().and_then(|id| id.parse::<Uuid>().ok()), event["status"].as_str()) else {
        return;
    };
    let now = Instant::now();
    let Some(order) = board.orders.get_mut(&id) else { return };
    status.clone_into(&mut order.status);
    if status == "PRICE_CALCULATED" {
        order.priced.get_or_insert(now);
    }
    if matches!(status, "CLOSED" | "CANCELLED") {
        order.ended.get_or_insert(now);
    }
    board.moved = Some(now);
}

/// The line.
pub(super) struct Progress {
    orders: u32,
    terminal: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn start(orders: u32) -> Self {
        Self { orders, terminal: std::io::stdout().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, board: &Board, since: Duration) {
        if self.last.is_some_and(|last| last.elapsed() < if self.terminal { EVERY } else { LINE_EVERY }) {
            return;
        }
        self.last = Some(Instant::now());
        let line = self.line(board, since);
        if self.terminal {
            print!("\r\x1b[2K{line}");
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
    }

    pub(super) fn end(&mut self, board: &Board, since: Duration) {
        self.last = None;
        self.show(board, since);
        if self.terminal {
            println!();
        }
    }

    fn line(&self, board: &Board, since: Duration) -> String {
        let count = |statuses: &[&str]| board.orders.values().filter(|order| statuses.contains(&order.status.as_str())).count();
        let columns: Vec<String> = COLUMNS.iter().map(|(name, statuses)| format!("{name} {:>3}", count(statuses))).collect();
        let ended = count(COLUMNS[5].1);
        let width = 20;
        let full = ended * width / (self.orders as usize).max(1);
        let bar: String = (0..width).map(|at| if at < full { '█' } else { '░' }).collect();
        format!("{bar} {ended:>3}/{}  {}  {:>4.1} s", self.orders, columns.join("  "), since.as_secs_f64())
    }
}
