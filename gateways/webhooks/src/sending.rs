//! Sending: what the dispatcher found due, of each endpoint so much at once.
//!
//! The dispatcher hands over more than may be under way, so that an endpoint's next message leaves when an answer
//! comes, and not when the store has written that answer down: whoever has an answer takes the next message. All that is
//! here is of different orders, or of different endpoints: which of it leaves first is nobody's concern. Nothing leaves
//! once the leases may have run out: a process that was stopped for a while finds another one at its work.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::decide::Heard;
use crate::dispatch::{Clock, Finished, Key, Limits, Start};
use crate::send::Transport;
use crate::{Error, Metrics};

/// What waits, by endpoint, and how much is under way.
pub(crate) struct Queue {
    limits: Limits,
    lines: HashMap<Uuid, Line>,
    /// Endpoints with a message that may leave, each once. They take turns.
    ready: VecDeque<Uuid>,
    waiting: usize,
    under_way: usize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Start>,
    under_way: usize,
    ready: bool,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, lines: HashMap::new(), ready: VecDeque::new(), waiting: 0, under_way: 0 }
    }

    pub(crate) fn add(&mut self, start: Start) {
        let endpoint_id = start.key.endpoint_id;
        self.lines.entry(endpoint_id).or_default().waiting.push_back(start);
        self.waiting += 1;
        self.line_up(endpoint_id);
    }

    /// The next that leaves; it is under way from here on.
    pub(crate) fn next(&mut self) -> Option<Start> {
        if self.under_way >= self.limits.in_flight {
            return None;
        }
        loop {
            let endpoint_id = self.ready.pop_front()?;
            let Some(line) = self.lines.get_mut(&endpoint_id) else { continue };
            line.ready = false;
            // It may have been withdrawn since.
            let Some(start) = line.waiting.pop_front() else { continue };
            line.under_way += 1;
            (self.waiting, self.under_way) = (self.waiting - 1, self.under_way + 1);
            self.line_up(endpoint_id);
            return Some(start);
        }
    }

    /// One of this endpoint is no longer under way.
    pub(crate) fn ended(&mut self, endpoint_id: Uuid) {
        if let Some(line) = self.lines.get_mut(&endpoint_id) {
            line.under_way = line.under_way.saturating_sub(1);
            self.under_way = self.under_way.saturating_sub(1);
            self.line_up(endpoint_id);
        }
    }

    /// What of this endpoint waits does not leave.
    pub(crate) fn withdraw(&mut self, endpoint_id: Uuid) -> Vec<Key> {
        let Some(line) = self.lines.get_mut(&endpoint_id) else { return Vec::new() };
        let keys: Vec<Key> = line.waiting.drain(..).map(|start| start.key).collect();
        self.waiting -= keys.len();
        self.line_up(endpoint_id);
        keys
    }

    fn line_up(&mut self, endpoint_id: Uuid) {
        let Some(line) = self.lines.get_mut(&endpoint_id) else { return };
        if line.waiting.is_empty() && line.under_way == 0 {
            self.lines.remove(&endpoint_id);
        } else if !line.ready && !line.waiting.is_empty() && line.under_way < self.limits.per_endpoint.max(1) {
            line.ready = true;
            self.ready.push_back(endpoint_id);
        }
    }
}

/// Sends what it is given, and keeps what came of it for the next turn.
pub(crate) struct Sending {
    shared: Arc<Shared>,
    limits: Limits,
    /// Each sends one message after the other, as long as there are any.
    senders: JoinSet<()>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    clock: Clock,
    metrics: Metrics,
    state: Mutex<State>,
    /// There is something for a turn to write down.
    news: Notify,
}

struct State {
    queue: Queue,
    came: Came,
    /// What was found may be begun until then, by the clock.
    good_until: i64,
}

/// What came of messages since the last turn.
#[derive(Default)]
pub(crate) struct Came {
    pub(crate) finished: Vec<Finished>,
    /// Was to be sent, and was not.
    pub(crate) unsent: Vec<Key>,
}

impl Came {
    fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.unsent.is_empty()
    }
}

impl Sending {
    pub(crate) fn new(transport: Arc<dyn Transport>, clock: Clock, metrics: Metrics, limits: Limits) -> Self {
        let state = Mutex::new(State::new(limits));
        let shared = Arc::new(Shared { transport, clock, metrics, state, news: Notify::new() });
        Self { shared, limits, senders: JoinSet::new() }
    }

