//! What runs share: a database for the read models, emptied before each run, and a place for scratch files.

use std::path::Path;

use atelier_projections::Store;
use rusqlite::Connection;

/// Every table of the read models.
const TABLES: [&str; 9] =
    ["offsets", "parked", "shop_orders", "shop_timeline", "queue_items", "crm_orders", "crm_counts", "partner_orders", "outcomes"];

/// Opened once and used for one run after the other: making a database takes longer than a run.
pub struct Bed {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) store: Store,
    /// A second connection, to look with and to break things.
    pub(crate) database: Connection,
    folder: tempfile::TempDir,
}

impl Bed {
    /// Makes the database, in a temporary folder that goes with it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("read-models.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = runtime.block_on(Store::open(&format!("sqlite:{}", file.display())))?;
        let database = Connection::open(&file)?;
        // What a crash of the machine would leave behind is of no interest here.
        database.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA synchronous = OFF")?;
        Ok(Self { runtime, store, database, folder })
    }

    /// As new.
    pub(crate) fn clear(&self) -> rusqlite::Result<()> {
        let all: String = TABLES.iter().map(|table| format!("DELETE FROM {table};")).collect();
        self.database.execute_batch(&format!("BEGIN IMMEDIATE;{all}COMMIT"))
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }
}
