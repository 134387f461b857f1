//! Deliveries of parcels nobody knew: told to their orders once those are shipped.

use std::sync::Arc;
use std::time::Duration;

use atelier_partners::{Waiting, WaitingPlace as Place};
use atelier_schemas::{Actor, CommandData};

use super::BASE;
use crate::app::{App, Gateway};
use crate::command::{Ask, Settled, Surroundings, carrier_command_id};
use crate::extract::Terms;
use crate::problem::{Code, Refusal};

/// How often parcels are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Messages looked at by one look; the next look goes on after them.
const AT_ONCE: u32 = 200;

/// Looks for the orders of parcels that were delivered before anybody knew them, until `app.stop`. Any number of
/// processes may do so: a message is one command to its order, whoever sends it.
pub async fn follow_parcels(app: App) {
    let stop = app.stop.clone();
    let gateway = Gateway::new(app, Arc::default());
    let (mut after, mut counted, mut away) = (None, 0, false);
    loop {
        match look(&gateway, after.take()).await {
            Ok((left, next)) => {
                counted += left;
                if next.is_none() {
                    gateway.app.metrics.waiting_deliveries(std::mem::take(&mut counted));
                }
                (after, away) = (next, false);
            }
            Err(error) => {
                counted = 0;
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "deliveries of unknown parcels wait: a store does not answer");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Looks at some messages: how many of them wait on, and the place to go on from, or none at their end.
async fn look(gateway: &Gateway, after: Option<Place>) -> Result<(usize, Option<Place>), String> {
    let accounts = &gateway.app.accounts;
    let waiting = accounts.waiting_deliveries(after, AT_ONCE).await.map_err(|error| error.to_string())?;
    let mut left = waiting.len();
    for message in &waiting {
        let found = gateway.app.queries.order_by_tracking(&message.carrier, &message.tracking).await.map_err(|error| error.to_string())?;
        let Some(order_id) = found else { continue };
        let told = deliver(gateway, order_id, message, Terms::default()).await;
        match &told {
            Ok(Settled::Accepted { .. }) => {
                tracing::info!(%order_id, carrier = message.carrier, "a delivery that waited for its parcel is told")
            }
            Err(refusal) if is_for_good(refusal) => {
                tracing::warn!(%order_id, carrier = message.carrier, refusal = %refusal.detail(), "a delivery that waited for its parcel was refused");
            }
            // Not decided yet, or not now: the same command again, a little later.
            Ok(Settled::Pending { .. }) | Err(_) => continue,
        }
        accounts.forget_delivery(&message.carrier, &message.message_id).await.map_err(|error| error.to_string())?;
        left -= 1;
    }
    let whole = u32::try_from(waiting.len()).unwrap_or(u32::MAX) < AT_ONCE;
    Ok((left, if whole { None } else { waiting.last().map(Waiting::place) }))
}

/// Tells an order that it was delivered. The same message is the same command.
pub(super) async fn deliver(gateway: &Gateway, order_id: uuid::Uuid, message: &Waiting, terms: Terms) -> Result<Settled, Refusal> {
    let Waiting { carrier, tracking, delivered_at, message_id, .. } = message.clone();
    let actor = Actor { role: "carrier".into(), name: carrier.clone() };
    let data = CommandData::DeliverOrder { carrier, tracking, delivered_at };
    let ask = Ask::new(order_id, "deliver", data).with_command_id(carrier_command_id(order_id, &message_id));
    Surroundings { gateway, base: BASE, actor, terms }.send(ask).await
}

/// The order has decided, and would not decide otherwise later.
fn is_for_good(refusal: &Refusal) -> bool {
    [Code::NotAllowed, Code::Invalid, Code::KeyReused].into_iter().any(|code| refusal.is(code))
}
