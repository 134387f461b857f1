//! Deliveries of parcels nobody knew: told to their orders once those are shipped.

use std::sync::Arc;
use std::time::Duration;

use atelier_partners::{Waiting, WaitingPlace as Place};
use atelier_schemas::{Actor, CommandData, partition_of};

use super::BASE;
use super::pauses::{Pauses, Who};
use crate::app::{App, Gateway};
use crate::command::{Ask, Settled, Surroundings, carrier_command_id};
use crate::extract::Terms;
use crate::problem::{Code, Refusal};

/// How often parcels are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Messages looked at by one look; the next look goes on after them.
const AT_ONCE: u32 = 200;

/// Looks for the orders of parcels that were delivered before anybody knew them, until `app.stop`. Any number of
/// processes may do so: a message is one command to its order, whoever sends it. An order that cannot decide on it (on
/// hold, set aside, no engine) is asked again after pauses that double from a second to a quarter of an hour, so that it does
/// not fill the log with the same command.
pub async fn follow_parcels(app: App) {
    let stop = app.stop.clone();
    let gateway = Gateway::new(app, Arc::default());
    let (mut after, mut counted, mut away) = (None, 0, false);
    let mut pauses = Pauses::default();
    loop {
        match look(&gateway, &mut pauses, after.take()).await {
            Ok((left, next)) => {
                counted += left;
                if next.is_none() {
                    pauses.forget_old((gateway.app.clock)());
                    gateway.app.metrics.waiting_deliveries(std::mem::take(&mut counted));
                }
                (after, away) = (next, false);
            }
            Err(error) => {
                counted = 0;
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "deliveries of unknown parcels wait: a store or the log does not answer");
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
async fn look(gateway: &Gateway, pauses: &mut Pauses, after: Option<Place>) -> Result<(usize, Option<Place>), String> {
    let accounts = &gateway.app.accounts;
    let waiting = accounts.waiting_deliveries(after, AT_ONCE).await.map_err(|error| error.to_string())?;
    let mut left = waiting.len();
    for message in &waiting {
        let found = gateway.app.queries.order_by_tracking(&message.carrier, &message.tracking).await.map_err(|error| error.to_string())?;
        let Some(order_id) = found else { continue };
        let partition = Who::Partition(partition_of(&order_id, gateway.app.client.log().partitions()));
        let this = Who::Message(message.carrier.clone(), message.message_id.clone());
        let now = (gateway.app.clock)();
        if pauses.hold(&partition, now) || pauses.hold(&this, now) {
            continue;
        }
        let told = deliver(gateway, order_id, message, Terms::default()).await;
        // A while may have passed.
        let now = (gateway.app.clock)();
        match &told {
            // It is on the log, and nobody decides there: whatever else waits for that partition would wait as vainly.
            Ok(Settled::Pending { .. }) => {
                pauses.lengthen(partition, now);
                continue;
            }
            // The log takes nothing. What comes after this message is looked at when it does.
            Err(refusal) if refusal.is(Code::Unavailable) => return Err(refusal.detail().to_owned()),
            _ => pauses.end(&partition),
        }
        match &told {
            Ok(_) => tracing::info!(%order_id, carrier = message.carrier, "a delivery that waited for its parcel is told"),
            Err(refusal) if is_for_good(refusal) => {
                tracing::warn!(%order_id, carrier = message.carrier, refusal = %refusal.detail(), "a delivery that waited for its parcel was refused");
            }
            // Not now: the same command again, a little later.
            Err(_) => {
                pauses.lengthen(this, now);
                continue;
            }
        }
        pauses.end(&this);
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
