//! What crosses the log: the records, their Avro schemas, topics, framing and partitioning.
//!
//! The `.avsc` files in `avro/` are the contract; the Rust types mirror them field by field and the
//! tests hold one against the other with a second, independent Avro implementation.
//!
//! Everything here is data. What a command may do is the domain's business, where a record lies is
//! the log's.

mod brief;
mod codec;
mod command;
mod datum;
mod event;
mod outcome;
mod parts;
mod pricing_job;
mod topic;

pub use brief::{AfterBrief, CommandBrief, EventBrief};
pub use codec::{Codec, Framed, Unreadable};
pub use command::{Command, CommandData};
pub use event::{After, AfterOf, Event, EventData, EventOf, Happened};
pub use outcome::{Outcome, OutcomeOf, OutcomeResult, OutcomeResultOf};
pub use parts::{Actor, Customer, Item, Measures, Model, Money, Quote, QuoteLine, Replayed, Word};
pub use pricing_job::PricingJob;
pub use topic::{Topic, murmur2, order_of_key, partition_of};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimeMs = i64;

/// Declares an enum whose variants are the branches of an Avro union, with their names.
macro_rules! union {
    ($(#[$meta:meta])* pub enum $name:ident $(<$word:ident>)? { $($(#[$vmeta:meta])* $variant:ident { $($(#[$fmeta:meta])* $field:ident : $type:ty),* $(,)? }),+ $(,)? }) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        pub enum $name $(<$word>)? { $($(#[$vmeta])* $variant { $($(#[$fmeta])* $field: $type),* }),+ }

        impl $(<$word>)? $name $(<$word>)? {
            /// Every branch, in the order of the schema.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($variant)),+];

            /// The name of this branch: the record's `type` field and header.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => stringify!($variant)),+ }
            }
        }
    };
}
pub(crate) use union;

#[cfg(test)]
mod tests;
