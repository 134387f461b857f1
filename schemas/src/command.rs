//! What somebody asks of one order.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Actor, Customer, Item, Model, Money, Quote, Replayed, TimeMs, union};

/// The envelope of a command. Topic `orders.commands`, key: the order id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// The same id is decided once; the first answer is given again.
    #[serde(with = "uuid::serde::hyphenated")]
    pub command_id: Uuid,
    /// The order asked about.
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// The branch of `data`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// When the gateway took it.
    pub time: TimeMs,
    /// Who asks.
    pub actor: Actor,
    /// One per business request.
    #[serde(with = "uuid::serde::hyphenated")]
    pub correlation_id: Uuid,
    /// W3C trace context.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// Refuse unless the order is at this version.
    #[serde(default)]
    pub expected_version: Option<i64>,
    /// Decide and answer, change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// What is asked.
    pub data: CommandData,
    /// Who sent it once more and why, where it could not be read the first time. Whoever asks is still `actor`.
    #[serde(default)]
    pub replayed: Option<Replayed>,
}

impl Command {
    /// A command with a fresh correlation, no trace, no expectation.
    ///
    /// # Examples
    /// ```
    /// use atelier_schemas::{Actor, Command, CommandData};
    /// use uuid::Uuid;
    /// let actor = Actor { role: "customer".into(), name: "shop".into() };
    /// let submit = Command::new(Uuid::from_u128(1), Uuid::from_u128(2), 0, actor, CommandData::SubmitOrder {});
    /// assert_eq!(submit.type_name, "SubmitOrder");
    /// assert_eq!(submit.correlation_id, submit.command_id);
    /// ```
    pub fn new(command_id: Uuid, order_id: Uuid, time: TimeMs, actor: Actor, data: CommandData) -> Self {
        Self {
            command_id,
            order_id,
            type_name: data.type_name().to_owned(),
            time,
            actor,
            correlation_id: command_id,
            traceparent: None,
            expected_version: None,
            dry_run: false,
            data,
            replayed: None,
        }
    }

    /// The first eight bytes of the SHA-256 of what is asked, by whom and of which order. Two commands
    /// with one id must have one digest; time, trace, expected version and who replayed it do not count.
    pub fn digest(&self) -> i64 {
        let mut asked = Vec::with_capacity(512);
        serde_json::to_writer(&mut asked, &(&self.order_id, &self.actor, &self.data)).expect("a command is plain data");
        let hash: [u8; 32] = Sha256::digest(&asked).into();
        i64::from_be_bytes(hash[..8].try_into().expect("eight bytes"))
    }
}

union! {
    /// The branches of `Command.data`.
    #[allow(missing_docs)]
    pub enum CommandData {
        CreateOrder { channel: String, client: String, #[serde(default)] reference: Option<String>, #[serde(default)] customer: Option<Customer>, item: Item },
        AttachModel { model: Model },
        SubmitOrder {},
        AcceptPricing { attempt: i32, worker: String },
        HeartbeatPricing { attempt: i32, worker: String, progress_percent: i32 },
        CompletePricing { attempt: i32, worker: String, quote: Quote },
        FailPricing { attempt: i32, worker: String, failure: String, detail: String, retryable: bool },
        ApproveOrder { #[serde(default)] reason: Option<String> },
        RejectOrder { reason: String },
        QuoteOrder { price: Money, reason: String },
        RepriceOrder { reason: String },
        HoldOrder { reason: String },
        ResumeOrder { reason: String },
        CancelOrder { reason: String },
        CloseOrder { reason: String },
        ClaimWork {},
        StartWork {},
        CompleteWork {},
        ReworkOrder { defect: String },
        ReleaseWork { reason: String },
        PackOrder {},
        ShipOrder { carrier: String, tracking: String },
        DeliverOrder { carrier: String, tracking: String, delivered_at: TimeMs },
        SubmitOrderUpTo { price: Money },
        AcceptQuote { price: Money },
        AmendOrder { #[serde(default)] item: Option<Item>, #[serde(default)] model: Option<Model> },
        SkipRecords { offsets: Vec<i64>, reason: String },
        AdvanceOrder {},
        AdvanceClock { by_ms: TimeMs },
    }
}
