//! `GET /mes/v1/gaps`: orders that do not move or got lost.

use atelier_partners::{WAITING_MAX, Waiting};
use atelier_projections::{Cause, Found, Gap, GapFilter, UnknownParcel};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use crate::app::Gateway;
use crate::extract::{AnyStaff, Query};
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;

/// A part of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Gaps {
    /// The gap opened first first.
    items: Vec<Gap>,
    /// Give it back as `cursor` for the next part; null at the end.
    next: Option<String>,
    /// Causes nobody could look for just now, because the log, the accounts or the webhooks' store do
    /// not answer. Empty, like `cut`: nothing is left out.
    unknown: Vec<Cause>,
    /// Causes of which only the oldest gaps are listed, 1,000 of a kind, because there are more: they show when these are
    /// closed.
    cut: Vec<Cause>,
}

/// List the gaps
///
/// What does not move in time or got lost, oldest first: the order, where it stands, since when, who has
/// it, what was expected by when, and in `allowed` what the caller may do about it. Among them what is no order's: parcels
/// nobody knows, partners' endpoints that take nothing, read models that are behind. Closed gaps stay listed for as long
/// as the policy says.
#[utoipa::path(
    get, path = "/mes/v1/gaps", operation_id = "mes_gaps", tag = TAG, security(("staff" = [])),
    params(GapFilter),
    responses(
        (status = 200, description = "A page", body = Gaps),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn gaps(
    State(gateway): State<Gateway>,
    AnyStaff(actor): AnyStaff,
    Query(filter): Query<GapFilter>,
) -> Result<axum::Json<Gaps>, Refusal> {
    let by_looking = [Cause::ProjectionBehind, Cause::NoEngine].into_iter().filter(|cause| filter.asks_for(*cause)).collect::<Vec<_>>();
    let (mut unknown, mut cut) = (Vec::new(), Vec::new());
    let mut besides = Found::default();
    if !by_looking.is_empty() {
        match looked(&gateway).await {
            Ok(found) => besides = found,
            Err(error) => {
                tracing::warn!(error, "nobody can tell which read models are behind, and whether engines write");
                unknown = by_looking;
            }
        }
    }
    if filter.asks_for(Cause::UnknownParcel) {
        // As many as may wait: none is left out.
        let all = u32::try_from(WAITING_MAX).unwrap_or(u32::MAX);
        match gateway.app.accounts.waiting_deliveries(None, all).await {
            Ok(waiting) => besides.parcels = waiting.into_iter().map(parcel).collect(),
            Err(error) => {
                tracing::warn!(%error, "nobody can tell which parcels are unknown");
                unknown.push(Cause::UnknownParcel);
            }
        }
    }
    if filter.asks_for(Cause::WebhookUndelivered) {
        match gateway.undelivered().await {
            Some((undelivered, more)) => {
                besides.undelivered = undelivered;
                cut.extend(more.then_some(Cause::WebhookUndelivered));
            }
            None => unknown.push(Cause::WebhookUndelivered),
        }
    }
    let page = gateway.app.queries.gaps(&filter, &actor.role, &besides).await.map_err(store_refusal)?;
    Ok(axum::Json(Gaps { items: page.items, next: page.next, unknown, cut }))
}

fn parcel(waiting: Waiting) -> UnknownParcel {
    let Waiting { carrier, tracking, message_id, received_at, .. } = waiting;
    UnknownParcel { carrier, tracking, message_id, since: received_at }
}

/// Reads the log, on a thread of its own that keeps its place among the readers until it ends.
async fn looked(gateway: &Gateway) -> Result<Found, String> {
    let place = gateway.reader_permit().map_err(|_| "all readers of the log are taken".to_owned())?;
    let progress = gateway.app.queries.progress().await.map_err(|error| error.to_string())?;
    let (log, now, limit) = (gateway.app.client.log().clone(), (gateway.app.clock)(), gateway.app.config.behind_limit);
    let looking = tokio::task::spawn_blocking(move || {
        let look = Found::at(log.as_ref(), &progress, now, limit);
        drop(place);
        look
    });
    looking.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
