//! Partners' messages against what the log says: every event that showed a partner something has a delivery at
//! every endpoint that wanted it then, whatever became of it; and every delivery tells of such an event
//! ([`strays`](super::strays)).
//!
//! What partners were shown is followed anew from the first event on, by the rule that feed and webhooks share;
//! the orders as they were last seen lie in the books, so memory does not grow with them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use atelier_log::{Log, Partition, Record};
use atelier_projections::feed::Seen;
use atelier_schemas::{Event, Framed, Topic, order_of_key};
use atelier_webhooks::reconcile::{self, Missing, Told};
use serde::Serialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::books::{Books, Found, Of};
use super::ends::End;
use super::problem::Problem;
use super::strays;
use super::stream::{Stream, place_at};
use crate::Failure;

/// Events taken at a time.
const BATCH: usize = 1000;
/// Batches read ahead of what is looked up.
const AHEAD: usize = 2;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What an audit says of partners' messages.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Webhooks {
    /// Nothing was held against the log, and why.
    LeftOut(&'static str),
    /// They were.
    Reconciled(Messages),
}

/// `due = delivered + pending + given up + pruned + missing`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Messages {
    /// That the log says there must be.
    due: u64,
    delivered: u64,
    pending: u64,
    given_up: u64,
    /// Older than what the log of deliveries still has of their endpoint.
    pruned: u64,
    missing: u64,
    /// Beside them: deliveries of what no event of the log has shown that partner.
    stray: u64,
}

impl std::fmt::Display for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeftOut(why) => write!(f, "left out: {why}"),
            Self::Reconciled(Messages { due, delivered, pending, given_up, pruned, missing, stray }) => {
                let sign = if *due == delivered + pending + given_up + pruned + missing { "=" } else { "≠" };
                write!(f, "due {due} {sign} delivered {delivered} + pending {pending} + given up {given_up}")?;
                write!(f, " + pruned {pruned} + missing {missing}")?;
                if *stray > 0 { write!(f, "; stray {stray}") } else { Ok(()) }
            }
        }
    }
}

/// Holds the deliveries against the log, and names the messages that are missing, the orders set aside, and
/// how far behind the reading is.
pub(super) async fn compare(
    log: &Arc<dyn Log>,
    store: &atelier_store::Store,
    books: &Arc<Books>,
    ends: &[End],
    settle: Duration,
) -> Result<Webhooks, Failure> {
    if !reconcile::any_endpoint(store).await? {
        return Ok(Webhooks::LeftOut("no partner has an endpoint"));
    }
    let (upto, behind) = caught_up(store, ends, settle).await?;
    if behind > 0 {
        let detail = format!("the webhooks are {behind} records behind the log; is `atelier webhooks` running?");
        books.report(Of::Run, [Problem::new("webhooks_behind", "webhooks", detail)])?;
    }
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let reading = {
        let (log, books) = (log.clone(), books.clone());
        let from = vec![0; upto.len()];
        tokio::task::spawn_blocking(move || {
            read(log.as_ref(), &books, &from, &upto, |told| sender.blocking_send(told).is_ok()).map(|()| upto)
        })
    };
    let mut messages = Messages::default();
    let mut found = Found::new(books);
    let mut waiting: HashSet<Uuid> = HashSet::new();
    while let Some(mut told) = batches.recv().await {
        let orders: BTreeSet<Uuid> = told.iter().map(|told: &Told| told.shown.order.order_id).collect();
        let aside = reconcile::set_aside(store, &orders.into_iter().collect::<Vec<_>>()).await?;
        let is_aside = |told: &Told| aside.get(&told.shown.order.order_id).filter(|from| told.offset >= **from).copied();
        for (told, from) in told.iter().filter_map(|told| Some((told, is_aside(told)?))) {
            if waiting.insert(told.shown.order.order_id) {
                let detail = format!("the webhooks tell nothing of it since {}", place_at(Topic::Events, told.partition, from));
                found.add(Problem::new("webhook_set_aside", told.shown.order.order_id.to_string(), detail))?;
            }
        }
        told.retain(|told| is_aside(told).is_none());
        let now = reconcile::reconcile(store, &told).await?;
        messages.delivered += now.delivered;
        messages.pending += now.pending;
        messages.given_up += now.given_up;
        messages.pruned += now.pruned;
        messages.missing += now.missing.len() as u64;
        for Missing { endpoint_id, order_id, event_id, sequence } in now.missing {
            let detail = format!("message {sequence} (event {event_id}) has no delivery at endpoint {endpoint_id}");
            found.add(Problem::new("missing_delivery", order_id.to_string(), detail))?;
        }
    }
    let upto = reading.await??;
    messages.stray = strays::name(log, store, books, upto, &mut found).await?;
    found.write()?;
    let Messages { delivered, pending, given_up, pruned, missing, .. } = messages;
    Ok(Webhooks::Reconciled(Messages { due: delivered + pending + given_up + pruned + missing, ..messages }))
}

/// Waits for the reading; gives how far it and this audit are, and how many records it lacks.
async fn caught_up(store: &atelier_store::Store, ends: &[End], settle: Duration) -> Result<(Vec<u64>, u64), Failure> {
    let started = Instant::now();
    loop {
        let progress = reconcile::progress(store).await?;
        let stored = |partition: Partition| progress.get(&partition).copied().unwrap_or(0);
        let upto: Vec<u64> = (0..).zip(ends).map(|(partition, end)| end.of.events.min(stored(partition))).collect();
        let behind: u64 = upto.iter().zip(ends).map(|(upto, end)| end.of.events - upto).sum();
        if behind == 0 || started.elapsed() >= settle {
            return Ok((upto, behind));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Follows the log, partition after partition; what was shown goes to `take`, until it wants no more.
pub(super) fn read(
    log: &dyn Log,
    books: &Books,
    from: &[u64],
    upto: &[u64],
    mut take: impl FnMut(Vec<Told>) -> bool,
) -> Result<(), Failure> {
    let uncounted = AtomicU64::new(0);
    for (partition, (from, upto)) in (0..).zip(from.iter().zip(upto)) {
        // What nobody can read shows nothing; the audit of the log names it.
        let decode = |record: &Record| Event::decode(&record.payload).ok();
        let mut events = Stream::open(log, (Topic::Events, partition), (*from, *upto), decode, &uncounted)?;
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH
                && let Some(next) = events.next()?
            {
                batch.push(next);
            }
            if batch.is_empty() {
                break;
            }
            let told = follow(books, partition, &batch)?;
            if !told.is_empty() && !take(told) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a batch shows to partners; it is kept in the books.
fn follow(books: &Books, partition: Partition, batch: &[(Record, Option<Event>)]) -> Result<Vec<Told>, Failure> {
    let orders: BTreeSet<Uuid> = batch.iter().filter_map(|(_, event)| Some(event.as_ref()?.order_id)).collect();
    let mut seen: HashMap<Uuid, Seen> = books.seen(&orders)?;
    let mut told = Vec::new();
    let mut unread = BTreeSet::new();
    for (record, event) in batch {
        let Some(event) = event else {
            unread.extend(order_of_key(&record.key));
            continue;
        };
        if !seen.contains_key(&event.order_id)
            && let Some(order) = Seen::created(event)
        {
            seen.insert(event.order_id, order);
        }
        // Other channels' orders are not seen at all.
        let shown = seen.get_mut(&event.order_id).and_then(|order| order.follow(event));
        told.extend(shown.map(|shown| Told { partition, offset: record.offset, shown }));
    }
    books.keep_shown(&seen, told.iter().map(|told| &told.shown), &unread)?;
    Ok(told)
}
