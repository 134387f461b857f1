//! Orders that were set aside, tried again: when their model starts, because a newer program may understand what
//! an older one did not, and when an event says which of their records do not count.
//!
//! What the order missed is read from the log once more, so nothing needs to be kept for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Partition, Record};

use super::commit::{Committed, Committer, ReadModel};
use super::parking;
use super::source::{Decoded, decoded};
use crate::Error;

/// Of one order, read again at most; one with more stays set aside until the model is built anew.
const RECORDS_LIMIT: usize = 10_000;
const CHUNK: usize = 1000;
const POLL: Duration = Duration::from_millis(100);

impl<R: ReadModel> Committer<R> {
    /// All orders of the model that are set aside are to be tried again.
    pub(super) async fn try_all_again(&mut self) -> Result<(), Error> {
        self.again = parking::places(self.store.db(), R::MODEL).await?.into_keys().collect();
        Ok(())
    }

    /// Tries the orders that are to be tried again. What cannot be written now is tried at the next call.
    pub(super) async fn try_again(&mut self, log: &Arc<dyn Log>) -> Result<(), Error> {
        let aside = parking::places(self.store.db(), R::MODEL).await?;
        let keys: HashSet<String> = self.again.iter().filter(|key| aside.contains_key(*key)).cloned().collect();
        let mut later = Vec::new();
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
                    // Where the database refuses what it missed it stays set aside.
                    Ok(Committed::Done) | Err(Error::Refused(_)) => {}
                    // Another runner has moved on meanwhile, and not brought this order back.
                    Ok(Committed::Moved) => later.push(key),
                    Err(error) => return Err(error),
                }
            }
        }
        self.again = later;
        Ok(())
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
