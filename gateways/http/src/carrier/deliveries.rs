//! `POST /carrier/v1/deliveries`: a parcel has arrived; its order is closed.
//!
//! A message is believed when it is signed with the shared secret and recent (`signature`). A carrier
//! repeats it until it is confirmed: the command's id follows from the message's, so the repetition
//! is answered as the first was.

use atelier_schemas::{Actor, CommandData, TimeMs};
use atelier_webhooks::signature;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{BASE, TAG};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled, Surroundings, carrier_command_id};
use crate::extract::{Terms, parse_json, read_all};
use crate::problem::{Code, Problem, Refusal};
use crate::read::store_refusal;
use crate::stamp;
use crate::validate::Check;

/// The longest id of a message, in characters.
const ID_MAX: usize = 200;

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

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct SignatureParams {
    /// Id of the message, the same at every repetition.
    #[param(rename = "webhook-id")]
    id: String,
    /// Seconds since 1970, within five minutes of our time.
    #[param(rename = "webhook-timestamp")]
    timestamp: String,
    /// `v1,<base64 of HMAC-SHA256 over id.timestamp.body>`; several separated by spaces.
    #[param(rename = "webhook-signature")]
    signature: String,
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
#[utoipa::path(
    post, path = "/carrier/v1/deliveries", operation_id = "carrier_deliveries", tag = TAG, security(("carrier" = [])),
    params(SignatureParams), request_body = Delivery,
    responses(
        (status = 200, description = "The order is closed", body = Accepted),
        (status = 401, description = "Not signed, or not as agreed", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn deliveries(State(gateway): State<Gateway>, terms: Terms, request: Request) -> Result<Settled, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_all(&gateway, &parts.headers, body).await?;
    let now = (gateway.app.clock)();
    let message_id = believed(&gateway, &parts.headers, &body, now)?;
    let delivery: Delivery = parse_json(&body)?;
    let delivered_at = delivery.checked(now)?;
    let found = gateway.app.queries.order_by_tracking(&delivery.carrier, &delivery.tracking).await.map_err(store_refusal)?;
    let order_id = found.ok_or_else(|| {
        Refusal::new(
            Code::UnknownParcel,
            "No order was shipped with this carrier and tracking number. Check both; a parcel just shipped may take a moment to show, so send the message again.",
        )
    })?;
    let actor = Actor { role: "carrier".into(), name: delivery.carrier.clone() };
    let data = CommandData::DeliverOrder { carrier: delivery.carrier, tracking: delivery.tracking, delivered_at };
    let ask = Ask::new(order_id, "deliver", data).with_command_id(carrier_command_id(order_id, &message_id));
    Surroundings { gateway: &gateway, base: BASE, actor, terms }.send(ask).await
}

/// The id of the message, when it is believed.
fn believed(gateway: &Gateway, headers: &HeaderMap, body: &[u8], now: TimeMs) -> Result<String, Refusal> {
    let Some(secret) = &gateway.app.config.carrier_secret else {
        return Err(Refusal::new(
            Code::Unauthenticated,
            "No secret is agreed with a carrier here, so no delivery can be believed. Configure the carrier's secret first.",
        )
        .challenge("webhook-signature"));
    };
    let refused =
        |field: &str, message: &str, fix: &str| Refusal::field(Code::Unauthenticated, field, message, fix).challenge("webhook-signature");
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        value.ok_or_else(|| refused(name, "is missing", "Sign the message as the Standard Webhooks specification has it."))
    };
    let id = header("webhook-id")?;
    if id.len() > ID_MAX {
        return Err(refused("webhook-id", "is too long", "Send at most 200 characters."));
    }
    let timestamp = header("webhook-timestamp")?;
    let timestamp: i64 = timestamp.parse().map_err(|_| refused("webhook-timestamp", "is not a number", "Send seconds since 1970."))?;
    match signature::verify(secret, id, timestamp, body, header("webhook-signature")?, now.div_euclid(1000)) {
        Ok(()) => Ok(id.to_owned()),
        Err(error @ signature::Error::Time) => Err(refused(
            "webhook-timestamp",
            &error.to_string(),
            "Sign the message when you send it, also at a repetition, and keep your clock right.",
        )),
        Err(error @ signature::Error::Signature) => Err(refused(
            "webhook-signature",
            &error.to_string(),
            "Sign `id.timestamp.body` with the agreed secret, HMAC-SHA256, base64, after `v1,`.",
        )),
    }
}
