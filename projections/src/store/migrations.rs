//! Brings a database to the tables this program wants.
//!
//! Each read model owns its migrations; this is the order they run in. One that was released is never
//! edited: add another. Changes first widen (old and new program both work), and narrow in a later
//! release.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AnyConnection, Connection, Executor, Row};

use super::dialect::Dialect;

const MIGRATIONS: &[(&str, &str)] = &[
    ("store/1", include_str!("migration.sql")),
    ("shop/1", include_str!("../shop/migration.sql")),
    ("queue/1", include_str!("../queue/migration.sql")),
    ("crm/1", include_str!("../crm/migration.sql")),
    ("partner/1", include_str!("../partner/migration.sql")),
    ("outcomes/1", include_str!("../outcomes/migration.sql")),
    ("gaps/1", include_str!("../gaps/migration.sql")),
];

const RECORD: &str =
    "CREATE TABLE IF NOT EXISTS projection_migrations (name TEXT PRIMARY KEY, sql TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// Why the tables could not be made.
pub(super) enum Failure {
    Database(sqlx::Error),
    /// A migration that was applied had another text.
    Edited(&'static str),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Runs what has not run yet, all of it or nothing; another process that does the same waits.
pub(super) async fn run(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), Failure> {
    let mut transaction = connection.begin_with(dialect.begin()).await?;
    if let Some(lock) = dialect.migration_lock() {
        transaction.execute(lock).await?;
    }
    transaction.execute(RECORD).await?;
    for (name, sql) in MIGRATIONS {
        let done =
            sqlx::query("SELECT sql FROM projection_migrations WHERE name = $1").bind(*name).fetch_optional(&mut *transaction).await?;
        if let Some(row) = done {
            let applied: String = row.try_get(0)?;
            if applied != *sql {
                return Err(Failure::Edited(name));
            }
            continue;
        }
        transaction.execute(*sql).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        sqlx::query("INSERT INTO projection_migrations (name, sql, applied_at) VALUES ($1, $2, $3)")
            .bind(*name)
            .bind(*sql)
            .bind(i64::try_from(now).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}
