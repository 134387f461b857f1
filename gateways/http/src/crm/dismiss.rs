//! `POST /crm/v1/parcels/{carrier}/{message_id}/dismiss`: a carrier's message whose parcel never turns up.

use atelier_partners::{Dismissal, Waiting};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::app::Gateway;
use crate::command::Reason;
use crate::extract::{Admin, Json, Query};
use crate::problem::{Code, Problem, Refusal};
use crate::stamp;

/// Which message.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ParcelMessage {
    /// Who sent it.
    carrier: String,
    /// The carrier's id of it (`webhook-id`), as the gap names it.
    message_id: String,
}

/// Whether to do it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dry {
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// A message that was let go.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dismissed {
    carrier: String,
    message_id: String,
    tracking: String,
    /// When the carrier says it was handed over, RFC 3339.
    delivered_at: String,
    /// When the message came, RFC 3339.
    received_at: String,
    /// When it was dismissed, RFC 3339: the first time, however often it is.
    dismissed_at: String,
    /// By whom.
    by: String,
    /// Why.
    reason: String,
    /// Only for a dry run: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Dismiss a delivery of a parcel nobody knows
///
/// For administrators, once it is clear that no order will be shipped under that number: it was mistyped, or is
/// somebody else's parcel. The message closes no order any more and is no gap; who dismissed it and why stays on record.
/// Should an order be shipped with the parcel after all, the carrier's repetition closes it.
#[utoipa::path(
    post, path = "/crm/v1/parcels/{carrier}/{message_id}/dismiss", operation_id = "crm_dismiss_parcel", tag = TAG,
    security(("staff" = [])), params(ParcelMessage, Dry), request_body = Reason,
    responses(
        (status = 200, description = "Dismissed, now or before", body = Dismissed),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such message waits", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its table is away: nothing was changed", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn dismiss(
    State(gateway): State<Gateway>,
    Admin(actor): Admin,
    message: Result<Path<ParcelMessage>, axum::extract::rejection::PathRejection>,
    Query(Dry { dry_run }): Query<Dry>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<Dismissed>, Refusal> {
    let reason = body.checked()?;
    let unknown = || {
        let text = "No such message waits for its parcel; `GET /mes/v1/gaps?cause=unknown_parcel` lists those that do.";
        Refusal::new(Code::UnknownMessage, text)
    };
    let Ok(Path(ParcelMessage { carrier, message_id })) = message else { return Err(unknown()) };
    let app = &gateway.app;
    let now = Dismissal { at: (app.clock)(), by: actor.name, reason };
    let done = if dry_run {
        let found = app.accounts.delivery(&carrier, &message_id).await.map_err(away)?;
        found.map(|(message, before)| (message, before.unwrap_or(now)))
    } else {
        app.accounts.dismiss_delivery(&carrier, &message_id, now).await.map_err(away)?
    };
    let (message, dismissal) = done.ok_or_else(unknown)?;
    if !dry_run {
        tracing::info!(carrier = message.carrier, by = dismissal.by, "a delivery of a parcel that nobody knows was dismissed");
    }
    Ok(axum::Json(Dismissed::of(message, dismissal, dry_run)))
}

impl Dismissed {
    fn of(message: Waiting, dismissal: Dismissal, dry_run: bool) -> Self {
        let Waiting { carrier, message_id, tracking, delivered_at, received_at } = message;
        Self {
            carrier,
            message_id,
            tracking,
            delivered_at: stamp::text(delivered_at),
            received_at: stamp::text(received_at),
            dismissed_at: stamp::text(dismissal.at),
            by: dismissal.by,
            reason: dismissal.reason,
            dry_run,
        }
    }
}

fn away(error: atelier_partners::Error) -> Refusal {
    tracing::error!(%error, "carriers' messages cannot be looked up");
    Refusal::new(Code::Unavailable, "Carriers' messages cannot be looked up. Nothing was changed; ask again in a moment.").retry_after_s(2)
}
