//! What is written together.

use sqlx::Any;

use crate::dialect::Dialect;
use crate::{Error, Value};

/// A transaction that may write. Dropped without [`Transaction::commit`], nothing of it happened.
///
/// On SQLite it holds the database's one write lock from its beginning, so such transactions take turns. On
/// PostgreSQL they run side by side; where what one reads decides what it writes, [`Transaction::lock`] first.
pub struct Transaction {
    pub(crate) inner: sqlx::Transaction<'static, Any>,
    pub(crate) dialect: Dialect,
}

impl Transaction {
    /// Runs one statement, `$1` being the first value, and tells how many rows it changed.
    ///
    /// # Errors
    /// [`Error::Refused`] when a constraint does not hold, [`Error::Unavailable`].
    pub async fn execute(&mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) -> Result<u64, Error> {
        let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind(query));
        Ok(query.execute(&mut *self.inner).await?.rows_affected())
    }

    /// Waits for every other transaction that has locked the same name, in any process, and holds it to the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn lock(&mut self, name: &str) -> Result<(), Error> {
        if let Some(sql) = self.dialect.lock() {
            sqlx::query(sql).bind(name.to_owned()).execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// Makes it happen.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nobody can tell then whether it did.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.inner.commit().await?)
    }

    /// Drops it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; nothing of it happened all the same.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.inner.rollback().await?)
    }
}
