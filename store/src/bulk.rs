//! One statement over many rows of values.

use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;

use crate::dialect::Dialect;
use crate::sizes::{SIZES, Statements, largest, places};
use crate::{Error, Transaction, Value};

/// A statement that finds rows of values in the table `given`. It must not matter to it whether the rows come
/// all at once or in several parts.
pub struct Bulk {
    columns: &'static [&'static str],
    statement: &'static str,
    /// Whether `given` is joined with a table.
    joins: bool,
    texts: Statements,
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

    /// The text for as many of `rows` as fit into one statement, and how many these are.
    fn text(&self, transaction: &Transaction, rows: usize) -> (&str, usize) {
        let dialect = transaction.dialect;
        let slot = if self.joins && dialect == Dialect::Postgres { largest(1) } else { largest(rows) };
        let text = self.texts.text(dialect, slot, || {
            let values = places(dialect, SIZES[slot], self.columns.len());
            format!("WITH given ({}) AS (VALUES {values}) {}", self.columns.join(", "), self.statement)
        });
        (text, SIZES[slot])
    }

    /// Runs it and tells how many rows it changed.
    ///
    /// # Errors
    /// [`Error::Refused`] when a constraint does not hold, [`Error::Unavailable`].
    pub async fn execute(&self, transaction: &mut Transaction, rows: Vec<Vec<Value>>) -> Result<u64, Error> {
        let (mut rows, mut changed) = (rows.into_iter(), 0);
        while rows.len() > 0 {
            let (text, size) = self.text(transaction, rows.len());
            changed += bound(text, rows.by_ref().take(size)).execute(&mut *transaction.inner).await?.rows_affected();
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
            let (text, size) = self.text(transaction, rows.len());
            found.extend(bound(text, rows.by_ref().take(size)).fetch_all(&mut *transaction.inner).await?);
        }
        Ok(found)
    }
}

fn bound<'q>(text: &'q str, rows: impl Iterator<Item = Vec<Value>>) -> Query<'q, Any, AnyArguments<'q>> {
    rows.flatten().fold(sqlx::query(text), |query, value| value.bind(query))
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
    static ADD: Bulk = Bulk::new(&["name", "weight"], "INSERT INTO rings (name, weight_mg) SELECT name, weight FROM given");
    static WEIGH: Bulk =
        Bulk::joining(&["name", "more"], "UPDATE rings SET weight_mg = weight_mg + more FROM given WHERE rings.name = given.name");
    static FIND: Bulk = Bulk::joining(&["name"], "SELECT rings.name, weight_mg FROM given JOIN rings ON rings.name = given.name");

    /// Enough for every size of statement, some of them twice.
    const COUNT: i64 = 64 + 2 * 8 + 3;

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
