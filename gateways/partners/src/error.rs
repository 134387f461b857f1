//! What can go wrong with accounts.

/// Why accounts could not be asked or changed. Says no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] atelier_store::Error),
    /// The name cannot be a partner's.
    #[error("{0:?} is no name of a partner: use 1 to 40 lower-case letters, digits and `-`, beginning with a letter")]
    Name(String),
    /// As many keys as may live at once do.
    #[error("partner {partner} has {count} live keys already ({ids}); revoke one of them first")]
    TooManyKeys {
        /// Whose.
        partner: String,
        /// How many live.
        count: usize,
        /// Their ids.
        ids: String,
    },
    /// The request has made a key that is in use.
    #[error("the same request has made key {key_id}, which is in use; list the partner's keys to see them")]
    KeyInUse {
        /// It.
        key_id: String,
    },
    /// The partner has no such key.
    #[error("partner {partner} has no key {key_id}; list its keys to see their ids")]
    UnknownKey {
        /// Whose.
        partner: String,
        /// Asked for.
        key_id: String,
    },
}