    /// Takes these, and sends all it has until `good_until`, by the clock.
    pub(crate) fn add(&mut self, starts: Vec<Start>, good_until: i64) {
        let mut state = self.shared.state();
        state.good_until = good_until;
        starts.into_iter().for_each(|start| state.queue.add(start));
        while let Some(start) = state.queue.next() {
            self.senders.spawn(send(self.shared.clone(), start));
        }
    }

    /// Whether there is something for a turn to write down.
    pub(crate) fn has_news(&self) -> bool {
        !self.shared.state().came.is_empty()
    }

    /// Whether something waits for its place.
    pub(crate) fn has_more(&self) -> bool {
        self.shared.state().queue.waiting > 0
    }

    /// Waits until there may be news, or nothing that waits any more.
    pub(crate) async fn heard(&self) {
        self.shared.news.notified().await;
    }

    /// What came since the last call.
    ///
    /// # Errors
    /// [`Error::Defect`]: an attempt ended by a defect, and nobody knows which.
    pub(crate) fn take(&mut self) -> Result<Came, Error> {
        while let Some(ended) = self.senders.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "an attempt ended by a defect");
                return Err(Error::Defect);
            }
        }
        Ok(std::mem::take(&mut self.shared.state().came))
    }

    /// What of this endpoint waits does not leave: it may not be wanted any more, or elsewhere.
    pub(crate) fn withdraw(&mut self, endpoint_id: Uuid) {
        self.shared.state().withdraw(endpoint_id);
    }

    /// Nothing leaves any more.
    pub(crate) fn withdraw_all(&mut self) {
        self.shared.state().withdraw_all();
    }

    /// Stops and forgets all of it. What was under way may or may not arrive.
    pub(crate) async fn stop(&mut self) {
        self.senders.abort_all();
        while self.senders.join_next().await.is_some() {}
        *self.shared.state() = State::new(self.limits);
        self.shared.metrics.in_flight.set(0);
    }
}

