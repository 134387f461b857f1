//! Deciding one command.

use crate::deadline::next_attempt;
use crate::sandbox::{leap, next_step};
use crate::table::{Row, TABLE, WhileHeld};
use crate::{Action, Channel, Command, Event, Item, Money, Order, Policy, Quote, Rejection, Role, Seen, TimeMs, allowed};

/// A command with what of its envelope matters to the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The same id is decided once.
    pub command_id: u128,
    /// Of what is asked; the same id with another digest is refused.
    pub digest: i64,
    /// Who asks.
    pub role: Role,
    /// Who asks, by name.
    pub name: &'a str,
    /// Refuse unless the order is there.
    pub expected_version: Option<u64>,
    /// What is asked.
    pub command: Command,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a decision that is not written down did not happen"]
pub enum Decision {
    /// These events, at least one.
    Accepted(Vec<Event>),
    /// Decided before; this was the answer.
    Repeated(Seen),
    /// Nothing changes.
    Rejected(Rejection),
}

/// Decides `request` for `order` (`None`: there is none) at `now`.
pub fn decide(order: Option<&Order>, request: Request<'_>, policy: &Policy, now: TimeMs) -> Decision {
    if let Some(order) = order
        && let Some(seen) = order.seen.iter().find(|seen| seen.command_id == request.command_id.to_be_bytes())
    {
        return if seen.digest == request.digest { Decision::Repeated(*seen) } else { Decision::Rejected(Rejection::KeyReused) };
    }
    match events(order, request, policy, now) {
        Ok(events) => Decision::Accepted(events),
        Err(rejection) => Decision::Rejected(rejection),
    }
}

fn events(order: Option<&Order>, request: Request<'_>, policy: &Policy, now: TimeMs) -> Result<Vec<Event>, Rejection> {
    let Some(action) = request.command.action() else {
        return create(order, request, policy);
    };
    let order = order.filter(|order| owns(order, &request)).ok_or(Rejection::UnknownOrder)?;
    if let Some(expected) = request.expected_version
        && expected != order.version
    {
        return Err(Rejection::Version { expected, actual: order.version });
    }
    same_world(order, action, request.role)?;
    permit(order, action, request.role)?;
    carry_out(order, request.command, (request.role, request.name), policy, now)
}

/// A buyer sees the orders of its own channel, a partner only its own; with a key of its sandbox only those in there.
fn owns(order: &Order, request: &Request<'_>) -> bool {
    match request.role {
        Role::Customer => order.channel == Channel::Shop,
        Role::Partner => order.channel == Channel::Partner && !order.sandbox && *order.client == *request.name,
        Role::Sandbox => order.sandbox && *order.client == *request.name,
        _ => true,
    }
}

/// People, carriers and whoever else is real leave the orders of sandboxes alone; those are priced like any other.
/// What only a sandbox knows is not asked of a real order.
fn same_world(order: &Order, action: Action, role: Role) -> Result<(), Rejection> {
    if !order.sandbox {
        return if action.is_of_sandbox() { Err(Rejection::LiveOrder { action }) } else { Ok(()) };
    }
    // A record that cannot be read is repaired wherever it is.
    let concerned = matches!(role, Role::Sandbox | Role::Worker) || action == Action::SkipRecords;
    if concerned { Ok(()) } else { Err(Rejection::SandboxOrder) }
}

fn permit(order: &Order, action: Action, role: Role) -> Result<(), Rejection> {
    let held = order.held.is_some();
    let rows = || TABLE.iter().filter(|row| row.action == action);
    if rows().any(|row| row.roles.contains(&role) && row.permits(order.stage, held)) {
        return Ok(());
    }
    if !rows().any(|row| row.roles.contains(&role)) {
        return Err(Rejection::Forbidden { action, role });
    }
    let waits_for_resume = |row: &Row| row.held == WhileHeld::Refused && row.permits(order.stage, false) && row.roles.contains(&role);
    let allowed = allowed(order.stage, held, role);
    match &order.held {
        Some(holding) if rows().any(waits_for_resume) => Err(Rejection::Held { reason: holding.reason.to_string(), allowed }),
        _ => Err(Rejection::NotAllowed { action, status: order.status(), allowed }),
    }
}

