//! An independent fold of the events: what stands of each order, and whether each event was legal where it stands.
//! It knows the rules from the documents and shares no code with `domain::evolve` or `domain::decide`.

use std::collections::{BTreeMap, BTreeSet};

use atelier_domain::Stage;
use atelier_schemas::{After, Event, EventData, Item, TimeMs};
use uuid::Uuid;

use crate::failure::{Failure, hold};

/// The channel of orders of sandboxes, here and in the read models.
pub(crate) const SANDBOX: &str = "sandbox";

/// One order, by its events.
pub(crate) struct Entry {
    pub(crate) version: i64,
    pub(crate) stage: Stage,
    pub(crate) held: bool,
    pub(crate) attempt: i32,
    /// Who has the lease of the current attempt.
    pub(crate) lease: Option<String>,
    /// Until when, where no leap of the order's clock has moved it.
    lease_until: Option<TimeMs>,
    /// Who works on it.
    pub(crate) operator: Option<String>,
    pub(crate) channel: String,
    pub(crate) item: Item,
    pub(crate) price_minor: Option<i64>,
    /// Prices up to this one were approved beforehand.
    approved_to_minor: Option<i64>,
    /// As its last event says.
    pub(crate) after: After,
    /// Type of each event, from version 1 on.
    pub(crate) types: Vec<&'static str>,
    claimed: BTreeSet<i32>,
    priced: BTreeSet<i32>,
    /// Stage, when it was due, and what followed.
    missed: BTreeSet<(String, TimeMs, String)>,
}

/// All orders.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) orders: BTreeMap<Uuid, Entry>,
}

impl Ledger {
    /// When what the event calls missed was due, as far as that is on the log; asked before the event is taken.
    pub(crate) fn due(&self, event: &Event) -> Option<TimeMs> {
        match &event.data {
            _ if event.command_id.is_some() => None,
            EventData::DeadlineMissed { due, .. } => Some(*due),
            EventData::PricingExpired { worker: Some(_), .. } => self.orders.get(&event.order_id)?.lease_until,
            _ => None,
        }
    }

    /// Takes the next event of the log.
    pub(crate) fn take(&mut self, name: &str, event: &Event) -> Result<(), Failure> {
        let known = self.orders.get(&event.order_id).map_or(0, |entry| entry.version);
        hold("versions 1, 2, 3 …", event.version == known + 1, || {
            format!("{name}: {} has version {} and follows version {known}", event.type_name, event.version)
        })?;
        if let EventData::OrderCreated { channel, item, sandbox, .. } = &event.data {
            let channel = if *sandbox { SANDBOX } else { channel };
            hold("legal history", known == 0, || format!("{name} is created again as version {}", event.version))?;
            self.orders.insert(event.order_id, Entry::new(channel, item, event.after.clone()));
        }
        let Some(entry) = self.orders.get_mut(&event.order_id) else {
            return Err(Failure::new("legal history", format!("{name} begins with {}", event.type_name)));
        };
        entry.once(name, event)?;
        entry.legal(name, event)?;
        entry.apply(event);
        let after = &event.after;
        hold("events say where the order stands", after.stage == entry.stage.as_str() && after.held == entry.held, || {
            format!("{name} v{}: {} held {}, by the fold {} held {}", event.version, after.stage, after.held, entry.stage, entry.held)
        })?;
        let status = entry.stage.status().as_str();
        hold("events say where the order stands", after.status == status, || format!("{name}: {} instead of {status}", after.status))
    }
}

impl Entry {
    fn new(channel: &str, item: &Item, after: After) -> Self {
        Self {
            version: 0,
            stage: Stage::Draft,
            held: false,
            attempt: 0,
            lease: None,
            lease_until: None,
            operator: None,
            channel: channel.to_owned(),
            item: item.clone(),
            price_minor: None,
            approved_to_minor: None,
            after,
            types: Vec::new(),
            claimed: BTreeSet::new(),
            priced: BTreeSet::new(),
            missed: BTreeSet::new(),
        }
    }

