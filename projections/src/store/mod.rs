//! The read models' database, and who is told when it changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use atelier_store::{Columns, Durability, Row, Schema, Select};
use tokio::sync::watch;

use crate::{Error, Queries};

/// Each read model owns its migrations; this is the order they run in. Read models come back from the log,
/// with their offsets, so no commit waits for the disk.
const SCHEMA: Schema = Schema {
    name: "projection",
    migrations: &[
        ("store/1", include_str!("migration.sql")),
        ("shop/1", include_str!("../shop/migration.sql")),
        ("queue/1", include_str!("../queue/migration.sql")),
        ("crm/1", include_str!("../crm/migration.sql")),
        ("partner/1", include_str!("../partner/migration.sql")),
        ("outcomes/1", include_str!("../outcomes/migration.sql")),
        ("gaps/1", include_str!("../gaps/migration.sql")),
        ("feed/1", include_str!("../feed/migration.sql")),
        ("partner/2", include_str!("../partner/migration-2.sql")),
        ("feed/2", include_str!("../feed/migration-2.sql")),
        ("queue/2", include_str!("../queue/migration-2.sql")),
        ("gaps/2", include_str!("../gaps/migration-2.sql")),
        ("outcomes/2", include_str!("../outcomes/migration-2.sql")),
        ("gaps/3", include_str!("../gaps/migration-3.sql")),
        ("partner/3", include_str!("../partner/migration-3.sql")),
    ],
    durability: Durability::Rebuilt,
};

/// A database with the read models' tables. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: atelier_store::Store,
    changes: watch::Sender<u64>,
    /// A runner in this process says when something changed; nobody has to look.
    told: AtomicBool,
    /// Somebody looks.
    looking: AtomicBool,
}

impl Store {
    /// Opens `sqlite:/folder/file.sqlite` (made when missing, with its folder) or
    /// `postgres://user:password@host:port/database` and makes the tables.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Unreachable`] within [`atelier_store::OPEN_LIMIT`], [`Error::Mismatch`].
    pub async fn open(url: &str) -> Result<Self, Error> {
        let db = atelier_store::Store::open(url, &SCHEMA).await?;
        let inner = Inner { db, changes: watch::channel(0).0, told: AtomicBool::new(false), looking: AtomicBool::new(false) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] within a few seconds.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.db().ping().await?)
    }

    /// What may be asked.
    pub fn queries(&self) -> Queries {
        Queries::of(self.clone())
    }

    /// The address without its password.
    pub fn address(&self) -> &str {
        self.db().address()
    }

    /// The database itself.
    pub(crate) fn db(&self) -> &atelier_store::Store {
        &self.inner.db
    }

    /// A runner in this process applies this store's read models (or no longer does).
    pub(crate) fn told(&self, told: bool) {
        self.inner.told.store(told, Ordering::SeqCst);
    }

    /// Something was applied.
    pub(crate) fn changed(&self) {
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Counts up whenever something was applied. Without a runner in this process one task looks at
    /// the stored offsets, as long as anybody listens.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let receiver = self.inner.changes.subscribe();
        if !self.inner.told.load(Ordering::SeqCst) && !self.inner.looking.swap(true, Ordering::SeqCst) {
            tokio::spawn(look(Arc::downgrade(&self.inner)));
        }
        receiver
    }
}

/// Bumps `changes` when the stored offsets move.
async fn look(inner: Weak<Inner>) {
    const EVERY: Duration = Duration::from_millis(50);
    let mut last = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.changes.receiver_count() == 0 || inner.told.load(Ordering::SeqCst) {
            inner.looking.store(false, Ordering::SeqCst);
            // Somebody may have begun to listen just before and relied on this task.
            if inner.changes.receiver_count() == 0 || inner.told.load(Ordering::SeqCst) || inner.looking.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        let store = Store { inner };
        let found = Select::text("SELECT model, log_partition, next FROM offsets ORDER BY model, log_partition").all(store.db()).await;
        let Ok(rows) = found else { continue };
        let now: Vec<i64> = rows.iter().filter_map(|row| position(row).ok()).collect();
        // The first look is a change too: something may have happened since somebody began to listen.
        if last.as_ref() != Some(&now) {
            last = Some(now);
            store.changed();
        }
    }
}

fn position(row: &Row) -> Result<i64, Error> {
    let mut columns = Columns::of(row);
    let (_model, _partition) = (columns.text()?, columns.int()?);
    Ok(columns.int()?)
}