fn carry_out(order: &Order, command: Command, (role, name): (Role, &str), policy: &Policy, now: TimeMs) -> Result<Vec<Event>, Rejection> {
    let operator = || name.to_owned();
    let one = |event| Ok(vec![event]);
    match command {
        Command::CreateOrder { .. } => unreachable!("creating has no action and was handled before"),
        Command::AttachModel { model } => one(Event::ModelAttached { model }),
        Command::SubmitOrder => {
            Ok(vec![Event::OrderSubmitted, Event::PricingRequested { attempt: order.pricing.attempt + 1, cause: "submitted".into() }])
        }
        Command::SubmitOrderUpTo { price } => {
            positive("max_price.amount", &price)?;
            let submitted = Event::PricingRequested { attempt: order.pricing.attempt + 1, cause: "submitted".into() };
            Ok(vec![Event::TermsAgreed { approve_up_to: price }, Event::OrderSubmitted, submitted])
        }
        Command::AcceptPricing { attempt, worker } => {
            unclaimed(order, attempt)?;
            one(Event::PricingAccepted { attempt, worker, lease_until: now + policy.pricing_lease_ms })
        }
        Command::HeartbeatPricing { attempt, worker, progress_percent } => {
            lease_of(order, attempt, &worker)?;
            one(Event::PricingProgressed { attempt, worker, progress_percent, lease_until: now + policy.pricing_lease_ms })
        }
        Command::CompletePricing { attempt, worker, quote } => {
            lease_of(order, attempt, &worker)?;
            sound(order, &quote)?;
            // A price that comes with warnings is looked at first: the volume may not be what it seems.
            let approved = approved_beforehand(order, &quote.price).filter(|_| quote.warnings.is_empty());
            Ok(std::iter::once(Event::PriceCalculated { attempt, quote }).chain(approved).collect())
        }
        Command::FailPricing { attempt, worker, failure, detail, retryable } => {
            lease_of(order, attempt, &worker)?;
            let again = if retryable { next_attempt(order, policy, "the attempt before failed") } else { None };
            let failed = Event::PricingFailed { attempt, worker, failure, detail, retryable };
            Ok(std::iter::once(failed).chain(again).collect())
        }
        Command::QuoteOrder { price, reason } => {
            positive("price.amount", &price)?;
            let approved = approved_beforehand(order, &price);
            Ok(std::iter::once(Event::OrderQuoted { price, reason: reasoned(reason)? }).chain(approved).collect())
        }
        Command::RepriceOrder { reason } => {
            let cause = format!("asked again: {}", reasoned(reason)?);
            one(Event::PricingRequested { attempt: order.pricing.attempt + 1, cause })
        }
        Command::ApproveOrder { reason } => one(Event::OrderApproved { reason }),
        Command::RejectOrder { reason } => one(Event::OrderRejected { reason: reasoned(reason)? }),
        Command::AcceptQuote { price } => {
            if order.price.as_ref() != Some(&price) {
                return Err(invalid("price", "is not the price of this order", "read the order again and accept the price it has now"));
            }
            one(Event::OrderApproved { reason: Some("the buyer accepted the price".into()) })
        }
        Command::AmendOrder { item, model } => {
            if item.is_none() && model.is_none() {
                return Err(invalid("item", "is not given, and no model either", "give what should be another: item, model, or both"));
            }
            item.as_ref().map_or(Ok(()), |item| makeable(item, policy))?;
            let again = Event::PricingRequested { attempt: order.pricing.attempt + 1, cause: "the buyer amended the order".into() };
            Ok(vec![Event::OrderAmended { item, model }, again])
        }
        Command::ClaimWork => one(Event::WorkClaimed { operator: operator() }),
        Command::StartWork => {
            holds(order, (role, name))?;
            one(Event::WorkStarted { operator: operator() })
        }
        Command::CompleteWork => {
            holds(order, (role, name))?;
            one(Event::WorkCompleted { operator: operator() })
        }
        Command::ReworkOrder { defect } => {
            holds(order, (role, name))?;
            let defect = required("defect", defect, "say what is wrong with the piece")?;
            one(Event::ReworkOrdered { defect, operator: operator() })
        }
        Command::ReleaseWork { reason } => {
            holds(order, (role, name))?;
            one(Event::WorkReleased { reason: reasoned(reason)?, operator: operator() })
        }
        Command::PackOrder => one(Event::OrderPacked { operator: operator() }),
        Command::ShipOrder { carrier, tracking } => {
            let carrier = required("carrier", carrier, "name the carrier")?;
            let tracking = required("tracking", tracking, "give the carrier's number of the parcel")?;
            one(Event::OrderShipped { operator: operator(), carrier, tracking })
        }
        Command::DeliverOrder { carrier, tracking, delivered_at } => {
            let parcel = order.shipment.as_ref().filter(|parcel| *parcel.carrier == *carrier && *parcel.tracking == *tracking);
            if parcel.is_none() {
                return Err(invalid(
                    "tracking",
                    "is not the parcel of this order",
                    "send the carrier and number the order was shipped with",
                ));
            }
            let reason = format!("delivered by {carrier}");
            Ok(vec![Event::OrderDelivered { carrier, tracking, delivered_at }, Event::OrderClosed { reason }])
        }
        Command::CloseOrder { reason } => one(Event::OrderClosed { reason: reasoned(reason)? }),
        Command::HoldOrder { reason } => one(Event::OrderHeld { reason: reasoned(reason)? }),
        Command::ResumeOrder { reason } => one(Event::OrderResumed { reason: reasoned(reason)? }),
        Command::CancelOrder { reason } => one(Event::OrderCancelled { reason: reasoned(reason)? }),
        Command::SkipRecords { offsets, reason } => one(Event::RecordsSkipped { offsets, reason: reasoned(reason)? }),
        Command::AdvanceOrder => match next_step(order, now) {
            Some(command) => carry_out(order, command, (role, name), policy, now),
            None => {
                let allowed = allowed(order.stage, order.held.is_some(), role);
                Err(Rejection::NotAllowed { action: Action::Advance, status: order.status(), allowed })
            }
        },
        Command::AdvanceClock { by_ms } => one(Event::ClockAdvanced { by_ms: leap(by_ms)? }),
    }
}

