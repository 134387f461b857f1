//! `POST /carrier/v1/deliveries`: a parcel has arrived; its order is closed.
//!
//! A message is believed when it is signed with the shared secret and recent (`signed`). A carrier
//! repeats it until it is confirmed: the command's id follows from the message's, so the repetition
//! is answered as the first was. A message about a parcel that no order was shipped with is kept, confirmed with 202,
//! and told to its order when there is one (`waiting`); until then it is a gap.

use atelier_partners::{Keeping, Waiting};
use atelier_schemas::TimeMs;
use atelier_webhooks::signature;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TAG;
use super::signed::{SignatureParams, believed};
use super::waiting::deliver;
use crate::app::Gateway;
use crate::command::{Accepted, Pending, Refusals};
use crate::extract::{KeylessParams, Terms, parse_json, read_all};
use crate::problem::{Code, Problem, Refusal};
use crate::read::store_refusal;
use crate::stamp;
use crate::validate::Check;

/// How long a carrier whose message is not taken waits before it sends it again.
const LATER_S: u32 = 60;

/// A carrier's message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"carrier": "dhl", "tracking": "JD014600003", "status": "delivered", "delivered_at": "2026-01-02T03:04:05Z"}))]
pub(crate) struct Delivery {
    /// Short name in lower case, as the order was shipped with.
    carrier: String,
    /// The carrier's number of the parcel.
    tracking: String,
    status: DeliveryStatus,
    /// RFC 3339.
    #[schema(format = "date-time")]
    delivered_at: String,
}

/// What happened to the parcel.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryStatus {
    Delivered,
}

/// A message that is kept until an order is shipped with its parcel.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kept {
    /// Of the message; a repetition of it is the same one.
    message_id: String,
    carrier: String,
    tracking: String,
    /// `waiting_for_parcel`; or `dismissed`, once somebody has found that no order will be shipped with it.
    state: &'static str,
    /// Only for a dry run: nothing was kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// For the document: what a message is answered with that has closed no order yet.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub(crate) enum Later {
    /// The order's command is durable and not decided yet: ask at `Location` later.
    Pending(Pending),
    /// No order has this parcel yet. There is no command either; the same message again tells how it stands then.
    Kept(Kept),
}

impl Delivery {
    fn checked(&self, now: TimeMs) -> Result<TimeMs, Refusal> {
        // The one status there is; another one is refused by its name while reading.
        let DeliveryStatus::Delivered = self.status;
        let mut check = Check::new();
        check.slug("carrier", &self.carrier, "dhl");
        check.text("tracking", &self.tracking, 100);
        let delivered_at = stamp::parse(&self.delivered_at);
        match delivered_at {
            None => check.fault("delivered_at", "is not a time", "Send RFC 3339, for example `2026-01-02T03:04:05Z`."),
            Some(time) if time > now.saturating_add(signature::TOLERANCE_S * 1000) => {
                check.fault("delivered_at", "is in the future", "Send the time at which the parcel was handed over.");
            }
            Some(_) => {}
        }
        check.done().map(|()| delivered_at.unwrap_or(now))
    }
}

/// Report a delivery
///
/// Where no order was shipped with the parcel yet the message is kept, and closes the order as soon as one is. The
/// carrier has nothing more to do.
#[utoipa::path(
    post, path = "/carrier/v1/deliveries", operation_id = "carrier_deliveries", tag = TAG, security(("carrier" = [])),
    params(SignatureParams, KeylessParams), request_body = Delivery,
    responses(
        (status = 200, description = "The order is closed", body = Accepted),
        (status = 401, description = "Not signed, or not as agreed", body = Problem, content_type = "application/problem+json"),
        Refusals,
        (status = 202, description = "Kept: no order has this parcel yet; or not decided within the time", body = Later),
    ),
)]
pub(crate) async fn deliveries(State(gateway): State<Gateway>, terms: Terms, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_all(&gateway, &parts.headers, body).await?;
    let now = (gateway.app.clock)();
    let message_id = believed(&gateway, &parts.headers, &body, now)?;
    let delivery: Delivery = parse_json(&body)?;
    let delivered_at = delivery.checked(now)?;
    let found = gateway.app.queries.order_by_tracking(&delivery.carrier, &delivery.tracking).await.map_err(store_refusal)?;
    let message = Waiting { carrier: delivery.carrier, message_id, tracking: delivery.tracking, delivered_at, received_at: now };
    match found {
        Some(order_id) => Ok(deliver(&gateway, order_id, &message, terms).await?.into_response()),
        None => keep(&gateway, message, terms.dry_run).await,
    }
}

/// Keeps the message for an order that is to come, or says what would come of it.
async fn keep(gateway: &Gateway, message: Waiting, dry_run: bool) -> Result<Response, Refusal> {
    let accounts = &gateway.app.accounts;
    let kept = if dry_run { accounts.would_keep_delivery(&message).await } else { accounts.keep_delivery(&message).await };
    let kept = kept.map_err(|error| {
        tracing::error!(%error, "a carrier's message cannot be kept");
        Refusal::new(Code::Unavailable, "The message cannot be kept. Nothing was accepted; send it again in a moment.").retry_after_s(2)
    })?;
    let state = match kept {
        Keeping::Waits => "waiting_for_parcel",
        Keeping::Dismissed => "dismissed",
        Keeping::Full => {
            let text = "Too many messages wait for their parcels already. Nothing was accepted; send this one again later.";
            return Err(Refusal::new(Code::Unavailable, text).retry_after_s(LATER_S));
        }
        Keeping::Other => {
            let fix = "Give each message an id of its own, and repeat it as it was.";
            return Err(Refusal::field(Code::KeyReused, "webhook-id", "was used before for another parcel or time of delivery", fix));
        }
    };
    let Waiting { carrier, message_id, tracking, .. } = message;
    let kept = Kept { message_id, carrier, tracking, state, dry_run };
    Ok((StatusCode::ACCEPTED, axum::Json(kept)).into_response())
}
