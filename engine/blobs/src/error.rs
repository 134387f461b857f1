//! Why bytes could not be stored or read.

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Addresses are hashes; nothing else becomes part of a path.
    #[error("{given:?} is not the address of a model: it must be 64 lower-case hexadecimal digits")]
    InvalidAddress {
        /// What was given, shortened.
        given: String,
    },
    /// Never stored, or removed.
    #[error("there is no model {sha256} in the object store; upload it again")]
    NotFound {
        /// Its address.
        sha256: String,
    },
    /// The object's bytes are not what its address says.
    #[error("the model {sha256} is damaged in the object store: its bytes do not have this hash; upload it again")]
    Corrupt {
        /// Its address.
        sha256: String,
    },
    /// Names of checkpoints have parts of lower-case letters, digits and `-`; nothing else becomes part of a path.
    #[error("{given:?} is not the name of a checkpoint")]
    InvalidName {
        /// What was given, shortened.
        given: String,
    },
    /// Never stored, or removed.
    #[error("there is no {name} in the object store")]
    NoSuchName {
        /// As asked for.
        name: String,
    },
    /// No object is that long.
    #[error("the object has {size_bytes} bytes, {limit_bytes} are allowed")]
    TooLarge {
        /// Of the object.
        size_bytes: u64,
        /// Of this store.
        limit_bytes: u64,
    },
    /// Nothing was stored; the same call may work later. The text is for the log, not for customers.
    #[error("the object store is not reachable: {0}")]
    Unavailable(String),
}

impl Error {
    pub(crate) fn from_store(error: object_store::Error, sha256: &str) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { sha256: sha256.to_owned() },
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Why an upload was not stored. `E` is the body's own error.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E> {
    /// The body is longer than the caller allows; the rest of it was not read.
    #[error("the body is longer than the {limit_bytes} bytes allowed")]
    TooLarge {
        /// The caller's limit.
        limit_bytes: u64,
    },
    /// The body broke off.
    #[error("the upload broke off: {0}")]
    Upload(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}
