//! What SQLite says, as what the port says.

use rusqlite::ErrorCode;

use crate::Error;

/// Why a group was not written. Everybody in the group gets it, hence `Clone`.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Full(String),
    Unavailable(String),
    Damaged(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(format!("nothing was written; make room where the log lies and try again ({error})")),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(format!(
                "the log is damaged: stop the process, keep a copy of its folder and restore the log from a backup ({error})"
            )),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full(text) => Self::Full(text),
            Failure::Unavailable(text) => Self::Unavailable(text),
            Failure::Damaged(text) => Self::Mismatch(text),
        }
    }
}

/// Short for `map_err`.
pub(super) fn from_sqlite(error: rusqlite::Error) -> Error {
    Failure::from(error).into()
}
