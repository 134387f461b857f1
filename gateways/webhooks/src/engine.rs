//! The role: reading, sending, housekeeping, each a task of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atelier_log::Log;
use atelier_store::Store;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::dispatch::{Clock, Dispatcher, Limits};
use crate::housekeeping::{COUNT_EVERY, PRUNE_EVERY, Retention, count_undelivered, prune, set_gauges};
use crate::ingest::{Ingest, Ingested};
use crate::send::Transport;
use crate::sending::{Came, Sending};
use crate::{Error, Metrics};

/// How long the log may be silent before the reading task looks whether it should end.
const POLL: Duration = Duration::from_millis(100);
/// A turn is made at least this often.
const TICK: Duration = Duration::from_millis(100);
/// While there is something in hand to be sent, turns are so far apart: one transaction writes down much.
const PACE: Duration = Duration::from_millis(10);
/// How long a process that another one was faster than holds back.
const LEE: Duration = Duration::from_millis(250);
/// Orders set aside are tried again this often: a newer program may have joined.
const AGAIN: Duration = Duration::from_secs(60);
/// Pauses while the store or the log is away.
const AWAY: Duration = Duration::from_millis(500);
/// How long messages under way may take at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// What the role is made of.
#[derive(Clone)]
pub struct Parts {
    /// With [`SCHEMA`](crate::SCHEMA).
    pub store: Store,
    /// Where events come from.
    pub log: Arc<dyn Log>,
    /// Sends.
    pub transport: Arc<dyn Transport>,
    /// Milliseconds since 1970.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Comes before the path of links in messages, for example `https://api.example.org`; may be empty.
    pub link_base: String,
    /// How much at once.
    pub limits: Limits,
    /// How long the log of deliveries reaches back.
    pub retention: Retention,
    /// A message that is on its way for so long counts as one that does not arrive; [`crate::LATE_MS`].
    pub late_ms: i64,
    /// A name of this process and run that no other has.
    pub name: String,
}

/// What reading found for lanes that this process may be working in.
#[derive(Default)]
struct Woken {
    endpoints: Mutex<BTreeSet<Uuid>>,
    notify: Notify,
}