/// What follows from a price the buyer approved beforehand. Not on hold: whoever stopped the order wants to look.
fn approved_beforehand(order: &Order, price: &Money) -> Option<Event> {
    let limit = order.approve_up_to.as_ref().filter(|_| order.held.is_none())?;
    let within = limit.currency == price.currency && price.minor <= limit.minor;
    within.then(|| Event::OrderApproved { reason: Some("the buyer approved prices up to its limit beforehand".into()) })
}

fn positive(field: &'static str, price: &Money) -> Result<(), Rejection> {
    if price.minor > 0 {
        return Ok(());
    }
    Err(invalid(field, "must be greater than zero", "give the price for the whole order, for example \"123.40\""))
}

fn create(order: Option<&Order>, request: Request<'_>, policy: &Policy) -> Result<Vec<Event>, Rejection> {
    let Command::CreateOrder { channel, client, reference, customer, item } = request.command else {
        unreachable!("every other command has an action");
    };
    // The id of an order is derived from the client's key: another creation under it is another request under one key.
    if order.is_some() {
        return Err(Rejection::KeyReused);
    }
    if let Some(expected @ 1..) = request.expected_version {
        return Err(Rejection::Version { expected, actual: 0 });
    }
    let by: &[Role] = match channel {
        Channel::Shop => &[Role::Customer],
        Channel::Partner => &[Role::Partner, Role::Sandbox],
    };
    if !by.contains(&request.role) {
        return Err(invalid("channel", "is not the asker's", "create orders through your own surface"));
    }
    makeable(&item, policy)?;
    let sandbox = request.role == Role::Sandbox;
    Ok(vec![Event::OrderCreated { channel, client, reference, customer, item, sandbox }])
}

