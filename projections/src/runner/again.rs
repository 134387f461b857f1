//! Orders that were set aside, tried again: when their model starts, because a newer program may understand what
//! an older one did not, and when an event says which of their records do not count.
//!
//! What the order missed is read from the log once more, so nothing needs to be kept for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Partition, Record};
use tokio::time::Instant;

use super::Backoff;
use super::commit::{Committed, Committer, ReadModel};
use super::parking;
use super::source::{Decoded, decoded};
use crate::Error;

/// Of one order, read again at most; one with more stays set aside until the model is built anew.
const RECORDS_LIMIT: usize = 10_000;
const CHUNK: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
/// Between two tries of what could not be written. Each reads the log again from where the order was set aside, which is
/// ever more of it: a runner that another one is always faster than must not do so for every chunk.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keys of orders set aside that are to be tried again, and when.
pub(super) struct Again {
    keys: HashSet<String>,
    /// `None`: at once.
    not_before: Option<Instant>,
    pauses: Backoff,
}

impl Default for Again {
    fn default() -> Self {
        Self { keys: HashSet::new(), not_before: None, pauses: Backoff::between(FIRST_PAUSE, LONGEST_PAUSE) }
    }
}

impl Again {
    /// These too, and at once: something has been said of them.
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = String>) {
        for key in keys {
            self.keys.insert(key);
            self.not_before = None;
        }
    }

    /// Whether it is time to try them.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.keys.is_empty() && self.not_before.is_none_or(|at| now >= at)
    }

    /// They are tried at `now`: not again before a pause, should that fail.
    fn tried(&mut self, now: Instant) {
        self.not_before = Some(now + self.pauses.pause());
    }

    /// Only these are left.
    fn left(&mut self, keys: HashSet<String>) {
        if keys.is_empty() {
            *self = Self::default();
        }
        self.keys = keys;
    }
}

impl<R: ReadModel> Committer<R> {
    /// All orders of the model that are set aside are to be tried again.
    pub(super) async fn try_all_again(&mut self) -> Result<(), Error> {
        self.again.add(parking::places(self.store.db(), R::MODEL).await?.into_keys());
        Ok(())
    }

    /// Tries the orders that are to be tried again, and says whether anything was written. What cannot be written now
    /// stays to be tried.
    pub(super) async fn try_again(&mut self, log: &Arc<dyn Log>) -> Result<bool, Error> {
        self.again.tried(Instant::now());
        let aside = parking::places(self.store.db(), R::MODEL).await?;
        let keys: HashSet<String> = self.again.keys.iter().filter(|key| aside.contains_key(*key)).cloned().collect();
        let mut written = false;
        let mut later = HashSet::new();
        let mut from: HashMap<Partition, u64> = HashMap::new();
        for (partition, offset) in keys.iter().filter_map(|key| aside.get(key)) {
            let first = from.entry(*partition).or_insert(*offset);
            *first = (*first).min(*offset);
        }
        for (partition, first) in from {
            let keys: HashSet<String> = keys.iter().filter(|key| aside.get(*key).is_some_and(|at| at.0 == partition)).cloned().collect();
            let Some(end) = self.stored.get(partition as usize).copied() else { continue };
            let log = log.clone();
            let missed = tokio::task::spawn_blocking(move || missed(log.as_ref(), R::MODEL.topic(), partition, first..end, &keys));
            let missed = missed.await.map_err(|error| Error::Unavailable(error.to_string()))??;
            for (key, records) in missed {
                let since = aside.get(&key).map_or(0, |at| at.1);
                let records: Vec<Decoded<R::Body>> = records.into_iter().filter(|record| record.offset >= since).map(decoded).collect();
                match self.bring_back(partition, &key, records).await {
                    Ok(Committed::Done) => written = true,
                    // Where the database refuses what it missed it stays set aside.
                    Err(Error::Refused(_)) => {}
                    // Another runner has moved on meanwhile, and not brought this order back.
                    Ok(Committed::Moved) => {
                        later.insert(key);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.again.left(later);
        Ok(written)
    }

    /// Applies what an order missed; where that is not to be understood either, the order is set aside anew.
    async fn bring_back(&mut self, partition: Partition, key: &str, mut records: Vec<Decoded<R::Body>>) -> Result<Committed, Error> {
        const HOLD: &str = "UPDATE offsets SET next = next WHERE model = $1 AND log_partition = $2 AND next = $3";
        let bodies = || records.iter().filter_map(|record| record.body.as_ref().ok());
        let skipped: HashSet<u64> = bodies().flat_map(R::skipped_by).filter_map(|offset| u64::try_from(*offset).ok()).collect();
        records.retain(|record| !skipped.contains(&record.offset));
        let stored = self.stored.get(partition as usize).copied().unwrap_or_default();
        let mut transaction = self.store.db().begin().await?;
        let place = [R::MODEL.as_str().into(), i64::from(partition).into(), stored.cast_signed().into()];
        if transaction.execute(HOLD, place).await? != 1 {
            transaction.rollback().await?;
            return Ok(Committed::Moved);
        }
        parking::unpark(&mut transaction, R::MODEL, key).await?;
        self.model.forget();
        let applied = self.model.apply(&mut transaction, &records).await?;
        transaction.commit().await?;
        self.model.committed();
        applied.tell(R::MODEL, &self.metrics);
        Ok(Committed::Done)
    }
}

/// The records of these orders in a stretch of the partition.
fn missed(
    log: &dyn Log,
    topic: atelier_schemas::Topic,
    partition: Partition,
    stretch: std::ops::Range<u64>,
    keys: &HashSet<String>,
) -> Result<HashMap<String, Vec<Record>>, Error> {
    let away = |error: atelier_log::Error| Error::Unavailable(error.to_string());
    let mut missed: HashMap<String, Vec<Record>> = HashMap::new();
    let mut reader = log.read(topic, &[(partition, stretch.start)]).map_err(away)?;
    while reader.position(partition) < stretch.end {
        for record in reader.poll(CHUNK, POLL).map_err(away)? {
            if record.offset < stretch.end && keys.contains(&record.key) {
                let records = missed.entry(record.key.clone()).or_default();
                if records.len() <= RECORDS_LIMIT {
                    records.push(record);
                }
            }
        }
    }
    missed.retain(|_, records| records.len() <= RECORDS_LIMIT);
    Ok(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_tried_after_ever_longer_pauses() {
        let mut again = Again::default();
        let mut now = Instant::now();
        assert!(!again.is_due(now), "there is nothing to try");
        again.add(["one".to_owned()]);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert!(again.is_due(now));
            again.tried(now);
            again.left(again.keys.clone());
            let not_before = again.not_before.expect("a pause");
            assert!(!again.is_due(not_before - Duration::from_millis(1)));
            pauses.push((not_before - now).as_millis());
            now = not_before;
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        again.tried(now);
        again.add([]);
        assert!(!again.is_due(now), "nothing has been said of any");
        again.add(["one".to_owned()]);
        assert!(again.is_due(now));
        // Once nothing is left the next one begins with a short pause.
        again.left(HashSet::new());
        again.add(["three".to_owned()]);
        assert!(again.is_due(now));
        again.tried(now);
        assert!(again.is_due(now + FIRST_PAUSE));
    }
}
