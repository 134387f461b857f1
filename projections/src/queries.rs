//! What may be asked of the read models. Each model answers in its own `query.rs`; here is what
//! concerns all of them.

use std::collections::HashMap;
use std::time::Duration;

use atelier_store::{Columns, Select};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Error, Model, OrderView, Store};

/// How long somebody who waits for a version goes without looking, should no change be announced.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// And how long at least between two looks, however often something changes.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Asks the read models. Clones share the connections.
#[derive(Clone)]
pub struct Queries {
    pub(crate) store: Store,
}

impl Queries {
    pub(crate) fn of(store: Store) -> Self {
        Self { store }
    }

    /// An order at `version` or later; waits for it at most `limit`.
    ///
    /// # Errors
    /// [`Error::Behind`] when the read model has not got there in time (0: it has no such order);
    /// otherwise as [`Queries::order`].
    pub async fn order_at(&self, id: Uuid, version: i64, limit: Duration) -> Result<Option<OrderView>, Error> {
        let end = Instant::now() + limit;
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let order = self.order(id).await?;
            let have = order.as_ref().map_or(0, |order| order.version);
            if have >= version {
                return Ok(order);
            }
            if Instant::now() >= end {
                return Err(Error::Behind { wanted: version, have });
            }
            let look = (Instant::now() + LOOK_AGAIN).min(end);
            let pause = (Instant::now() + LOOK_PAUSE).min(end);
            let _ = tokio::time::timeout_at(look, changes.changed()).await;
            tokio::time::sleep_until(pause).await;
        }
    }

    /// The next offset each partition of a model (`shop`, `queue`, `crm`, `partner`, `feed`, `gaps`, `outcomes`) waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn positions(&self, model: &str) -> Result<Vec<(u32, u64)>, Error> {
        let select = Select::text("SELECT log_partition, next FROM offsets WHERE ");
        let rows = select.push("model = ? ORDER BY log_partition", [model.into()]).all(self.store.db()).await?;
        let positions = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok((u32::try_from(columns.int()?).unwrap_or(u32::MAX), columns.int()?.cast_unsigned()))
        });
        positions.collect()
    }

    /// The same of all models; what is missing has not begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn progress(&self) -> Result<HashMap<(Model, u32), u64>, Error> {
        let mut progress = HashMap::new();
        for model in Model::ALL.iter().copied() {
            let positions = self.positions(model.as_str()).await?;
            progress.extend(positions.into_iter().map(|(partition, next)| ((model, partition), next)));
        }
        Ok(progress)
    }

    /// Counts up whenever something was applied: by this process's runner at once, by another's within
    /// 50 ms or so. Ask again then. Needs a tokio runtime.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.store.changes()
    }
}
