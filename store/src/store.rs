//! A database and its connections.
//!
//! Two pools: connections that only read, and those that write (SQLite: one). An address that is wrong and a
//! database that is not there are told at [`Store::open`], within [`OPEN_LIMIT`]; one that goes away later
//! makes each call fail within a few seconds and comes back by itself.

use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor};

use crate::address::Address;
use crate::dialect::{Dialect, Use};
use crate::migrations::{self, Failure};
use crate::{Error, Schema, Transaction};

/// Connecting and migrating may take this long at start.
pub const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// A question waits this long for a connection.
const READER_WAIT: Duration = Duration::from_secs(10);
/// A writer waits this long; on SQLite writers take turns.
const WRITER_WAIT: Duration = Duration::from_secs(10);

/// A connection not used for so long is asked whether it lives.
const RESTED: Duration = Duration::from_secs(1);

/// A database with the tables of a [`Schema`]. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    readers: AnyPool,
    writers: AnyPool,
}

impl Store {
    /// Opens `sqlite:/folder/file.sqlite` (made when missing, with its folder) or
    /// `postgres://user:password@host:port/database` and makes the tables.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Unreachable`] within [`OPEN_LIMIT`], [`Error::Mismatch`].
    pub async fn open(url: &str, schema: &Schema) -> Result<Self, Error> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let address = Address::parse(url)?;
        if let Some(folder) = address.file.as_ref().and_then(|file| file.parent()).filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| address.unreachable(&format!("{}: {error}", folder.display())))?;
        }
        let options: AnyConnectOptions = address
            .url
            .parse()
            .map_err(|error: sqlx::Error| Error::Address { address: address.shown.clone(), detail: error.to_string() })?;
        let options = options.disable_statement_logging();
        match tokio::time::timeout(OPEN_LIMIT, prepare(&options, address.dialect, schema)).await {
            Ok(Ok(())) => {}
            Ok(Err(Failure::Database(error))) => return Err(address.unreachable(&error.to_string())),
            Ok(Err(Failure::Edited(name))) => {
                let detail = format!("its migration {name} was applied with another text");
                return Err(Error::Mismatch { address: address.shown, detail });
            }
            Err(_) => return Err(address.unreachable(&format!("no answer within {} s", OPEN_LIMIT.as_secs()))),
        }
        let (dialect, durability) = (address.dialect, schema.durability);
        let pool = |used: Use, wait: Duration| {
            AnyPoolOptions::new()
                .max_connections(dialect.connections(used))
                .acquire_timeout(wait)
                .test_before_acquire(false)
                .before_acquire(|connection, met| Box::pin(async move { is_usable(connection, met.idle_for).await }))
                .after_connect(move |connection, _| {
                    Box::pin(async move { connection.execute(dialect.prepare(used, durability)).await.map(drop) })
                })
                .connect_lazy_with(options.clone())
        };
        let inner = Inner { readers: pool(Use::Read, READER_WAIT), writers: pool(Use::Write, WRITER_WAIT), address };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] within a few seconds.
    pub async fn ping(&self) -> Result<(), Error> {
        let asked = tokio::time::timeout(READER_WAIT, async {
            self.reader().await?.execute("SELECT 1").await?;
            Ok(())
        });
        asked.await.unwrap_or_else(|_| Err(Error::Unavailable(format!("{} does not answer", self.inner.address.shown))))
    }

    /// The address without its password.
    pub fn address(&self) -> &str {
        &self.inner.address.shown
    }

    pub(crate) async fn reader(&self) -> Result<PoolConnection<Any>, Error> {
        Ok(self.inner.readers.acquire().await?)
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection is to be had within 10 s.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let dialect = self.inner.address.dialect;
        Ok(Transaction { inner: self.inner.writers.begin_with(dialect.begin()).await?, dialect })
    }
}

/// Whether a connection may be used again.
///
/// One that was used a moment ago is taken to live: asking would double the cost of a small question. When it does not,
/// one call fails. One that is still in a transaction never leaves it: SQLite ends a transaction by itself where the disk
/// is full, sqlx's own end of it then fails, and every transaction after it would.
async fn is_usable(connection: &mut AnyConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        return Ok(false);
    }
    if idle_for >= RESTED {
        connection.ping().await?;
    }
    Ok(true)
}

async fn prepare(options: &AnyConnectOptions, dialect: Dialect, schema: &Schema) -> Result<(), Failure> {
    let mut connection = AnyConnection::connect_with(options).await?;
    // Two processes that turn a new file to WAL at once: one is told it is busy, whatever its timeout.
    while let Err(error) = connection.execute(dialect.prepare(Use::Write, schema.durability)).await {
        let busy = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| matches!(&*code, "5" | "261" | "517"));
        if !busy {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    migrations::run(&mut connection, dialect, schema).await?;
    connection.close().await?;
    Ok(())
}

impl Address {
    fn unreachable(&self, detail: &str) -> Error {
        let fix = match self.dialect {
            Dialect::Sqlite => "check that the folder exists, may be written to and has space left",
            Dialect::Postgres => "check host, port, user, password and database, and that the server is running",
        };
        Error::Unreachable { address: self.shown.clone(), detail: detail.to_owned(), fix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;

    #[tokio::test]
    async fn a_transaction_that_the_database_has_ended_by_itself_stops_no_later_one() {
        const SCHEMA: Schema = Schema {
            name: "ring_box",
            migrations: &[("rings/1", "CREATE TABLE rings (name TEXT NOT NULL PRIMARY KEY)")],
            durability: Durability::Rebuilt,
        };
        const ADD: &str = "INSERT INTO rings (name) VALUES ($1)";
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}/rings.sqlite", folder.path().display()), &SCHEMA).await.expect("a store");
        for (name, commits) in [("ended, and committed", true), ("ended, and dropped", false)] {
            let mut transaction = store.begin().await.expect("a transaction");
            transaction.execute(ADD, [name.into()]).await.expect("added");
            // As on a full disk.
            transaction.execute("ROLLBACK", []).await.expect("ended");
            if commits {
                transaction.commit().await.expect_err("there is nothing to commit");
            }
        }
        let mut transaction = store.begin().await.expect("another transaction");
        assert_eq!(transaction.execute(ADD, ["kept".into()]).await.expect("added"), 1);
        transaction.commit().await.expect("committed");
    }
}
