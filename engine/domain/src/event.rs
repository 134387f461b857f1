//! What can happen.

use crate::{Channel, Customer, Item, Model, Money, Quote, TimeMs};

/// An event, without its envelope. Private to the house: what is published is mapped from it elsewhere,
/// in one exhaustive match.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Event {
    OrderCreated {
        channel: Channel,
        client: String,
        reference: Option<String>,
        customer: Option<Customer>,
        item: Item,
        /// Of a partner's sandbox, for ever.
        sandbox: bool,
    },
    ModelAttached {
        model: Model,
    },
    OrderSubmitted,
    PricingRequested {
        attempt: u32,
        cause: String,
    },
    PricingAccepted {
        attempt: u32,
        worker: String,
        lease_until: TimeMs,
    },
    PricingProgressed {
        attempt: u32,
        worker: String,
        progress_percent: u8,
        lease_until: TimeMs,
    },
    PriceCalculated {
        attempt: u32,
        quote: Quote,
    },
    PricingFailed {
        attempt: u32,
        worker: String,
        failure: String,
        detail: String,
        retryable: bool,
    },
    /// `worker` is who let the lease run out; nobody where nobody had accepted.
    PricingExpired {
        attempt: u32,
        worker: Option<String>,
        cause: String,
        /// Version of the policy that set the time.
        policy: String,
    },
    OrderQuoted {
        price: Money,
        reason: String,
    },
    OrderApproved {
        reason: Option<String>,
    },
    OrderRejected {
        reason: String,
    },
    OrderHeld {
        reason: String,
    },
    OrderResumed {
        reason: String,
    },
    OrderCancelled {
        reason: String,
    },
    OrderClosed {
        reason: String,
    },
    WorkClaimed {
        operator: String,
    },
    WorkStarted {
        operator: String,
    },
    WorkCompleted {
        operator: String,
    },
    ReworkOrdered {
        defect: String,
        operator: String,
    },
    WorkReleased {
        reason: String,
        operator: String,
    },
    OrderPacked {
        operator: String,
    },
    OrderShipped {
        operator: String,
        carrier: String,
        tracking: String,
    },
    OrderDelivered {
        carrier: String,
        tracking: String,
        delivered_at: TimeMs,
    },
    DeadlineMissed {
        stage: String,
        due: TimeMs,
        policy: String,
        action: MissedAction,
    },
    /// The buyer approves any price up to this one beforehand.
    TermsAgreed {
        approve_up_to: Money,
    },
    /// What is given takes the place of what was before; the price no longer holds.
    OrderAmended {
        item: Option<Item>,
        model: Option<Model>,
    },
    RecordsSkipped {
        offsets: Vec<u64>,
        reason: String,
    },
    /// Of a sandbox: all that happened to the order before is so much longer ago.
    ClockAdvanced {
        by_ms: TimeMs,
    },
}

/// What a missed deadline leads to. All but `Late` say that the order stands where it should have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedAction {
    /// People are told.
    Attention,
    /// They are told again.
    Escalate,
    /// The piece goes back to the queue.
    Release,
    /// The order as a whole takes too long.
    Late,
}

impl MissedAction {
    /// All of them.
    pub const ALL: [MissedAction; 4] = [MissedAction::Attention, MissedAction::Escalate, MissedAction::Release, MissedAction::Late];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            MissedAction::Attention => "attention",
            MissedAction::Escalate => "escalate",
            MissedAction::Release => "release",
            MissedAction::Late => "late",
        }
    }
}
