//! What can go wrong between a question and a database.

use crate::Model;

/// Why a read model could not answer.
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
    #[error(
        "the store at {address} does not fit this program: {detail}; the read models come back from the log: point --store at an empty database"
    )]
    Mismatch {
        /// Without the password.
        address: String,
        /// What was found.
        detail: String,
    },
    /// The database went away or refused; the same call may work later.
    #[error("the read models are not reachable: {0}")]
    Unavailable(String),
    /// The database refused these values (too long for an index, a constraint); trying again does not help.
    #[error("the database refused the values: {0}")]
    Refused(String),
    /// The database is there and a statement or value was not understood: a defect of this program.
    #[error("the read models could not be read: {0}")]
    Broken(String),
    /// The read model has not seen that version within the time.
    #[error("version {wanted} is not in the read model yet, it has {have}; ask again")]
    Behind {
        /// Asked for.
        wanted: i64,
        /// There now; 0 when the order is not there at all.
        have: i64,
    },
    /// The cursor was not given out by this list.
    #[error("the cursor is not one this list gave out; start again without one")]
    BadCursor,
    /// The store has seen more of the log than there is.
    #[error(
        "read model {model} stands at offset {stored} of partition {partition} and the log ends at {end}: the store belongs to another log; point --store at the right database or an empty one"
    )]
    AheadOfLog {
        /// Which.
        model: Model,
        /// Of the log.
        partition: u32,
        /// Next offset the model wants.
        stored: u64,
        /// The log's end.
        end: u64,
    },
}

impl From<atelier_store::Error> for Error {
    fn from(error: atelier_store::Error) -> Self {
        use atelier_store::Error as Store;
        match error {
            Store::Address { address, detail } => Self::Address { address, detail },
            Store::Unreachable { address, detail, fix } => Self::Unreachable { address, detail, fix },
            Store::Mismatch { address, detail } => Self::Mismatch { address, detail },
            Store::Unavailable(detail) => Self::Unavailable(detail),
            Store::Refused(detail) => Self::Refused(detail),
            Store::Broken(detail) => Self::Broken(detail),
        }
    }
}
