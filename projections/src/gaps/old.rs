//! Takes closed gaps away when they are old.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atelier_schemas::TimeMs;
use tokio::sync::watch;

use crate::{Error, Store};

/// How long closed gaps are kept, in milliseconds; `None`: for ever. Asked anew each time, because a policy may be
/// put in force while the runner runs.
pub type Keep = Arc<dyn Fn() -> Option<TimeMs> + Send + Sync>;

const EVERY: Duration = Duration::from_secs(60);
/// In one transaction, so that the ledger's own do not wait for long.
const AT_ONCE: i64 = 2000;

const TAKE_AWAY: &str =
    "DELETE FROM gaps WHERE gap_id IN (SELECT gap_id FROM gaps WHERE closed_at IS NOT NULL AND closed_at < $1 ORDER BY closed_at LIMIT $2)";

/// Takes them away until told to stop. A store that is away is tried again with the next turn.
pub(crate) async fn take_away_old_ones(store: Store, keep: Keep, mut stop: watch::Receiver<bool>) {
    loop {
        if let Some(kept_ms) = keep() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let before = TimeMs::try_from(now).unwrap_or(TimeMs::MAX).saturating_sub(kept_ms);
            match closed_before(&store, before).await {
                Ok(0) => {}
                Ok(gaps) => tracing::info!(gaps, "closed gaps were old enough to go"),
                Err(error) => tracing::debug!(%error, "old gaps stay for now"),
            }
        }
        // An error says that nobody is left to stop it, which is a stop.
        if !matches!(tokio::time::timeout(EVERY, stop.wait_for(|stop| *stop)).await, Err(_elapsed)) {
            return;
        }
    }
}

/// Takes away what was closed before then, and says how many that were.
async fn closed_before(store: &Store, before: TimeMs) -> Result<u64, Error> {
    let mut gone = 0;
    loop {
        let mut transaction = store.db().begin().await?;
        let now = transaction.execute(TAKE_AWAY, [before.into(), AT_ONCE.into()]).await?;
        transaction.commit().await?;
        gone += now;
        if now < AT_ONCE.cast_unsigned() {
            return Ok(gone);
        }
    }
}
