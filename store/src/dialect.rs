//! What differs between SQLite and PostgreSQL. All of it.

use std::borrow::Cow;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// Whether what was committed has to outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It comes back from elsewhere: the last transactions may be lost with the machine's power (all of each,
    /// and none before a later one that stayed). No commit waits for the disk.
    Rebuilt,
    /// It is kept here only: a commit waits for the disk.
    Kept,
}

/// Taken while migrating, so that of two processes that open one database one waits.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7303014151)";

impl Dialect {
    /// The place of the nth value, from 1, in a long statement. SQLite knows `$n` too, but as a name it
    /// looks up among all others for each value.
    pub(crate) fn place(self, nth: usize) -> String {
        match self {
            Dialect::Sqlite => "?".into(),
            Dialect::Postgres => format!("${nth}"),
        }
    }

    /// The text of a migration, written for SQLite, as this database takes it. SQLite keeps the rows of a table apart from
    /// its key unless it is told not to.
    pub(crate) fn migration(self, sql: &'static str) -> Cow<'static, str> {
        match self {
            Dialect::Sqlite => sql.into(),
            Dialect::Postgres => sql.replace(" WITHOUT ROWID", "").into(),
        }
    }

    /// What a statement begins with that writes several rows. Where a row is refused the whole transaction is given up, so
    /// SQLite need not keep what the statement changed before, which is a copy of every page.
    pub(crate) fn insert(self) -> &'static str {
        match self {
            Dialect::Sqlite => "INSERT OR FAIL INTO",
            Dialect::Postgres => "INSERT INTO",
        }
    }

    /// Starts a transaction that will write. SQLite must take the write lock at once: a transaction
    /// that reads first and writes later fails when another process wrote in between.
    pub(crate) fn begin(self) -> Cow<'static, str> {
        match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE".into(),
            Dialect::Postgres => "BEGIN".into(),
        }
    }

    /// Run first inside the transaction that migrates.
    pub(crate) fn migration_lock(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None, // BEGIN IMMEDIATE is the lock
            Dialect::Postgres => Some(MIGRATION_LOCK),
        }
    }

    /// Connections of one kind at most. SQLite has one writer.
    pub(crate) fn connections(self, used: Use) -> u32 {
        match (self, used) {
            (Dialect::Sqlite, Use::Write) => 1,
            (Dialect::Sqlite, Use::Read) => 4,
            (Dialect::Postgres, Use::Write) => 6,
            (Dialect::Postgres, Use::Read) => 8,
        }
    }

    /// Makes a transaction wait for others that lock the same name.
    pub(crate) fn lock(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None, // BEGIN IMMEDIATE is the lock
            Dialect::Postgres => Some("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"),
        }
    }

    /// Run on every new connection.
    ///
    /// Every statement is expected to have its index. PostgreSQL would plan those of a new store for empty
    /// tables and keep reading whole tables while they grow; SQLite would copy its log back after each large batch, and
    /// write a file of what it changed for every statement of several rows, of which one might be refused.
    pub(crate) fn prepare(self, used: Use, durability: Durability) -> &'static str {
        match (self, used, durability) {
            (Dialect::Sqlite, Use::Write, Durability::Rebuilt) => {
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000; \
                 PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864"
            }
            (Dialect::Sqlite, Use::Write, Durability::Kept) => {
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32000; \
                 PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864"
            }
            (Dialect::Sqlite, Use::Read, _) => "PRAGMA busy_timeout = 5000; PRAGMA query_only = 1; PRAGMA cache_size = -8000",
            (Dialect::Postgres, Use::Write, Durability::Rebuilt) => {
                "SET synchronous_commit = off; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; \
                 SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
            }
            (Dialect::Postgres, Use::Write, Durability::Kept) => {
                "SET synchronous_commit = on; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; \
                 SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
            }
            (Dialect::Postgres, Use::Read, _) => {
                "SET statement_timeout = '30s'; SET default_transaction_read_only = on; SET enable_seqscan = off"
            }
        }
    }
}

/// Whether the database refused the values themselves (too long for an index, a constraint), so that
/// trying again cannot help. A code of five characters is an SQLSTATE, any other SQLite's extended
/// result code, which has at most four.
pub(crate) fn refuses_values(code: &str) -> bool {
    if code.len() == 5 {
        // 22: data exception, 23: integrity, 54: program limit (the size of an index entry).
        ["22", "23", "54"].iter().any(|class| code.starts_with(class))
    } else {
        // 18: too big, 19: constraint, 20: mismatch.
        code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
    }
}