    /// Nothing more happens to it.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.stage, Stage::Closed | Stage::Cancelled)
    }

    /// What may happen once happens once.
    fn once(&mut self, name: &str, event: &Event) -> Result<(), Failure> {
        match &event.data {
            EventData::PricingAccepted { attempt, worker, .. } => {
                hold("one winning claim per attempt", self.claimed.insert(*attempt), || {
                    format!("{name}: attempt {attempt} is granted again, to {worker}")
                })
            }
            EventData::PriceCalculated { attempt, .. } => {
                hold("one price per attempt", self.priced.insert(*attempt), || format!("{name}: attempt {attempt} is priced again"))
            }
            EventData::DeadlineMissed { stage, due, action, .. } => {
                hold("each deadline written once", self.missed.insert((stage.clone(), *due, action.clone())), || {
                    format!("{name}: the deadline of {stage} is written again ({action})")
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether the event may follow what was.
    fn legal(&self, name: &str, event: &Event) -> Result<(), Failure> {
        let say = |what: &str| {
            format!("{name} v{}: {} by {}, {what}; it stands at {}", event.version, event.type_name, event.actor.name, self.stage)
        };
        hold("legal history", !self.ended(), || say("after the end"))?;
        let by = event.actor.role.as_str();
        let apart = if self.channel == SANDBOX { matches!(by, "sandbox" | "worker" | "engine") } else { by != "sandbox" };
        hold("sandboxes stay apart", apart, || say(&format!("a {by}, of an order of the channel {}", self.channel)))?;
        let leased = matches!(self.stage, Stage::PricingAccepted | Stage::PricingRunning);
        let current = |attempt: i32| hold("results of the current attempt only", attempt == self.attempt, || say("of another attempt"));
        let holder = |worker: &str| {
            hold("results of the lease's holder only", leased && self.lease.as_deref() == Some(worker), || say("who has no lease"))
        };
        let from = |stages: &[Stage]| hold("legal history", stages.contains(&self.stage), || say("not from there"));
        let at_bench = |operator: &str| {
            hold("work of its holder only", self.operator.as_deref().is_none_or(|holder| holder == operator), || {
                say("somebody else has it")
            })
        };
        match &event.data {
            EventData::PricingRequested { attempt, .. } => {
                hold("results of the current attempt only", *attempt == self.attempt + 1, || say("attempts count up"))
            }
            EventData::PricingAccepted { attempt, .. } => {
                current(*attempt)?;
                from(&[Stage::PricingRequested])
            }
            EventData::PricingProgressed { attempt, worker, .. } | EventData::PricingFailed { attempt, worker, .. } => {
                current(*attempt)?;
                holder(worker)
            }
            EventData::PriceCalculated { attempt, quote } => {
                current(*attempt)?;
                holder(&event.actor.name)?;
                // The workers of a simulation price a piece at 100, and add the attempt.
                let pieces = (quote.price.minor - i64::from(*attempt)) / 100;
                hold("a price is for what the order is now", pieces == i64::from(self.item.quantity), || {
                    say(&format!("for {pieces} pieces"))
                })
            }
            EventData::PricingExpired { attempt, worker, .. } => {
                current(*attempt)?;
                hold("results of the lease's holder only", *worker == self.lease, || say("not the lease that ran out"))
            }
            EventData::OrderApproved { .. } => {
                from(&[Stage::Priced])?;
                hold("approved at a price", self.price_minor.is_some(), || say("without a price"))?;
                // With the price, by the command that brought it: the buyer must have agreed before.
                let beforehand = by == "worker";
                let within = !self.held && self.approved_to_minor.zip(self.price_minor).is_some_and(|(limit, price)| price <= limit);
                hold("approved beforehand within the terms only", !beforehand || within, || say("above the terms, or on hold"))
            }
            EventData::OrderAmended { .. } => {
                hold("legal history", self.stage.is_pricing() || self.stage == Stage::Priced, || say("not from there"))
            }
            EventData::ClockAdvanced { by_ms } => {
                hold("sandboxes stay apart", self.channel == SANDBOX && *by_ms > 0, || say("whose clock does not leap"))
            }
            EventData::WorkClaimed { .. } => from(&[Stage::WorkAvailable]),
            EventData::WorkStarted { operator } => {
                from(&[Stage::WorkClaimed])?;
                at_bench(operator)
            }
            EventData::WorkCompleted { operator } => {
                from(&[Stage::WorkInProgress, Stage::WorkRework])?;
                at_bench(operator)
            }
            EventData::OrderPacked { .. } => from(&[Stage::Completed]),
            EventData::OrderShipped { .. } => from(&[Stage::Packaging]),
            EventData::OrderDelivered { .. } => from(&[Stage::Shipped]),
            EventData::OrderHeld { .. } => hold("legal history", !self.held, || say("held already")),
            EventData::OrderResumed { .. } => hold("legal history", self.held, || say("not held")),
            EventData::DeadlineMissed { stage, due, .. } => {
                hold("no deadline before its time", stage == self.stage.as_str() && *due <= event.time && !self.held, || {
                    say("which was not due")
                })
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: &Event) {
        self.version = event.version;
        self.types.push(event.data.type_name());
        self.after = event.after.clone();
        self.stage = match &event.data {
            EventData::OrderCreated { .. } => Stage::Draft,
            EventData::ModelAttached { .. } => Stage::Ready,
            EventData::PricingRequested { .. } => Stage::PricingRequested,
            EventData::PricingAccepted { .. } => Stage::PricingAccepted,
            EventData::PricingProgressed { .. } => Stage::PricingRunning,
            EventData::PriceCalculated { .. } | EventData::OrderQuoted { .. } => Stage::Priced,
            EventData::PricingFailed { .. } => Stage::PricingFailed,
            EventData::PricingExpired { .. } => Stage::PricingExpired,
            EventData::OrderApproved { .. } | EventData::WorkReleased { .. } => Stage::WorkAvailable,
            EventData::OrderRejected { .. } | EventData::OrderCancelled { .. } => Stage::Cancelled,
            EventData::OrderClosed { .. } => Stage::Closed,
            EventData::WorkClaimed { .. } => Stage::WorkClaimed,
            EventData::WorkStarted { .. } => Stage::WorkInProgress,
            EventData::WorkCompleted { .. } => Stage::Completed,
            EventData::ReworkOrdered { .. } => Stage::WorkRework,
            EventData::OrderPacked { .. } => Stage::Packaging,
            EventData::OrderShipped { .. } => Stage::Shipped,
            EventData::OrderSubmitted {}
            | EventData::TermsAgreed { .. }
            | EventData::OrderAmended { .. }
            | EventData::OrderHeld { .. }
            | EventData::OrderResumed { .. }
            | EventData::OrderDelivered { .. }
            | EventData::DeadlineMissed { .. }
            | EventData::RecordsSkipped { .. }
            | EventData::ClockAdvanced { .. } => self.stage,
        };
        match &event.data {
            EventData::PricingRequested { attempt, .. } => (self.attempt, self.lease) = (*attempt, None),
            EventData::PricingAccepted { worker, lease_until, .. } => {
                (self.lease, self.lease_until) = (Some(worker.clone()), Some(*lease_until));
            }
            EventData::PricingProgressed { lease_until, .. } => self.lease_until = Some(*lease_until),
            EventData::ClockAdvanced { .. } => self.lease_until = None,
            EventData::PriceCalculated { quote, .. } => (self.price_minor, self.lease) = (Some(quote.price.minor), None),
            EventData::OrderAmended { item, .. } => {
                self.price_minor = None;
                self.item = item.as_ref().unwrap_or(&self.item).clone();
            }
            EventData::TermsAgreed { approve_up_to } => self.approved_to_minor = Some(approve_up_to.minor),
            EventData::OrderQuoted { price, .. } => (self.price_minor, self.lease) = (Some(price.minor), None),
            EventData::PricingFailed { .. } | EventData::PricingExpired { .. } => self.lease = None,
            EventData::WorkClaimed { operator } | EventData::ReworkOrdered { operator, .. } => self.operator = Some(operator.clone()),
            EventData::WorkCompleted { .. } | EventData::WorkReleased { .. } => self.operator = None,
            EventData::OrderHeld { .. } => self.held = true,
            EventData::OrderResumed { .. } => self.held = false,
            _ => {}
        }
        if self.ended() {
            (self.held, self.lease, self.operator) = (false, None, None);
        }
    }
}
