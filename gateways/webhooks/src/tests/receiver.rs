//! A receiver without a network: it fails, hangs, restarts and lies, and remembers what it took.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use crate::dispatch::Start;
use crate::send::{Answer, Attempt};
use crate::signature;

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes it and says so.
    Well,
    /// 500, and nothing taken.
    Fails,
    /// No answer in time; taken every other time.
    Hangs,
    /// The connection breaks; taken every other time.
    Restarts,
    /// Takes it and says 500.
    Lies,
    /// 429 with a pause.
    Busy,
    /// A redirect to somewhere else.
    Redirects,
}

/// What one endpoint has taken.
#[derive(Default)]
pub(crate) struct Receiver {
    pub(crate) received: BTreeMap<(Uuid, Uuid), Vec<(i64, String)>>,
    pub(crate) attempts: u64,
    pub(crate) duplicates: u64,
    ids: HashSet<(Uuid, String)>,
    turn: bool,
}

impl Receiver {
    /// Takes a message or not, and answers; how long that takes, in ms.
    pub(crate) fn receive(&mut self, start: &Start, mood: Mood) -> (Attempt, i64) {
        self.attempts += 1;
        self.turn = !self.turn;
        let status = |code| Answer::Status { code, body: String::new(), retry_after: None };
        let (take, answer, takes_ms) = match mood {
            Mood::Well => (true, status(200), 40),
            Mood::Fails => (false, status(500), 30),
            Mood::Hangs => (self.turn, Answer::None("no answer within 15 s".into()), 15_000),
            Mood::Restarts => (self.turn, Answer::None("the connection broke".into()), 5),
            Mood::Lies => (true, status(500), 40),
            Mood::Busy => (false, Answer::Status { code: 429, body: String::new(), retry_after: Some("20".into()) }, 5),
            Mood::Redirects => (false, status(302), 5),
        };
        if take {
            self.take(start);
        }
        (Attempt { answer, duration_ms: takes_ms }, takes_ms)
    }

    fn take(&mut self, start: &Start) {
        let Start { key, message, .. } = start;
        let body: Value = serde_json::from_slice(&message.body).expect("JSON");
        assert!(message.body.len() < 20_000);
        assert_eq!(body["data"]["event_id"], *message.id, "the webhook's id is the event's");
        assert_eq!(
            (body["data"]["sequence"].as_i64(), body["data"]["order_id"].as_str()),
            (Some(key.sequence), Some(&*key.order_id.to_string()))
        );
        let signed = signature::sign(&message.secrets[0], &message.id, message.timestamp_s, &message.body);
        let believed =
            signature::verify(&message.secrets[0], &message.id, message.timestamp_s, &message.body, &signed, message.timestamp_s);
        assert_eq!(believed, Ok(()));
        let seen = self.received.entry((key.endpoint_id, key.order_id)).or_default();
        if let Some((last, _)) = seen.last() {
            assert!(*last <= key.sequence, "order {}: {} came after {last}", key.order_id, key.sequence);
        }
        if !self.ids.insert((key.endpoint_id, message.id.to_string())) {
            self.duplicates += 1;
            return;
        }
        let previous = seen.last().map_or(0, |(last, _)| *last);
        assert_eq!(body["data"]["previous_sequence"], previous, "it says what came before it");
        seen.push((key.sequence, message.id.to_string()));
    }
}
