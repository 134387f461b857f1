//! What can go wrong.

/// Why something about webhooks could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] atelier_store::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] atelier_log::Error),
    /// Another process read these events at the same time; nothing was written.
    #[error("another process was faster")]
    Moved,
    /// The store took so long that leases would have run out.
    #[error("the store took longer than a lease lasts")]
    Late,
    /// An attempt broke off; what was under way is sent again.
    #[error("an attempt ended by a defect")]
    Defect,
    /// The store has seen more of the log than there is.
    #[error(
        "the webhooks' store stands at offset {stored} of partition {partition} and the log ends at {end}: it belongs to another log; \
         point --data or --store at the right one"
    )]
    AheadOfLog {
        /// Of the log.
        partition: u32,
        /// Wanted next.
        stored: u64,
        /// There.
        end: u64,
    },
}

/// Why a partner's wish about an endpoint was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such endpoint, or it is another partner's: the two look alike.
    #[error("there is no such endpoint")]
    Unknown,
    /// A field cannot be what it is.
    #[error("`{field}` {message}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        message: String,
        /// What to do.
        fix: &'static str,
    },
    /// The idempotency key made another endpoint.
    #[error("the key was used before with another wish")]
    OtherRequest,
    /// No more endpoints.
    #[error("{0} endpoints are the most; delete one first")]
    TooMany(i64),
    /// The endpoint is disabled.
    #[error("the endpoint is disabled; enable it first")]
    Disabled,
    /// The cursor was not given out by this list.
    #[error("the cursor is not one this list gave out")]
    BadCursor,
    /// Too many tests at once.
    #[error("too many tests are under way")]
    Busy,
    /// The log went away; the same call may work later.
    #[error(transparent)]
    Log(#[from] atelier_log::Error),
    /// The database went away; the same call may work later.
    #[error(transparent)]
    Store(#[from] atelier_store::Error),
}
