//! What differs between SQLite and PostgreSQL. All of it.

use std::borrow::Cow;

use sqlx::AnyConnection;

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

/// Taken while migrating, so that of two processes that open one database one waits.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7303014151)";

impl Dialect {
    /// Of an open connection.
    pub(super) fn of(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "SQLite" { Dialect::Sqlite } else { Dialect::Postgres }
    }

    /// The place of the nth value, from 1, in a long statement. SQLite knows `$n` too, but as a name it
    /// looks up among all others for each value.
    pub(super) fn place(self, nth: usize) -> String {
        match self {
            Dialect::Sqlite => "?".into(),
            Dialect::Postgres => format!("${nth}"),
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
    pub(super) fn migration_lock(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None, // BEGIN IMMEDIATE is the lock
            Dialect::Postgres => Some(MIGRATION_LOCK),
        }
    }

    /// Connections of one kind at most. SQLite has one writer.
    pub(super) fn connections(self, used: Use) -> u32 {
        match (self, used) {
            (Dialect::Sqlite, Use::Write) => 1,
            (Dialect::Sqlite, Use::Read) => 4,
            (Dialect::Postgres, Use::Write) => 6,
            (Dialect::Postgres, Use::Read) => 8,
        }
    }

    /// Run on every new connection. A read model's last transactions may be lost with the machine's
    /// power: its offset is lost with them and they are applied again, so no commit waits for the disk.
    ///
    /// Every statement here has its index. PostgreSQL would plan those of a new store for empty tables and
    /// keep reading whole tables while they grow; SQLite would copy its log back after each large batch.
    pub(super) fn prepare(self, used: Use) -> &'static str {
        match (self, used) {
            (Dialect::Sqlite, Use::Write) => {
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000; \
                 PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864"
            }
            (Dialect::Sqlite, Use::Read) => "PRAGMA busy_timeout = 5000; PRAGMA query_only = 1; PRAGMA cache_size = -8000",
            (Dialect::Postgres, Use::Write) => {
                "SET synchronous_commit = off; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; \
                 SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
            }
            (Dialect::Postgres, Use::Read) => {
                "SET statement_timeout = '5s'; SET default_transaction_read_only = on; SET enable_seqscan = off"
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
