//! Why a command was refused, typed, with the sentence that says what to do.

use crate::{Action, Status};

/// A refusal. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such order (or it is not the asker's).
    #[error("there is no such order")]
    UnknownOrder,
    /// The move is not legal in this status.
    #[error("{} is not possible while the order is {status}", action.as_str())]
    NotAllowed {
        /// What was asked.
        action: Action,
        /// Where it stands.
        status: Status,
        /// What the asker may ask instead.
        allowed: Vec<Action>,
    },
    /// The move waits for the hold to be lifted.
    #[error("the order is on hold: {reason}")]
    Held {
        /// Why it is on hold.
        reason: String,
        /// What the asker may ask instead.
        allowed: Vec<Action>,
    },
    /// The move is legal, but not for this role.
    #[error("{} is not for the role {role}", action.as_str())]
    Forbidden {
        /// What was asked.
        action: Action,
        /// Who asked.
        role: crate::Role,
    },
    /// The order has moved on.
    #[error("the order is at version {actual}, not {expected}")]
    Version {
        /// What the asker believed.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// A field has no legal value.
    #[error("{field}: {message}")]
    Invalid {
        /// Path of the field in the request.
        field: &'static str,
        /// What is wrong.
        message: String,
        /// How to mend it.
        fix: String,
    },
    /// The command id was used for something else.
    #[error("this key was used before with another request")]
    KeyReused,
    /// A newer attempt has taken the place of this one.
    #[error("attempt {given} is not the current one ({current})")]
    StaleAttempt {
        /// What the worker works on.
        given: u32,
        /// What counts.
        current: u32,
        /// The current one asks for the same work, and nobody has taken it yet.
        free: bool,
    },
    /// Somebody else has it.
    #[error("{holder} has it")]
    NotHolder {
        /// Who.
        holder: String,
    },
    /// The order is one of a partner's sandbox; nobody else moves it.
    #[error("the order is one of a partner's sandbox and is never made")]
    SandboxOrder,
    /// What is asked is for orders of a sandbox.
    #[error("the order is a real one; {} is for orders of the sandbox", action.as_str())]
    LiveOrder {
        /// What was asked.
        action: Action,
    },
}

impl Rejection {
    /// The stable name in outcomes.
    pub const fn code(&self) -> &'static str {
        match self {
            Rejection::UnknownOrder => "unknown_order",
            Rejection::NotAllowed { .. } => "not_allowed",
            Rejection::Held { .. } => "held",
            Rejection::Forbidden { .. } => "forbidden",
            Rejection::Version { .. } => "version",
            Rejection::Invalid { .. } => "invalid",
            Rejection::KeyReused => "key_reused",
            Rejection::StaleAttempt { .. } => "stale_attempt",
            Rejection::NotHolder { .. } => "not_holder",
            Rejection::SandboxOrder => "sandbox_order",
            Rejection::LiveOrder { .. } => "live_order",
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        match self {
            Rejection::UnknownOrder => "check the order id; orders are created with POST …/orders".into(),
            Rejection::NotAllowed { allowed, .. } => match names(allowed).as_str() {
                "" => "nothing can be asked of this order in your role now".into(),
                names => format!("possible now: {names}"),
            },
            Rejection::Held { .. } => "resume the order first".into(),
            Rejection::Forbidden { .. } => "ask somebody whose role it is".into(),
            Rejection::Version { actual, .. } => format!("read the order again and repeat with If-Match: \"{actual}\" if it still applies"),
            Rejection::Invalid { fix, .. } => fix.clone(),
            Rejection::KeyReused => "repeat the first request exactly, or use a new key".into(),
            Rejection::StaleAttempt { current, free: true, .. } => {
                format!("ask for attempt {current} instead: it is the same work, and nobody has it")
            }
            Rejection::StaleAttempt { free: false, .. } => "drop this attempt; the newer one is under way".into(),
            Rejection::NotHolder { holder } => format!("ask {holder} to release it"),
            Rejection::SandboxOrder => "leave it to the partner, whose sandbox key moves it".into(),
            Rejection::LiveOrder { .. } => "place an order with a sandbox key and ask it of that one".into(),
        }
    }

    /// What may be asked instead.
    pub fn allowed(&self) -> &[Action] {
        match self {
            Rejection::NotAllowed { allowed, .. } | Rejection::Held { allowed, .. } => allowed,
            _ => &[],
        }
    }

    /// The pricing attempt that may be asked for instead, with the job at hand.
    pub const fn attempt(&self) -> Option<u32> {
        match self {
            Rejection::StaleAttempt { current, free: true, .. } => Some(*current),
            _ => None,
        }
    }

    /// The field at fault.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::Invalid { field, .. } => Some(field),
            _ => None,
        }
    }
}

fn names(actions: &[Action]) -> String {
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
}
