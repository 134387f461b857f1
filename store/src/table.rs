//! Writing and reading many rows with few statements.
//!
//! [`Table`] is for whole rows and their keys, [`Bulk`](crate::Bulk) for any other statement over many rows.

use sqlx::any::AnyRow;

use crate::dialect::Dialect;
use crate::sizes::{SIZES, Statements, largest, places};
use crate::{Error, Transaction, Value};

/// What to do with a row whose key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The new row replaces it.
    Replace,
    /// The old row stays.
    Keep,
}

/// A table and its prepared statements.
pub struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    /// So many of the first columns are the key.
    keys: usize,
    conflict: Conflict,
    upserts: Statements<{ SIZES.len() }>,
    selects: Statements<{ SIZES.len() }>,
}

impl Table {
    /// The first `keys` columns are the key of a row.
    pub const fn new(name: &'static str, columns: &'static [&'static str], keys: usize, conflict: Conflict) -> Self {
        Self { name, columns, keys, conflict, upserts: Statements::new(), selects: Statements::new() }
    }

    /// `SELECT` of all columns, up to the `WHERE`.
    pub(crate) fn select(&self) -> String {
        format!("SELECT {} FROM {} WHERE ", self.columns.join(", "), self.name)
    }

    fn upsert(&self, dialect: Dialect, size: usize) -> String {
        let updates: Vec<String> = self.columns[self.keys..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let conflict = match self.conflict {
            Conflict::Replace => format!("UPDATE SET {}", updates.join(", ")),
            Conflict::Keep => "NOTHING".into(),
        };
        format!(
            "{} {} ({}) VALUES {} ON CONFLICT ({}) DO {conflict}",
            dialect.insert(),
            self.name,
            self.columns.join(", "),
            places(dialect, size, self.columns.len()),
            self.columns[..self.keys].join(", "),
        )
    }

    /// Writes the rows, each with a value per column. No key may come twice.
    ///
    /// # Errors
    /// [`Error::Refused`] when a constraint does not hold, [`Error::Unavailable`]. After any of them some rows may be written
    /// and others not: the transaction must not be committed.
    pub async fn write(&self, transaction: &mut Transaction, rows: Vec<Vec<Value>>) -> Result<(), Error> {
        let dialect = transaction.dialect;
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let slot = largest(rows.len());
            let sql = self.upserts.text(dialect, slot, || self.upsert(dialect, SIZES[slot]));
            let mut query = sqlx::query(sql);
            for value in rows.by_ref().take(SIZES[slot]).flatten() {
                query = value.bind(query);
            }
            query.execute(&mut *transaction.inner).await?;
        }
        Ok(())
    }

    /// Reads the rows whose first column is one of `keys`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn read(&self, transaction: &mut Transaction, keys: &[Value]) -> Result<Vec<AnyRow>, Error> {
        let dialect = transaction.dialect;
        let mut found = Vec::with_capacity(keys.len());
        let mut rest = keys;
        while !rest.is_empty() {
            let slot = largest(rest.len());
            let (now, later) = rest.split_at(SIZES[slot]);
            rest = later;
            let sql =
                self.selects.text(dialect, slot, || format!("{}{} IN {}", self.select(), self.columns[0], places(dialect, 1, SIZES[slot])));
            let mut query = sqlx::query(sql);
            for key in now {
                query = key.clone().bind(query);
            }
            found.extend(query.fetch_all(&mut *transaction.inner).await?);
        }
        Ok(found)
    }
}