/// Sends a message, and after it those that may leave in its place.
async fn send(shared: Arc<Shared>, start: Start) {
    let mut next = Some(start);
    while let Some(start) = next.take() {
        let now = (shared.clock)();
        let Some(start) = shared.in_time(start, now) else { return };
        if let Some(event_at) = start.fresh {
            shared.metrics.first_attempt.observe((now - event_at).max(0) as f64 / 1000.0);
        }
        let Start { key, tries, epoch, mut message, .. } = start;
        message.timestamp_s = now.div_euclid(1000);
        let attempt = shared.transport.send(message).await;
        next = shared.took(Finished { key, tries, epoch, attempt });
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be sent. Where it is too late for that it is handed back with all that waits; the next turn finds out
    /// whose they are.
    fn in_time(&self, start: Start, now: i64) -> Option<Start> {
        let mut state = self.state();
        if now < state.good_until {
            return Some(start);
        }
        state.queue.ended(start.key.endpoint_id);
        state.came.unsent.push(start.key);
        state.withdraw_all();
        self.metrics.in_flight.set(i64::try_from(state.queue.under_way).unwrap_or(i64::MAX));
        self.news.notify_one();
        None
    }

    /// Keeps it for the next turn; what leaves now.
    fn took(&self, done: Finished) -> Option<Start> {
        let delivered = Heard::of(&done.attempt.answer, (self.clock)()) == Heard::Delivered;
        let mut state = self.state();
        let endpoint_id = done.key.endpoint_id;
        state.queue.ended(endpoint_id);
        if !delivered {
            // How much goes there now, the next turn decides.
            state.withdraw(endpoint_id);
        }
        let first = state.came.finished.is_empty();
        state.came.finished.push(done);
        let next = state.queue.next();
        self.metrics.in_flight.set(i64::try_from(state.queue.under_way).unwrap_or(i64::MAX));
        drop(state);
        if first || next.is_none() {
            self.news.notify_one();
        }
        next
    }
}

impl State {
    fn new(limits: Limits) -> Self {
        Self { queue: Queue::new(limits), came: Came::default(), good_until: i64::MIN }
    }

    fn withdraw_all(&mut self) {
        for endpoint_id in self.queue.lines.keys().copied().collect::<Vec<_>>() {
            self.withdraw(endpoint_id);
        }
    }

    fn withdraw(&mut self, endpoint_id: Uuid) {
        self.came.unsent.extend(self.queue.withdraw(endpoint_id));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use prometheus_client::registry::Registry;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::decide::Tries;
    use crate::send::{Answer, Attempt, Doing, Message};

    fn start(endpoint: u128, sequence: i64) -> Start {
        let key = Key { endpoint_id: Uuid::from_u128(endpoint), order_id: Uuid::from_u128(7), number: sequence, sequence };
        let message = Message { url: "".into(), id: "".into(), timestamp_s: 0, secrets: [].into(), body: "".into() };
        Start { key, tries: Tries::default(), epoch: 0, fresh: None, message }
    }

    fn leave(queue: &mut Queue) -> Vec<(u128, i64)> {
        std::iter::from_fn(|| queue.next()).map(|start| (start.key.endpoint_id.as_u128(), start.key.sequence)).collect()
    }

    #[test]
    fn endpoints_take_turns_and_none_has_more_than_its_places() {
        let mut queue = Queue::new(Limits { in_flight: 5, per_endpoint: 2 });
        (1..=4).for_each(|sequence| queue.add(start(1, sequence)));
        (1..=4).for_each(|sequence| queue.add(start(2, sequence)));
        assert_eq!(leave(&mut queue), [(1, 1), (2, 1), (1, 2), (2, 2)], "two each");
        queue.add(start(3, 1));
        queue.add(start(4, 1));
        assert_eq!(leave(&mut queue), [(3, 1)], "five in all");
        queue.ended(Uuid::from_u128(2));
        assert_eq!(leave(&mut queue), [(4, 1)], "it waited before the next of 2");
        queue.ended(Uuid::from_u128(4));
        assert_eq!(leave(&mut queue), [(2, 3)]);
    }

    #[test]
    fn what_is_withdrawn_does_not_leave_and_is_named() {
        let mut queue = Queue::new(Limits { in_flight: 8, per_endpoint: 1 });
        (1..=3).for_each(|sequence| queue.add(start(1, sequence)));
        assert_eq!(leave(&mut queue), [(1, 1)]);
        let withdrawn: Vec<i64> = queue.withdraw(Uuid::from_u128(1)).iter().map(|key| key.sequence).collect();
        assert_eq!(withdrawn, [2, 3]);
        queue.ended(Uuid::from_u128(1));
        assert_eq!(leave(&mut queue), []);
        assert!(queue.lines.is_empty() && queue.under_way + queue.waiting == 0, "nothing is kept of an endpoint that is through");
        queue.add(start(1, 4));
        assert_eq!(leave(&mut queue), [(1, 4)]);
    }

    /// Takes a message when it is let through, and then says so.
    struct Gate {
        begun: AtomicI64,
        through: Arc<Semaphore>,
    }

    impl Transport for Gate {
        fn send(&self, _: Message) -> Doing<Attempt> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let through = self.through.clone();
            Box::pin(async move {
                through.acquire().await.unwrap().forget();
                Attempt { answer: Answer::Status { code: 200, body: String::new(), retry_after: None }, duration_ms: 1 }
            })
        }
    }

    #[tokio::test]
    async fn nothing_leaves_once_the_leases_may_have_run_out() {
        let (now, limits) = (Arc::new(AtomicI64::new(0)), Limits { in_flight: 8, per_endpoint: 1 });
        let gate = Arc::new(Gate { begun: AtomicI64::new(0), through: Arc::new(Semaphore::new(0)) });
        let at = now.clone();
        let clock: Clock = Arc::new(move || at.load(Ordering::SeqCst));
        let mut sending = Sending::new(gate.clone(), clock, Metrics::register(&mut Registry::default()), limits);
        sending.add((1..=4).map(|sequence| start(1, sequence)).collect(), 3000);
        gate.through.add_permits(1);
        while gate.begun.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        now.store(3000, Ordering::SeqCst);
        gate.through.add_permits(3);
        let (mut finished, mut unsent) = (Vec::new(), Vec::new());
        while finished.len() + unsent.len() < 4 {
            sending.heard().await;
            let came = sending.take().unwrap();
            finished.extend(came.finished.iter().map(|finished| finished.key.sequence));
            unsent.extend(came.unsent.iter().map(|key| key.sequence));
        }
        unsent.sort_unstable();
        assert_eq!((finished, unsent), (vec![1, 2], vec![3, 4]), "the third had its turn when it was too late");
        assert_eq!((gate.begun.load(Ordering::SeqCst), sending.has_more()), (2, false));
        sending.add(vec![start(1, 3)], 6000);
        while !sending.has_news() {
            sending.heard().await;
        }
        assert_eq!(sending.take().unwrap().finished.len(), 1, "with leases that are good again it goes on");
    }
}
