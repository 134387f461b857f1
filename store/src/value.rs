//! The two kinds of values the tables hold, and rows made of them.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};
use uuid::Uuid;

use crate::Error;

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// `TEXT`, or `NULL` where a text would stand.
    Text(Option<String>),
    /// `BIGINT`, or `NULL` where a number would stand.
    Int(Option<i64>),
}

impl Value {
    /// `NULL` where this value stands.
    pub(crate) fn nothing(&self) -> Self {
        match self {
            Value::Text(_) => Value::Text(None),
            Value::Int(_) => Value::Int(None),
        }
    }

    pub(crate) fn bind<'q>(self, query: Query<'q, Any, AnyArguments<'q>>) -> Query<'q, Any, AnyArguments<'q>> {
        match self {
            Value::Text(text) => query.bind(text),
            Value::Int(int) => query.bind(int),
        }
    }
}

impl From<&str> for Value {
    /// PostgreSQL takes no NUL in text, so none is given to either.
    fn from(text: &str) -> Self {
        Value::Text(Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }))
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Value::Text(Some(id.as_hyphenated().to_string()))
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Value::Int(Some(int))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Int(Some(i64::from(flag)))
    }
}

impl From<Option<i64>> for Value {
    fn from(int: Option<i64>) -> Self {
        Value::Int(int)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Value::Text(None), Value::from)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        text.as_deref().into()
    }
}

/// Reads the columns of a row one after the other. Each call fails with [`Error::Broken`] where the column
/// holds something else.
pub struct Columns<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Of a row, from its first column.
    pub fn of(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    fn at(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// The next column, a text.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn text(&mut self) -> Result<String, Error> {
        let at = self.at();
        Ok(self.row.try_get(at)?)
    }

    /// The next column, a text or nothing.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn optional_text(&mut self) -> Result<Option<String>, Error> {
        let at = self.at();
        Ok(self.row.try_get(at)?)
    }

    /// The next column, a number.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn int(&mut self) -> Result<i64, Error> {
        let at = self.at();
        Ok(self.row.try_get(at)?)
    }

    /// The next column, a number or nothing.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn optional_int(&mut self) -> Result<Option<i64>, Error> {
        let at = self.at();
        Ok(self.row.try_get(at)?)
    }

    /// The next column, 0 or 1.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.int()? != 0)
    }

    /// The next column, the text of an id.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub fn id(&mut self) -> Result<Uuid, Error> {
        let text = self.text()?;
        text.parse().map_err(|_| Error::Broken(format!("{text:?} is stored where an id belongs")))
    }
}
