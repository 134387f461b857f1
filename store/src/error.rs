//! What can go wrong between a program and its database.

use crate::dialect::refuses_values;

/// Why a database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none the store understands.
    #[error("store address {address}: {detail}; use sqlite:/folder/file.sqlite or postgres://user:password@host:port/database")]
    Address {
        /// Without the password.
        address: String,
        /// What is wrong with it.
        detail: String,
    },
    /// No connection at start.
    #[error("the store at {address} cannot be opened: {detail}; {fix}")]
    Unreachable {
        /// Without the password.
        address: String,
        /// What the driver said.
        detail: String,
        /// What to do.
        fix: &'static str,
    },
    /// The tables are not what this program expects.
    #[error("the store at {address} does not fit this program: {detail}")]
    Mismatch {
        /// Without the password.
        address: String,
        /// What was found.
        detail: String,
    },
    /// The database went away or refused; the same call may work later.
    #[error("the store is not reachable: {0}")]
    Unavailable(String),
    /// The database refused these values (too long for an index, a constraint); trying again does not help.
    #[error("the database refused the values: {0}")]
    Refused(String),
    /// The database is there and a statement or value was not understood: a defect of this program.
    #[error("the store could not be read: {0}")]
    Broken(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refused) if refuses_values(&refused.code().unwrap_or_default()) => {
                Self::Refused(refused.message().to_owned())
            }
            sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::TypeNotFound { .. } => Self::Broken(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
