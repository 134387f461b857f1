//! The state of one order: what later decisions need, and no more.
//!
//! It is small on purpose (an open order is to fit into 1 KiB with its remembered commands): names,
//! quotes and reasons live in the events.

use serde::{Deserialize, Serialize};

use crate::{Channel, Item, Model, Money, Stage, Status, TimeMs};

/// How many commands an order remembers, all heartbeats as one; a repetition of an older one is decided anew, which
/// its stage then refuses.
pub const REMEMBERED_COMMANDS: usize = 48;

/// One order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Number of its last event.
    pub version: u64,
    /// Where it stands.
    pub stage: Stage,
    /// Since when, not counting the time on hold.
    pub since: TimeMs,
    /// When it was submitted (or sent to pricing again), not counting the time on hold.
    pub pricing_since: TimeMs,
    /// When it was created, not counting the time on hold.
    pub created: TimeMs,
    /// The deadline of the stage was missed and written down.
    pub overdue: bool,
    /// And again, after a while in which nothing happened.
    pub escalated: bool,
    /// The order as a whole takes too long, which was written down.
    pub late: bool,
    /// On hold.
    pub held: Option<Holding>,
    /// How it came in.
    pub channel: Channel,
    /// The shop, or the partner's id.
    pub client: Box<str>,
    /// Of the partner's sandbox: priced like any other, and never made.
    pub sandbox: bool,
    /// What is to be made.
    pub item: Item,
    /// From what.
    pub model: Option<Model>,
    /// For how much.
    pub price: Option<Money>,
    /// A price up to this one was approved beforehand. In a box: most orders have none.
    pub approve_up_to: Option<Box<Money>>,
    /// The attempts so far.
    pub pricing: Pricing,
    /// The operator who has it.
    pub holder: Option<Box<str>>,
    /// The parcel.
    pub shipment: Option<Box<Shipment>>,
    /// What needs a person, oldest first.
    pub attention: Vec<Attention>,
    /// The commands it has decided, oldest first.
    pub seen: Vec<Seen>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Since when.
    pub since: TimeMs,
    /// Why.
    pub reason: Box<str>,
}

/// Pricing attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// The current attempt, 0 before the first.
    pub attempt: u32,
    /// Attempts that a worker took and did not bring home since the order came to pricing. Once
    /// they are used up, each request by a person gives one more.
    pub failures: u32,
    /// Dispatches in a row that nobody accepted.
    pub unaccepted: u32,
    /// Who has the lease.
    pub worker: Option<Box<str>>,
    /// Until when, unless a heartbeat extends it.
    pub lease_until: TimeMs,
}

/// The parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Who carries it.
    pub carrier: Box<str>,
    /// The carrier's number for it.
    pub tracking: Box<str>,
}

/// Why a person should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// The stage's deadline has passed.
    Overdue,
    /// It passed long ago and the order still stands there.
    Escalated,
    /// The order as a whole takes too long.
    Late,
    /// No worker accepts the pricing.
    PricingNotAccepted,
    /// Pricing failed and is not tried again by itself.
    PricingFailed,
}

impl Attention {
    /// All of them.
    pub const ALL: [Attention; 5] =
        [Attention::Overdue, Attention::Escalated, Attention::Late, Attention::PricingNotAccepted, Attention::PricingFailed];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Attention::Overdue => "overdue",
            Attention::Escalated => "escalated",
            Attention::Late => "late",
            Attention::PricingNotAccepted => "pricing_not_accepted",
            Attention::PricingFailed => "pricing_failed",
        }
    }
}

/// A command that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its id, as bytes: a `u128` would widen every entry by half.
    pub command_id: [u8; 16],
    /// Of what it asked.
    pub digest: i64,
    /// The order's version after it.
    pub version: u32,
    /// The order's stage after it.
    pub stage: Stage,
    /// It was a worker's sign of life, of which only the last is remembered.
    pub heartbeat: bool,
}

impl Order {
    /// What everybody outside sees.
    pub fn status(&self) -> Status {
        self.stage.status()
    }

    /// Bytes this order takes, itself and what it points to; for the memory budget.
    pub fn size_bytes(&self) -> usize {
        let text = |text: &str| text.len();
        size_of::<Self>()
            + text(&self.client)
            + text(&self.item.material)
            + text(&self.item.finish)
            + self.model.as_ref().map_or(0, |model| model.format.len())
            + self.price.as_ref().map_or(0, |price| price.currency.len())
            + self.approve_up_to.as_ref().map_or(0, |price| size_of::<Money>() + price.currency.len())
            + self.pricing.worker.as_deref().map_or(0, text)
            + self.holder.as_deref().map_or(0, text)
            + self.held.as_ref().map_or(0, |held| held.reason.len())
            + self.shipment.as_ref().map_or(0, |parcel| size_of::<Shipment>() + parcel.carrier.len() + parcel.tracking.len())
            + self.attention.capacity() * size_of::<Attention>()
            + self.seen.capacity() * size_of::<Seen>()
    }

    pub(crate) fn raise(&mut self, attention: Attention) {
        if !self.attention.contains(&attention) {
            self.attention.push(attention);
        }
    }

    pub(crate) fn settle(&mut self, attention: Attention) {
        self.attention.retain(|raised| *raised != attention);
    }
}
