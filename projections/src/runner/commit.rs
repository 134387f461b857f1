//! One transaction: the offsets and what the records make of the rows.

use std::future::Future;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use atelier_schemas::Framed;
use atelier_store::{Columns, Select, Transaction};

use super::Positions;
use super::again::Again;
use super::source::Decoded;
use crate::{Error, Metrics, Model, Store};

/// Applies records of its topic to its tables.
pub(crate) trait ReadModel: Send + 'static {
    const MODEL: Model;
    type Body: Framed + Send + Sync + 'static;

    /// Writes what the records say, in the transaction given.
    fn apply(
        &mut self,
        transaction: &mut Transaction,
        records: &[Decoded<Self::Body>],
    ) -> impl Future<Output = Result<Applied, Error>> + Send;
    /// The last [`ReadModel::apply`] was committed.
    fn committed(&mut self);
    /// Somebody else may have changed the rows.
    fn forget(&mut self);
    /// The offsets of the records that do not count because this one says so.
    fn skipped_by(_: &Self::Body) -> &[i64] {
        &[]
    }
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Understood, among them those that changed nothing.
    pub(crate) records: u64,
    /// Passed over: their order is parked.
    pub(crate) skipped: u64,
    /// To be said once the transaction is through.
    parked: Vec<Notice>,
    /// Keys of orders that may be understood now.
    pub(crate) again: Vec<String>,
}

#[derive(Debug)]
struct Notice {
    model: Model,
    partition: u32,
    offset: u64,
    key: String,
    reason: String,
}

impl Applied {
    /// The record's order was parked.
    pub(crate) fn note<T>(&mut self, model: Model, record: &Decoded<T>, reason: &str) {
        let Decoded { partition, offset, key, .. } = record;
        self.parked.push(Notice { model, partition: *partition, offset: *offset, key: key.clone(), reason: reason.to_owned() });
    }

    pub(super) fn tell(&self, model: Model, metrics: &Metrics) {
        metrics.applied.get_or_create(&model.into()).inc_by(self.records);
        metrics.skipped.get_or_create(&model.into()).inc_by(self.skipped);
        metrics.parked.get_or_create(&model.into()).inc_by(self.parked.len() as u64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        metrics.last_applied.get_or_create(&model.into()).set(now);
        for Notice { model, partition, offset, key, reason } in &self.parked {
            tracing::error!(
                model = model.as_str(),
                partition,
                offset,
                order_id = key,
                reason,
                "order parked: the read model shows it as it was before this record, until that is skipped (`atelier parked`) or a newer program reads it"
            );
        }
    }
}

/// How a commit ended.
pub(super) enum Committed {
    Done,
    /// The offsets are not where this process believed: another one applied these records, or the
    /// database lost its last transactions.
    Moved,
}

/// Commits records of one model.
pub(super) struct Committer<R: ReadModel> {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) model: R,
    /// The offsets as they are in the store.
    pub(super) stored: Positions,
    /// Orders set aside that are to be tried again.
    pub(super) again: Again,
}

impl<R: ReadModel> Committer<R> {
    /// Reads the offsets, adding those of partitions that have none yet. Whatever was believed is
    /// forgotten when they moved.
    pub(super) async fn reload(&mut self, partitions: u32) -> Result<(), Error> {
        const ADD: &str =
            "INSERT INTO offsets (model, log_partition, next) VALUES ($1, $2, 0) ON CONFLICT (model, log_partition) DO NOTHING";
        let name = R::MODEL.as_str();
        if self.stored.is_empty() {
            let mut transaction = self.store.db().begin().await?;
            for partition in 0..partitions {
                transaction.execute(ADD, [name.into(), i64::from(partition).into()]).await?;
            }
            transaction.commit().await?;
        }
        let mut now = vec![0; partitions as usize];
        let select = Select::text("SELECT log_partition, next FROM offsets WHERE ").push("model = ?", [name.into()]);
        for row in select.all(self.store.db()).await? {
            let mut columns = Columns::of(&row);
            let (partition, next) = (columns.int()?, columns.int()?);
            if let Some(slot) = usize::try_from(partition).ok().and_then(|partition| now.get_mut(partition)) {
                *slot = next.cast_unsigned();
            }
        }
        if now != self.stored {
            self.model.forget();
            self.stored = now;
        }
        Ok(())
    }

    /// Commits `records[range]` and moves the offsets to `next`.
    pub(super) async fn commit(&mut self, records: &[Decoded<R::Body>], range: Range<usize>, next: &[u64]) -> Result<Committed, Error> {
        const MOVE: &str = "UPDATE offsets SET next = $1 WHERE model = $2 AND log_partition = $3 AND next = $4";
        let mut transaction = self.store.db().begin().await?;
        for (partition, (old, new)) in (0i64..).zip(self.stored.iter().zip(next)).filter(|(_, (old, new))| old != new) {
            let values = [new.cast_signed().into(), R::MODEL.as_str().into(), partition.into(), old.cast_signed().into()];
            if transaction.execute(MOVE, values).await? != 1 {
                transaction.rollback().await?;
                return Ok(Committed::Moved);
            }
        }
        let applied = self.model.apply(&mut transaction, &records[range]).await?;
        transaction.commit().await?;
        self.model.committed();
        self.stored = next.to_vec();
        applied.tell(R::MODEL, &self.metrics);
        self.again.add(applied.again);
        Ok(Committed::Done)
    }
}