fn makeable(item: &Item, policy: &Policy) -> Result<(), Rejection> {
    let known = |field, value: &str, list: &[String]| {
        if list.is_empty() || list.iter().any(|known| known == value) {
            return Ok(());
        }
        Err(invalid(field, format!("{value:?} is not made here"), format!("use one of: {}", list.join(", "))))
    };
    known("item.material", &item.material, &policy.materials)?;
    known("item.finish", &item.finish, &policy.finishes)?;
    if item.quantity == 0 || item.quantity > policy.max_quantity {
        let fix = format!("order 1 to {} pieces", policy.max_quantity);
        return Err(invalid("item.quantity", format!("{} is not possible", item.quantity), fix));
    }
    Ok(())
}

fn current_attempt(order: &Order, given: u32) -> Result<(), Rejection> {
    let current = order.pricing.attempt;
    if given == current { Ok(()) } else { Err(Rejection::StaleAttempt { given, current, free: false }) }
}

/// Whether a worker may have the attempt, where nobody has one. A worker that comes with an earlier dispatch of the same work is
/// told which one is free: behind a queue longer than the dispatches wait, every job would else be over when its turn comes.
fn unclaimed(order: &Order, given: u32) -> Result<(), Rejection> {
    current_attempt(order, given).map_err(|rejection| {
        let current = order.pricing.attempt;
        let dispatches_of_it = current.saturating_sub(order.pricing.unaccepted)..current;
        if dispatches_of_it.contains(&given) { Rejection::StaleAttempt { given, current, free: true } } else { rejection }
    })
}

fn lease_of(order: &Order, attempt: u32, worker: &str) -> Result<(), Rejection> {
    current_attempt(order, attempt)?;
    match order.pricing.worker.as_deref() {
        Some(holder) if holder != worker => Err(Rejection::NotHolder { holder: holder.to_owned() }),
        _ => Ok(()),
    }
}

fn sound(order: &Order, quote: &Quote) -> Result<(), Rejection> {
    let model = order.model.as_ref().map(|model| model.sha256);
    if model.is_none() || quote.model_sha256.parse().ok() != model {
        return Err(invalid("quote.model_sha256", "is not the model of this order", "measure the model the job names"));
    }
    let sum: i128 = quote.lines.iter().map(|line| i128::from(line.minor)).sum();
    if quote.price.minor <= 0 || sum != i128::from(quote.price.minor) {
        return Err(invalid("quote.price", "is not the positive sum of its lines", "recompute the quote"));
    }
    Ok(())
}

fn holds(order: &Order, (role, name): (Role, &str)) -> Result<(), Rejection> {
    match order.holder.as_deref() {
        Some(holder) if holder != name && role != Role::Admin => Err(Rejection::NotHolder { holder: holder.to_owned() }),
        _ => Ok(()),
    }
}

fn reasoned(reason: String) -> Result<String, Rejection> {
    required("reason", reason, "say why, in a sentence")
}

fn required(field: &'static str, value: String, fix: &str) -> Result<String, Rejection> {
    if value.trim().is_empty() { Err(invalid(field, "must not be empty", fix)) } else { Ok(value) }
}

pub(crate) fn invalid(field: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Rejection {
    Rejection::Invalid { field, message: message.into(), fix: fix.into() }
}