/// The role at work. Dropping it stops it without waiting: what was under way is sent again.
pub struct Handle {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts the role, within a runtime. A log or store that goes away is waited for.
pub fn start(parts: Parts) -> Handle {
    let (stop, stopped) = watch::channel(false);
    let woken = Arc::new(Woken::default());
    let tasks = vec![
        tokio::spawn(read(parts.clone(), woken.clone(), stopped.clone())),
        tokio::spawn(dispatch(parts.clone(), woken, stopped.clone())),
        tokio::spawn(keep_house(parts, stopped)),
    ];
    Handle { stop, tasks }
}

impl Handle {
    /// Begins nothing new, waits for what is under way at most 5 s, and gives the leases back. Where the log or the
    /// store does not answer, what waits for it is stopped after 10 s.
    pub async fn drain(mut self) {
        self.stop.send_replace(true);
        let end = Instant::now() + 2 * DRAIN;
        for mut task in self.tasks.drain(..) {
            match tokio::time::timeout_at(end, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a task of the webhooks ended by a defect"),
                Err(_) => task.abort(),
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn read(parts: Parts, woken: Arc<Woken>, mut stop: watch::Receiver<bool>) {
    let mut ingest = Ingest::new(parts.store, parts.log, parts.metrics.clone(), parts.link_base);
    let mut away = false;
    let mut again = Instant::now();
    while !*stop.borrow() {
        let turn = if Instant::now() >= again {
            // Whatever comes of it: reading goes on in between.
            again = Instant::now() + AGAIN;
            ingest.try_again().await.map(|endpoints| Ingested { endpoints, ..Ingested::default() })
        } else {
            ingest.turn(POLL).await
        };
        match turn {
            Ok(ingested) => {
                parts.metrics.read.inc_by(ingested.records as u64);
                if std::mem::take(&mut away) {
                    tracing::info!("webhooks read the log again");
                }
                if ingested.again {
                    again = Instant::now();
                }
                if !ingested.endpoints.is_empty() {
                    woken.endpoints.lock().unwrap_or_else(PoisonError::into_inner).extend(ingested.endpoints);
                    woken.notify.notify_one();
                }
            }
            Err(Error::Moved) => pause(&mut stop, LEE).await,
            Err(error) => {
                parts.metrics.retries.inc();
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "webhooks cannot read the log or write to their store, and try on; nothing is lost");
                }
                pause(&mut stop, AWAY).await;
            }
        }
    }
}

async fn dispatch(parts: Parts, woken: Arc<Woken>, mut stop: watch::Receiver<bool>) {
    let random = Box::new(fastrand::f64);
    let mut sending = Sending::new(parts.transport, parts.clock.clone(), parts.metrics.clone(), parts.limits);
    let mut dispatcher = Dispatcher::new(parts.store, parts.clock, random, parts.limits, parts.metrics.clone(), parts.name);
    let mut end: Option<Instant> = None;
    let mut away = false;
    let mut turned = Instant::now();
    loop {
        if end.is_none() && *stop.borrow() {
            dispatcher.drain();
            sending.withdraw_all();
            end = Some(Instant::now() + DRAIN);
        }
        if end.is_some_and(|end| dispatcher.is_idle() || Instant::now() >= end) {
            return;
        }
        if !sending.has_news() {
            tokio::select! {
                () = sending.heard() => {}
                () = woken.notify.notified() => {}
                _ = stop.changed(), if end.is_none() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        while sending.has_more() && turned.elapsed() < PACE {
            tokio::select! {
                () = sending.heard() => {}
                () = tokio::time::sleep_until(turned + PACE) => {}
            }
        }
        let news = std::mem::take(&mut *woken.endpoints.lock().unwrap_or_else(PoisonError::into_inner));
        dispatcher.wake(&news);
        let turn = turn(&mut dispatcher, &mut sending).await;
        turned = Instant::now();
        match turn {
            Ok(()) => {
                if std::mem::take(&mut away) {
                    tracing::info!("webhooks are sent again");
                }
            }
            Err(error) => {
                parts.metrics.retries.inc();
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "webhooks cannot reach their store; what was under way will be sent again");
                }
                sending.stop().await;
                dispatcher.forget();
                pause(&mut stop, AWAY).await;
            }
        }
    }
}

/// A turn of the dispatcher with what came since the last one, while sending goes on.
async fn turn(dispatcher: &mut Dispatcher, sending: &mut Sending) -> Result<(), Error> {
    let Came { finished, unsent } = sending.take()?;
    dispatcher.take_back(&unsent);
    // What is under way is stopped before its lease runs out, also where the store neither answers nor breaks.
    let limit = dispatcher.time_left();
    let starts = tokio::time::timeout(limit, dispatcher.turn(finished)).await.unwrap_or(Err(Error::Late))?;
    if dispatcher.is_late() {
        return Err(Error::Late);
    }
    dispatcher.take_changed().into_iter().for_each(|endpoint_id| sending.withdraw(endpoint_id));
    sending.add(starts, dispatcher.good_until());
    Ok(())
}

async fn keep_house(parts: Parts, mut stop: watch::Receiver<bool>) {
    let (mut round, mut unpruned) = (0_u32, false);
    while !*stop.borrow() {
        // What cannot be counted or pruned now is at the next round; the other tasks tell when the store is away.
        if let Err(error) = set_gauges(&parts.store, &parts.clock, &parts.metrics).await {
            tracing::debug!(%error, "webhooks could not be counted");
        }
        if round.is_multiple_of(PRUNE_EVERY) {
            if let Err(error) = count_undelivered(&parts.store, &parts.clock, parts.late_ms, &parts.metrics).await {
                tracing::debug!(%error, "what does not arrive could not be counted");
            }
            let pruned = prune(&parts.store, &parts.clock, parts.retention).await;
            if let (Err(error), false) = (&pruned, unpruned) {
                tracing::warn!(%error, "the log of deliveries could not be pruned and grows; tried again every minute");
            }
            unpruned = pruned.is_err();
        }
        round = round.wrapping_add(1);
        pause(&mut stop, COUNT_EVERY).await;
    }
}

async fn pause(stop: &mut watch::Receiver<bool>, pause: Duration) {
    // An error says that nobody is left to stop it, which is a stop.
    let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
}
