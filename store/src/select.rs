//! A question with as many conditions as were asked for.

use sqlx::any::AnyRow;

use crate::{Error, Store, Table, Transaction, Value};

/// A `SELECT` being put together. Text comes from the program, values always travel apart from it.
pub struct Select {
    text: String,
    values: Vec<Value>,
}

impl Select {
    /// All columns of a table, with a first condition; an empty one wants more by [`Select::push`].
    pub fn from(table: &Table, condition: &'static str) -> Self {
        Self { text: table.select() + condition, values: Vec::new() }
    }

    /// The text given, without values; more by [`Select::push`].
    pub fn text(text: &'static str) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Appends text in which each `?` stands for the next of `values`.
    pub fn push<const N: usize>(mut self, text: &'static str, values: [Value; N]) -> Self {
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
    pub fn when(self, text: &'static str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.push(text, [value]),
            None => self,
        }
    }

    /// Appends `text (…)` with a place for each of `values`, as `… IN` wants it; a few hundred at most. None of
    /// them: a condition that never holds.
    pub fn any_of(mut self, text: &'static str, mut values: Vec<Value>) -> Self {
        let Some(last) = values.last().cloned() else {
            self.text.push_str(" 1 = 0");
            return self;
        };
        // Each count would be another statement to prepare, and to push one out of those the connection keeps.
        values.resize(values.len().next_power_of_two(), last);
        let first = self.values.len() + 1;
        let places: Vec<String> = (first..first + values.len()).map(|place| format!("${place}")).collect();
        self.text.push_str(&format!("{text} ({})", places.join(", ")));
        self.values.extend(values);
        self
    }

    /// Every row.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn all(self, store: &Store) -> Result<Vec<AnyRow>, Error> {
        let mut connection = store.reader().await?;
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_all(&mut *connection).await?)
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn first(self, store: &Store) -> Result<Option<AnyRow>, Error> {
        let mut connection = store.reader().await?;
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_optional(&mut *connection).await?)
    }

    /// Every row, as the transaction sees it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn all_in(self, transaction: &mut Transaction) -> Result<Vec<AnyRow>, Error> {
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_all(&mut *transaction.inner).await?)
    }

    /// The first row, as the transaction sees it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn first_in(self, transaction: &mut Transaction) -> Result<Option<AnyRow>, Error> {
        let query = self.values.into_iter().fold(sqlx::query(&self.text), |query, value| value.bind(query));
        Ok(query.fetch_optional(&mut *transaction.inner).await?)
    }
}
