//! `POST /mes/v1/queue/claim`: the next piece of work, by due date.

use atelier_partners::Intake;
use atelier_projections::{QueueFilter, QueueItem, QueueLane};
use atelier_schemas::CommandData;
use axum::extract::State;

use super::lane::away;
use super::{TAG, bench};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{Bench, CommandParams, JsonOrNothing, Nothing, Terms};
use crate::problem::{Code, Refusal};
use crate::read::store_refusal;

/// How many orders are tried before the caller is told to come again. The read model is a moment
/// behind: what looks available may just have been taken, so a crowd of operators needs some tries.
const TRIES: u32 = 20;

/// Take the next piece of work
///
/// The oldest due order that is available becomes the caller's; nobody else can have it. 404 with the
/// code `nothing_to_do` when there is none. With an `Idempotency-Key` a repeated call gives the order
/// of the first one again instead of a second order.
#[utoipa::path(
    post, path = "/mes/v1/queue/claim", operation_id = "mes_claim", tag = TAG, security(("staff" = [])),
    params(CommandParams), request_body = Option<Nothing>,
    responses((status = 200, description = "Yours", body = Accepted), Refusals),
)]
pub(crate) async fn claim(
    State(gateway): State<Gateway>,
    Bench(actor): Bench,
    terms: Terms,
    _: JsonOrNothing<Nothing>,
) -> Result<Settled, Refusal> {
    // While the partners' lane is paused nobody is given work of it.
    let paused = gateway.app.accounts.lane().await.map_err(away)?.intake == Intake::Paused;
    let lane = paused.then_some(QueueLane::Own);
    let available = QueueFilter { work: Some("available".into()), held: Some(false), lane, ..QueueFilter::default() };
    let available = candidates_of(&gateway, available).await?;
    let mut candidates = Vec::new();
    if terms.key.is_some() {
        // What the caller has already, however far it got: if it was under this key, the engine answers as it did
        // then. Asked after the list above, so that an order on its way from one to the other is in one.
        let mine = QueueFilter { holder: Some(actor.name.clone()), ..QueueFilter::default() };
        candidates = candidates_of(&gateway, mine).await?;
    }
    candidates.extend(available);
    let none_available = candidates.iter().all(|item| item.work != "available");
    for item in candidates {
        // Under a key the command must be the same at every repetition, so it expects no version then;
        // the engine grants a claim only while the work is available in any case.
        let expected_version = if terms.key.is_some() { None } else { Some(item.version) };
        let terms = Terms { expected_version, ..terms.clone() };
        match bench(&gateway, actor.clone(), terms).send(Ask::new(item.order_id, "claim", CommandData::ClaimWork {})).await {
            // Somebody else was faster, or it was put on hold: the next one.
            Err(refusal) if refusal.is_about_the_order() => tracing::debug!(order_id = %item.order_id, "not to be had; trying the next"),
            settled => return settled,
        }
    }
    Err(if none_available {
        Refusal::new(Code::NothingToDo, "No order is waiting for an operator. Come back when the queue shows one.")
    } else {
        Refusal::new(Code::Busy, "The oldest orders were all taken meanwhile. Ask again.").retry_after_s(1)
    })
}

async fn candidates_of(gateway: &Gateway, filter: QueueFilter) -> Result<Vec<QueueItem>, Refusal> {
    let filter = QueueFilter { limit: Some(TRIES), ..filter };
    Ok(gateway.app.queries.queue(&filter).await.map_err(store_refusal)?.items)
}
