//! The one answer to one command.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{TimeMs, Topic, union};

/// An outcome as it is read.
pub type Outcome = OutcomeOf<String>;
/// See [`Outcome`].
pub type OutcomeResult = OutcomeResultOf<String>;

/// Topic `orders.outcomes`, key: the order id, partition: the command's. Its words are as in an
/// [`EventOf`](crate::EventOf).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Outcome", bound(deserialize = "W: Deserialize<'de> + Default"))]
pub struct OutcomeOf<W> {
    /// The command answered.
    #[serde(with = "uuid::serde::hyphenated")]
    pub command_id: Uuid,
    /// The order asked about: the key of the record, nil where that is no order id.
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// Type of the command; empty where the record is no command.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Offset of the command in its partition of `orders.commands`.
    pub command_offset: i64,
    /// When it was decided.
    pub time: TimeMs,
    /// Of the business request.
    #[serde(with = "uuid::serde::hyphenated")]
    pub correlation_id: Uuid,
    /// W3C trace context of the command.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// The answer.
    pub result: OutcomeResultOf<W>,
}

impl<W> OutcomeOf<W> {
    /// The command id of the answer to a record that is no command in its place: nothing in the record can be
    /// trusted to name it.
    pub fn id_of_unreadable(partition: u32, offset: u64) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{partition}/{offset}", Topic::Commands).as_bytes())
    }
}

union! {
    /// The branches of `Outcome.result`.
    #[allow(missing_docs)]
    #[serde(rename = "OutcomeResult")]
    pub enum OutcomeResultOf<W> {
        Accepted {
            status: W,
            /// Of the order after the command.
            version: i64,
            /// Types of the events it caused, or would cause.
            events: Vec<W>,
            /// The id was decided before; this is the first answer again.
            repeated: bool,
            dry_run: bool,
        },
        Refused {
            /// `unknown_order`, `not_allowed`, `held`, `version`, `invalid`, `key_reused`, `stale_attempt`,
            /// `not_holder`, `forbidden`, `sandbox_order`, `live_order`, `too_large`, `unreadable`, `parked`, `not_parked`.
            code: W,
            /// What happened, for people.
            detail: String,
            /// The field at fault, when there is one.
            #[serde(default)]
            field: Option<String>,
            /// What to do about it.
            fix: String,
            #[serde(default)]
            status: Option<W>,
            #[serde(default)]
            version: Option<i64>,
            /// What may be asked instead.
            allowed: Vec<W>,
            /// Of a pricing attempt that is over because nobody took it: the one that asks for the same work now and is free.
            #[serde(default)]
            attempt: Option<i32>,
        },
    }
}
