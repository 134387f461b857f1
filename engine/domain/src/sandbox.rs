//! What a partner plays with an order of its sandbox: the works, the carrier and the clock.

use crate::decide::invalid;
use crate::{Command, Order, Rejection, Stage, TimeMs};

/// The longest leap of an order's clock at once, in milliseconds: 366 days.
pub const CLOCK_LEAP_MAX_MS: TimeMs = 366 * 24 * 60 * 60 * 1000;

/// Who carries the parcels of sandboxes.
const CARRIER: &str = "sandbox";

/// What the works, or the carrier, would ask next of an order that stands so. It is then decided like theirs, by the
/// same code. `None` while the order is not theirs.
pub(crate) fn next_step(order: &Order, now: TimeMs) -> Option<Command> {
    Some(match order.stage {
        Stage::WorkAvailable => Command::ClaimWork,
        Stage::WorkClaimed => Command::StartWork,
        Stage::WorkInProgress | Stage::WorkRework => Command::CompleteWork,
        Stage::Completed => Command::PackOrder,
        Stage::Packaging => Command::ShipOrder { carrier: CARRIER.into(), tracking: format!("SANDBOX-{}", order.version + 1) },
        Stage::Shipped => {
            let parcel = order.shipment.as_ref()?;
            Command::DeliverOrder { carrier: (*parcel.carrier).into(), tracking: (*parcel.tracking).into(), delivered_at: now }
        }
        Stage::Draft
        | Stage::Ready
        | Stage::PricingRequested
        | Stage::PricingAccepted
        | Stage::PricingRunning
        | Stage::PricingFailed
        | Stage::PricingExpired
        | Stage::Priced
        | Stage::Closed
        | Stage::Cancelled => return None,
    })
}

/// How far a clock may leap at once.
pub(crate) fn leap(by_ms: TimeMs) -> Result<TimeMs, Rejection> {
    if (1..=CLOCK_LEAP_MAX_MS).contains(&by_ms) {
        return Ok(by_ms);
    }
    let fix = format!("advance the clock by 1 to {} seconds at once", CLOCK_LEAP_MAX_MS / 1000);
    Err(invalid("by_seconds", "is not a time an order's clock can leap by", fix))
}
