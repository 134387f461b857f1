//! A question with as many conditions as were asked for.

use sqlx::any::AnyRow;

use super::Store;
use super::table::Table;
use super::value::Value;
use crate::Error;

/// A `SELECT` being put together. Text comes from the program, values always travel apart from it.
pub(crate) struct Select {
    text: String,
    values: Vec<Value>,
}

impl Select {
    /// All columns of a table, with a first condition.
    pub(crate) fn from(table: &Table, condition: &'static str) -> Self {
        Self { text: table.select() + condition, values: Vec::new() }
    }

    /// The whole text given.
    pub(crate) fn text(text: &'static str) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Appends text in which each `?` stands for the next of `values`.
    pub(crate) fn push<const N: usize>(mut self, text: &'static str, values: [Value; N]) -> Self {
        debug_assert_eq!(text.matches('?').count(), N, "{text}");
        let mut parts = text.split('?');
        self.text.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(values) {
            self.values.push(value);
            self.text.push_str(&format!("${}{part}", self.values.len()));
        }
        self
    }

    /// The same when there is a value, nothing otherwise.
    pub(crate) fn when(self, text: &'static str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.push(text, [value]),
            None => self,
        }
    }

    /// Every row.
    pub(crate) async fn all(self, store: &Store) -> Result<Vec<AnyRow>, Error> {
        let mut connection = store.reader().await?;
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_all(&mut *connection).await?)
    }

    /// The first row.
    pub(crate) async fn first(self, store: &Store) -> Result<Option<AnyRow>, Error> {
        let mut connection = store.reader().await?;
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_optional(&mut *connection).await?)
    }
}
