//! One statement over many rows of values.

use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;

use crate::dialect::Dialect;
use crate::sizes::{Statements, places};
use crate::{Error, Transaction, Value};

/// Rows per statement, largest first. 128 rows of 20 columns stay far below both databases' limit of parameters.
const SIZES: [usize; 5] = [128, 32, 8, 2, 1];

/// A statement that finds rows of values in the table `given`. It must not matter to it whether the rows come
/// all at once or in several parts, nor whether a row of `NULL`s is among them: parts are filled up with such.
pub struct Bulk {
    columns: &'static [&'static str],
    statement: &'static str,
    /// Whether `given` is joined with a table.
    joins: bool,
    texts: Statements<{ SIZES.len() }>,
}

impl Bulk {
    /// `statement` is anything that may follow a `WITH`: a `SELECT … FROM given`, an `UPDATE … FROM given`. The
    /// columns of `given` have these names, and each holds values of one kind.
    pub const fn new(columns: &'static [&'static str], statement: &'static str) -> Self {
        Self { columns, statement, joins: false, texts: Statements::new() }
    }

    /// The same where rows of a table are found through `given`. On PostgreSQL such a statement is run for each row by
    /// itself: whether it looks up 64 keys or reads a whole index is up to its planner's statistics, which of a
    /// table that fills and empties again are always old.
    pub const fn joining(columns: &'static [&'static str], statement: &'static str) -> Self {
        Self { columns, statement, joins: true, texts: Statements::new() }
    }

    /// Takes as many of `rows` as go into one statement, with as few rows of nothing as may be, and binds them.
    fn part(&self, transaction: &Transaction, rows: &mut std::vec::IntoIter<Vec<Value>>) -> Query<'_, Any, AnyArguments<'_>> {
        let dialect = transaction.dialect;
        let slot = if self.joins && dialect == Dialect::Postgres { SIZES.len() - 1 } else { fitting(rows.len()) };
        let size = SIZES[slot];
        let text = self.texts.text(dialect, slot, || {
            let values = places(dialect, size, self.columns.len());
            format!("WITH given ({}) AS (VALUES {values}) {}", self.columns.join(", "), self.statement)
        });
        let filling = size.saturating_sub(rows.len());
        let nothing: Vec<Value> = rows.as_slice().first().into_iter().flatten().map(Value::nothing).collect();
        let rows = rows.by_ref().take(size).chain(std::iter::repeat_n(nothing, filling));
        rows.flatten().fold(sqlx::query(text), |query, value| value.bind(query))
    }

    /// Runs it and tells how many rows it changed.
    ///
    /// # Errors
    /// [`Error::Refused`] when a constraint does not hold, [`Error::Unavailable`].
    pub async fn execute(&self, transaction: &mut Transaction, rows: Vec<Vec<Value>>) -> Result<u64, Error> {
        let (mut rows, mut changed) = (rows.into_iter(), 0);
        while rows.len() > 0 {
            changed += self.part(transaction, &mut rows).execute(&mut *transaction.inner).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs it and gives every row that it found.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn read(&self, transaction: &mut Transaction, rows: Vec<Vec<Value>>) -> Result<Vec<AnyRow>, Error> {
        let (mut rows, mut found) = (rows.into_iter(), Vec::new());
        while rows.len() > 0 {
            found.extend(self.part(transaction, &mut rows).fetch_all(&mut *transaction.inner).await?);
        }
        Ok(found)
    }
}

/// The smallest of [`SIZES`] that takes so many rows, unless less than half of it would be rows; then the next smaller one.
fn fitting(rows: usize) -> usize {
    SIZES.iter().position(|size| rows * 2 > *size).unwrap_or(SIZES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, Durability, Schema, Select, Store};

    const SCHEMA: Schema = Schema {
        name: "ring_box",
        migrations: &[("rings/1", "CREATE TABLE rings (name TEXT NOT NULL PRIMARY KEY, weight_mg BIGINT)")],
        durability: Durability::Rebuilt,
    };
    static ADD: Bulk =
        Bulk::new(&["name", "weight"], "INSERT INTO rings (name, weight_mg) SELECT name, weight FROM given WHERE name IS NOT NULL");
    static WEIGH: Bulk =
        Bulk::joining(&["name", "more"], "UPDATE rings SET weight_mg = weight_mg + more FROM given WHERE rings.name = given.name");
    static FIND: Bulk = Bulk::joining(&["name"], "SELECT rings.name, weight_mg FROM given JOIN rings ON rings.name = given.name");

    /// Enough for several sizes of statement, one of them not full.
    const COUNT: i64 = 128 + 2 * 32 + 3;

    #[test]
    fn a_statement_is_at_least_half_full() {
        let size = |rows| SIZES[fitting(rows)];
        assert_eq!([1000, 65, 64, 17, 16, 5, 4, 2, 1].map(size), [128, 128, 32, 32, 8, 8, 2, 2, 1]);
    }

    #[tokio::test]
    async fn every_row_is_met_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite:{}/rings.sqlite", folder.path().display()), &SCHEMA).await.expect("a store");
        let mut transaction = store.begin().await.expect("a transaction");
        let rows = |value: fn(i64) -> Value| (0..COUNT).map(|n| vec![format!("ring {n}").as_str().into(), value(n)]).collect();
        let unknown = |n: i64| (n != 7).then_some(n).into();
        assert_eq!(ADD.execute(&mut transaction, rows(unknown)).await.expect("added"), COUNT as u64);
        assert_eq!(WEIGH.execute(&mut transaction, rows(|_| 1000.into())).await.expect("weighed"), COUNT as u64);
        assert_eq!(WEIGH.execute(&mut transaction, vec![]).await.expect("nothing to do"), 0);
        let found = FIND.read(&mut transaction, (0..2 * COUNT).map(|n| vec![format!("ring {n}").as_str().into()]).collect()).await;
        assert_eq!(found.expect("found").len(), COUNT as usize);
        transaction.commit().await.expect("committed");
        let sum = Select::text("SELECT SUM(weight_mg) FROM rings").first(&store).await.expect("summed").expect("one row");
        assert_eq!(
            Columns::of(&sum).int().expect("a number"),
            COUNT * 1000 + COUNT * (COUNT - 1) / 2 - 1007,
            "but the one of unknown weight"
        );
    }
}
