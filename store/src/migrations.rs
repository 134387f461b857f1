//! Brings a database to the tables a crate wants.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::dialect::{Dialect, Durability};

/// What a crate keeps in a database.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Of the crate, in small letters and underscores. `<name>_migrations` is where it notes what has run.
    pub name: &'static str,
    /// Name and SQL of each step, in the order they run in. One that was released is never edited: add
    /// another. Changes first widen (old and new program both work), and narrow in a later release.
    pub migrations: &'static [(&'static str, &'static str)],
    /// Whether a commit has to outlive a power cut.
    pub durability: Durability,
}

/// Why the tables could not be made.
pub(crate) enum Failure {
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
pub(crate) async fn run(connection: &mut AnyConnection, dialect: Dialect, schema: &Schema) -> Result<(), Failure> {
    let record = format!("{}_migrations", schema.name);
    let create = format!("CREATE TABLE IF NOT EXISTS {record} (name TEXT PRIMARY KEY, sql TEXT NOT NULL, applied_at BIGINT NOT NULL)");
    let find = format!("SELECT sql FROM {record} WHERE name = $1");
    let note = format!("INSERT INTO {record} (name, sql, applied_at) VALUES ($1, $2, $3)");
    let mut transaction = connection.begin_with(dialect.begin()).await?;
    if let Some(lock) = dialect.migration_lock() {
        transaction.execute(lock).await?;
    }
    transaction.execute(create.as_str()).await?;
    for (name, sql) in schema.migrations {
        let done = sqlx::query(&find).bind(*name).fetch_optional(&mut *transaction).await?;
        if let Some(row) = done {
            let applied: String = row.try_get(0)?;
            if applied != *sql {
                return Err(Failure::Edited(name));
            }
            continue;
        }
        transaction.execute(&*dialect.migration(sql)).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        sqlx::query(&note).bind(*name).bind(*sql).bind(now).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
