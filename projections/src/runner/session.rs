//! The task of one model: gather, commit, go on; wait for what is away.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use atelier_log::Log;
use tokio::sync::watch;
use tokio::time::Instant;

use super::again::Again;
use super::batch::Batch;
use super::commit::{Committed, Committer, ReadModel};
use super::source::Source;
use super::{Backoff, Positions};
use crate::{Error, Metrics, Model, Store};

/// After so long without a commit the stored offsets are looked at: a database that came back without
/// its last transactions is noticed, and offsets that moved without records (the end of a Kafka
/// transaction takes one) are stored.
const IDLE: Duration = Duration::from_secs(1);
/// How long a runner that another one was faster than holds back.
const LEE: Duration = Duration::from_millis(250);

/// What a model's task needs.
pub(super) struct Session {
    pub(super) store: Store,
    pub(super) log: Arc<dyn Log>,
    pub(super) metrics: Metrics,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) progress: watch::Sender<Positions>,
}

/// Why a loop was left.
enum End {
    Stopped,
    /// The log must be read again from the stored offsets.
    Reread,
}

impl Session {
    /// Runs until told to stop.
    pub(super) async fn run<R: ReadModel>(mut self, model: R) {
        let mut committer =
            Committer { store: self.store.clone(), metrics: self.metrics.clone(), model, stored: Vec::new(), again: Again::default() };
        let mut begun = false;
        while !*self.stop.borrow() {
            if self.reload(&mut committer).await.is_err() {
                return;
            }
            if !begun && let Err(error) = committer.try_all_again().await {
                tracing::warn!(model = R::MODEL.as_str(), %error, "cannot look for orders set aside; they stay so until the next start");
            }
            begun = true;
            self.progress.send_replace(committer.stored.clone());
            match Source::start(self.log.clone(), R::MODEL, committer.stored.clone()) {
                Ok(source) => match self.follow(source, &mut committer).await {
                    End::Stopped => return,
                    End::Reread => tracing::info!(model = R::MODEL.as_str(), "reading the log again from the stored offsets"),
                },
                Err(error) => {
                    tracing::warn!(model = R::MODEL.as_str(), %error, "no thread to read the log with; trying again");
                    self.pause(LEE).await;
                }
            }
        }
    }

    async fn follow<R: ReadModel>(&mut self, mut source: Source<R::Body>, committer: &mut Committer<R>) -> End {
        // Everything before this is out of the source and in the store.
        let mut taken = committer.stored.clone();
        let mut look_at = Instant::now() + IDLE;
        let mut in_lee = false;
        loop {
            let chunk = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return End::Stopped,
                chunk = source.chunks.recv() => Some(chunk),
                () = tokio::time::sleep_until(look_at) => None,
            };
            let idle = chunk.is_none();
            let mut batch = match chunk {
                None => Batch::empty(taken.clone()),
                Some(None) => return End::Reread,
                Some(Some(chunk)) => {
                    if in_lee {
                        self.pause(LEE).await;
                    }
                    Batch::gather(chunk, &mut source)
                }
            };
            let mut look = in_lee || idle;
            let mut applied = false;
            loop {
                if std::mem::take(&mut look) {
                    let before = committer.stored.clone();
                    if self.reload(committer).await.is_err() {
                        return End::Stopped;
                    }
                    if committer.stored.iter().zip(&before).any(|(now, before)| now < before) {
                        return End::Reread;
                    }
                    applied |= committer.stored != before;
                }
                batch.pass_over(&committer.stored);
                let unsettled = idle && batch.next != committer.stored;
                if batch.records.is_empty() && !unsettled {
                    break;
                }
                match self.commit(committer, &mut batch).await {
                    Ok(Committed::Done) => {
                        applied |= !batch.records.is_empty();
                        in_lee = false;
                        break;
                    }
                    Ok(Committed::Moved) => (look, in_lee) = (true, true),
                    Err(Stopped) => return End::Stopped,
                }
            }
            if committer.again.is_due(Instant::now()) {
                match committer.try_again(&self.log).await {
                    Ok(written) => applied |= written,
                    Err(error) => tracing::warn!(model = R::MODEL.as_str(), %error, "orders set aside wait to be tried again"),
                }
            }
            if applied || idle {
                look_at = Instant::now() + IDLE;
            }
            taken.clone_from(&batch.next);
            self.progress.send_replace(taken.clone());
            if applied {
                self.store.changed();
            }
        }
    }

    /// Commits a batch, again and again while the store is away. A batch whose values the database
    /// refuses is halved until the record at fault stands alone; that one is parked.
    async fn commit<R: ReadModel>(&mut self, committer: &mut Committer<R>, batch: &mut Batch<R::Body>) -> Result<Committed, Stopped> {
        let mut absence = Absence::new(R::MODEL);
        let mut parts = Vec::from([Range { start: 0, end: batch.records.len() }]);
        while let Some(part) = parts.pop() {
            let next = batch.next_after(&part, &committer.stored);
            match committer.commit(&batch.records, part.clone(), &next).await {
                Ok(Committed::Done) => absence.over(),
                Ok(Committed::Moved) => return Ok(Committed::Moved),
                Err(Error::Refused(_)) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(Error::Refused(reason)) if part.len() == 1 && batch.records[part.start].body.is_ok() => {
                    batch.records[part.start].body = Err(format!("the database refused it: {reason}"));
                    parts.push(part);
                }
                Err(error) => {
                    self.metrics.retries.get_or_create(&R::MODEL.into()).inc();
                    parts.push(part);
                    self.pause(absence.tell(&error)).await;
                    if *self.stop.borrow() {
                        return Err(Stopped);
                    }
                }
            }
        }
        Ok(Committed::Done)
    }

    /// Reads the stored offsets, waiting for the store.
    async fn reload<R: ReadModel>(&mut self, committer: &mut Committer<R>) -> Result<(), Stopped> {
        let mut absence = Absence::new(R::MODEL);
        loop {
            match committer.reload(self.log.partitions()).await {
                Ok(()) => {
                    absence.over();
                    return Ok(());
                }
                Err(error) => self.pause(absence.tell(&error)).await,
            }
            if *self.stop.borrow() {
                return Err(Stopped);
            }
        }
    }

    async fn pause(&mut self, pause: Duration) {
        let _ = tokio::time::timeout(pause, stopped(&mut self.stop)).await;
    }
}

/// Until somebody stops it, which may have been during a pause that has seen it already: so the value counts, not the
/// change to it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that nobody is left to stop it, which is a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Told to stop while something was away.
struct Stopped;

/// A store that is away: said once, tried with growing pauses, said when it is back.
struct Absence {
    model: Model,
    backoff: Backoff,
    told: bool,
}

impl Absence {
    fn new(model: Model) -> Self {
        Self { model, backoff: Backoff::new(), told: false }
    }

    fn tell(&mut self, error: &Error) -> Duration {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(model = self.model.as_str(), %error, "a read model cannot write to the store and tries on; nothing is lost");
        }
        self.backoff.pause()
    }

    fn over(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::info!(model = self.model.as_str(), "the store is back");
            self.backoff = Backoff::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_that_a_pause_has_seen_still_stops() {
        let (stop, mut seen) = watch::channel(false);
        stop.send_replace(true);
        stopped(&mut seen).await;
        tokio::time::timeout(Duration::from_secs(300), stopped(&mut seen)).await.expect("it is over at once");
    }
}
