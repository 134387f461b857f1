//! One call, three commands: the order is created, its model attached, and it is handed in.
//!
//! Each command's id follows from the order's, and the order's from partner and reference. So the same call
//! again is the same commands again: what was decided before answers as it did, and after a crash between
//! two of them the rest is done. Nothing is remembered here.

use atelier_partners::Caller;
use atelier_schemas::CommandData;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::new_order::NewOrder;
use super::{partner, parts::reference_reused};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Settled, create_command_id, order_id_of};
use crate::extract::Terms;
use crate::problem::{Code, Refusal};
use atelier_projections::feed::Known;

/// The order that is named so under a partner's account, or that of its sandbox.
pub(super) fn order_id(account: &str, reference: &str) -> Uuid {
    order_id_of(&format!("partner\0{account}"), reference)
}

/// The business request: of one order, the same payload is the same request. Orders keep it for ever (it is
/// the correlation id of their first event), so a reference used for something else is known after years.
pub(super) fn request_id(order_id: Uuid, new: &NewOrder) -> Uuid {
    let payload = serde_json::to_vec(&(&new.customer, &new.item, &new.model.sha256, &new.model.format, &new.approve_up_to));
    Uuid::new_v5(&order_id, &Sha256::digest(payload.unwrap_or_default()))
}

/// Does what is not done yet, and answers as the last step does.
///
/// # Errors
/// As the step that was refused: those before it are done, and the same call goes on from there.
pub(super) async fn carry_out(
    gateway: &Gateway,
    caller: &Caller,
    terms: &Terms,
    order_id: Uuid,
    new: NewOrder,
    known: Option<Known>,
) -> Result<Settled, Refusal> {
    let terms = Terms {
        expected_version: None,
        key: None,
        correlation_id: Some(request_id(order_id, &new)),
        traceparent: terms.traceparent.clone(),
        dry_run: terms.dry_run,
    };
    let create = CommandData::CreateOrder {
        channel: "partner".into(),
        client: caller.partner.clone(),
        reference: Some(new.reference),
        customer: new.customer,
        item: new.item,
    };
    let submit = new.approve_up_to.map_or(CommandData::SubmitOrder {}, |price| CommandData::SubmitOrderUpTo { price });
    let steps = [
        Ask::new(order_id, "create", create).with_command_id(create_command_id(order_id)),
        Ask::new(order_id, "model", CommandData::AttachModel { model: new.model }).with_command_id(step_id(order_id, "model")),
        Ask::new(order_id, "submit", submit).with_command_id(step_id(order_id, "submit")),
    ];
    let mut last = None;
    for step in steps {
        let settled = match partner(gateway, caller, terms.clone()).send(step).await {
            // An order that has decided very many commands since has forgotten its first ones. The read model has
            // not forgotten the request, which was found to be this one.
            Err(refusal) if refusal.is(Code::KeyReused) => {
                return known.map(|known| as_it_is(known, terms.dry_run)).ok_or_else(|| reference_reused(order_id));
            }
            settled => settled?,
        };
        // A dry run of the first step says what can be said; the others need the order.
        if matches!(settled, Settled::Pending { .. }) || terms.dry_run {
            return Ok(settled);
        }
        last = Some(settled);
    }
    last.ok_or_else(|| Refusal::new(Code::Internal, "No step was taken."))
}

fn step_id(order_id: Uuid, step: &str) -> Uuid {
    Uuid::new_v5(&order_id, format!("partner\0{step}").as_bytes())
}

fn as_it_is(known: Known, dry_run: bool) -> Settled {
    let Known { order_id, status, version, .. } = known;
    Settled::Accepted { accepted: Accepted { order_id, status, version, dry_run, events: Vec::new() }, repeated: !dry_run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_golden() {
        // A change here would give old references new orders.
        let order = order_id("acme", "PO-1");
        assert_eq!(order, order_id_of("partner\0acme", "PO-1"));
        assert_ne!(order, order_id("acme2", "PO-1"));
        assert_ne!(step_id(order, "model"), step_id(order, "submit"));
        assert_ne!(order, order_id_of("shop", "PO-1"));
    }
}
