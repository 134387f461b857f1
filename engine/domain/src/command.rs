//! What can be asked.

use crate::{Action, Channel, Customer, Item, Model, Money, Quote, TimeMs};

/// A command, without its envelope.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    CreateOrder {
        channel: Channel,
        client: String,
        reference: Option<String>,
        customer: Option<Customer>,
        item: Item,
    },
    AttachModel {
        model: Model,
    },
    SubmitOrder,
    AcceptPricing {
        attempt: u32,
        worker: String,
    },
    HeartbeatPricing {
        attempt: u32,
        worker: String,
        progress_percent: u8,
    },
    CompletePricing {
        attempt: u32,
        worker: String,
        quote: Quote,
    },
    FailPricing {
        attempt: u32,
        worker: String,
        failure: String,
        detail: String,
        retryable: bool,
    },
    QuoteOrder {
        price: Money,
        reason: String,
    },
    RepriceOrder {
        reason: String,
    },
    ApproveOrder {
        reason: Option<String>,
    },
    RejectOrder {
        reason: String,
    },
    ClaimWork,
    StartWork,
    CompleteWork,
    ReworkOrder {
        defect: String,
    },
    ReleaseWork {
        reason: String,
    },
    PackOrder,
    ShipOrder {
        carrier: String,
        tracking: String,
    },
    DeliverOrder {
        carrier: String,
        tracking: String,
        delivered_at: TimeMs,
    },
    CloseOrder {
        reason: String,
    },
    HoldOrder {
        reason: String,
    },
    ResumeOrder {
        reason: String,
    },
    CancelOrder {
        reason: String,
    },
    /// Submit, and approve any price up to this one beforehand.
    SubmitOrderUpTo {
        price: Money,
    },
    /// The buyer approves the price, which it names.
    AcceptQuote {
        price: Money,
    },
    /// Something else is to be made, or from another model; it is priced anew.
    AmendOrder {
        item: Option<Item>,
        model: Option<Model>,
    },
    /// Records of the order that nobody can read no longer stop it.
    SkipRecords {
        offsets: Vec<u64>,
        reason: String,
    },
    /// Of a sandbox: the works, or at last the carrier, take their next step.
    AdvanceOrder,
    /// Of a sandbox: so much time passes for the order.
    AdvanceClock {
        by_ms: TimeMs,
    },
}

impl Command {
    /// The move it asks for; `None` for creating.
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            Command::CreateOrder { .. } => return None,
            Command::AttachModel { .. } => Action::AttachModel,
            Command::SubmitOrder | Command::SubmitOrderUpTo { .. } => Action::Submit,
            Command::AcceptPricing { .. } => Action::AcceptPricing,
            Command::HeartbeatPricing { .. } => Action::HeartbeatPricing,
            Command::CompletePricing { .. } => Action::CompletePricing,
            Command::FailPricing { .. } => Action::FailPricing,
            Command::QuoteOrder { .. } => Action::Quote,
            Command::RepriceOrder { .. } => Action::Reprice,
            Command::ApproveOrder { .. } => Action::Approve,
            Command::RejectOrder { .. } => Action::Reject,
            Command::ClaimWork => Action::Claim,
            Command::StartWork => Action::Start,
            Command::CompleteWork => Action::Complete,
            Command::ReworkOrder { .. } => Action::Rework,
            Command::ReleaseWork { .. } => Action::Release,
            Command::PackOrder => Action::Pack,
            Command::ShipOrder { .. } => Action::Ship,
            Command::DeliverOrder { .. } => Action::Deliver,
            Command::CloseOrder { .. } => Action::Close,
            Command::HoldOrder { .. } => Action::Hold,
            Command::ResumeOrder { .. } => Action::Resume,
            Command::CancelOrder { .. } => Action::Cancel,
            Command::AcceptQuote { .. } => Action::Accept,
            Command::AmendOrder { .. } => Action::Amend,
            Command::SkipRecords { .. } => Action::SkipRecords,
            Command::AdvanceOrder => Action::Advance,
            Command::AdvanceClock { .. } => Action::Clock,
        })
    }
}
