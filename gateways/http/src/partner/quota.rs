//! How much of one partner is in the house at once, and whether its lane takes orders.

use atelier_partners::{Caller, Intake};
use atelier_projections::feed::Known;

use super::account;
use super::guard::accounts_away;
use super::steps::order_id;
use crate::app::Gateway;
use crate::problem::{Code, Refusal};
use crate::read::store_refusal;

/// A partner that has too many orders open comes back later.
const LATER_S: u32 = 60;
/// So does one that meets a closed lane.
const LANE_S: u32 = 300;

/// What is known of the order under this reference; of one that is not in yet, that there is room for it. Asked before
/// its file is taken.
///
/// # Errors
/// As [`expect_room`], and 503 when the read model is away.
pub(super) async fn known_or_room(gateway: &Gateway, caller: &Caller, reference: &str) -> Result<Option<Known>, Refusal> {
    let account = account(caller);
    let known = gateway.app.queries.known(&account, order_id(&account, reference)).await.map_err(store_refusal)?;
    // An order that is in already takes no more room.
    if known.is_none() {
        expect_room(gateway, caller).await?;
    }
    Ok(known)
}

/// Whether one more order may come in. Counted in the read model, which is a moment behind: a few more than
/// the limit can get in when many come at once.
///
/// # Errors
/// 503 while the lane is closed, 429 naming the limit that is reached.
async fn expect_room(gateway: &Gateway, caller: &Caller) -> Result<(), Refusal> {
    // What is never made waits for no lane of the works.
    let intake = if caller.mode.is_sandbox() { Intake::Open } else { gateway.app.accounts.lane().await.map_err(accounts_away)?.intake };
    let closed = match intake {
        Intake::Open => None,
        Intake::Paused => Some("The works have paused orders of partners; those handed in before wait too."),
        Intake::Drain => Some("The works take no new orders of partners for now; those handed in before go on."),
    };
    if let Some(sentence) = closed {
        let text = format!("{sentence} Nothing was accepted; send the order again in {} minutes.", LANE_S / 60);
        return Err(Refusal::new(Code::IntakePaused, text).retry_after_s(LANE_S));
    }
    let (open_max, pricing_max) = (caller.class.open_orders(), caller.class.pricing_orders());
    let (open, pricing) = gateway.app.queries.open_orders(&account(caller), open_max.max(pricing_max)).await.map_err(store_refusal)?;
    let reached = [(open, open_max, "open orders"), (pricing, pricing_max, "orders waiting for a price")];
    match reached.into_iter().find(|(count, max, _)| count >= max) {
        Some((_, max, what)) => {
            let text = format!("This partner has {max} {what}, which is its limit. Nothing was accepted; send the order again later.");
            Err(Refusal::new(Code::Quota, text).retry_after_s(LATER_S))
        }
        None => Ok(()),
    }
}
