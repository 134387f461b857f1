//! The body of a new order, as JSON or in parts.

use atelier_blobs::Stored;
use atelier_partners::Caller;
use atelier_projections::feed::Known;
use atelier_schemas::{Customer, Item, Model, Money};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::gauge::{BETWEEN_MAX_BYTES, Gauge};
use super::guard::accounts_away;
use super::parts::check_reference;
use super::quota::known_or_room;
use crate::app::Gateway;
use crate::extract::{announced_bytes, object, optional_object, parse_json, read_within};
use crate::item::{NewCustomer, NewItem};
use crate::money::MoneyBody;
use crate::problem::{Code, Refusal};
use crate::upload::{self, format_of_media};
use crate::validate::Check;

/// The largest file in base64; a larger one is sent as a part of its own, or before the order.
pub(super) const INLINE_MAX_BYTES: usize = 1024 * 1024;
/// The largest JSON body: that file in base64, and the rest of the order.
pub(super) const BODY_MAX_BYTES: usize = INLINE_MAX_BYTES / 3 * 4 + 64 * 1024;
const FORMATS: [&str; 3] = ["stl", "obj", "3mf"];
/// The longest `Content-Type` of parts; of it a boundary has 70 characters at most (RFC 2046). What is searched for with
/// every chunk is made of it anew.
const PARTS_TYPE_MAX: usize = 200;

/// An order of a partner, in one call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reference": "PO-2026-0017",
    "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
    "model": {"upload_id": "0190a7f0-0000-5000-8000-000000000001"},
    "terms": {"approve": "at_once", "max_price": {"amount": "250.00", "currency": "EUR"}}
}))]
pub(crate) struct PartnerOrderBody {
    /// The partner's own name for the order, 1 to 100 characters. The same reference is the same order for ever.
    #[schema(min_length = 1, max_length = 100)]
    reference: String,
    /// Personal data; left out when the partner keeps it.
    #[serde(default, deserialize_with = "optional_object")]
    customer: Option<NewCustomer>,
    #[serde(deserialize_with = "object")]
    item: NewItem,
    /// Left out where the file comes as a part of its own.
    #[serde(default, deserialize_with = "optional_object")]
    model: Option<ModelBody>,
    /// Who approves the price; `quote` when left out.
    #[serde(default, deserialize_with = "optional_object")]
    terms: Option<TermsBody>,
}

/// A file: by the id of an upload, or in base64 with its format.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PartnerModel)]
pub(crate) struct ModelBody {
    /// From `POST /partner/v1/uploads`.
    #[serde(default)]
    upload_id: Option<Uuid>,
    /// The file itself, at most 1048576 bytes before encoding.
    #[serde(default)]
    base64: Option<String>,
    /// `stl`, `obj` or `3mf`; with `base64`.
    #[serde(default)]
    format: Option<String>,
}

/// Who approves the price.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PartnerTerms)]
struct TermsBody {
    approve: Approve,
    /// The highest price that is approved; for the whole order. With `at_once` only.
    #[serde(default, deserialize_with = "optional_object")]
    max_price: Option<MoneyBody>,
}

/// When the price is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Approve {
    /// The order stays at its price until `POST …/accept`.
    Quote,
    /// Any price up to `max_price` is approved the moment it is calculated. A higher one waits like a quote, and so does one
    /// that comes with warnings, as of a file that is not watertight.
    AtOnce,
}

/// An order in parts; for the document.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct PartnerOrderParts {
    /// The same as the JSON body, without `model`; first.
    order: PartnerOrderBody,
    /// The file, with its media type: `model/stl`, `model/obj` or `model/3mf`.
    #[schema(value_type = String, format = Binary)]
    model: Vec<u8>,
}

/// An order as it was asked for, checked; its file is stored (or, for a dry run, measured).
pub(super) struct NewOrder {
    pub(super) reference: String,
    pub(super) customer: Option<Customer>,
    pub(super) item: Item,
    pub(super) model: Model,
    /// Prices up to this one are approved.
    pub(super) approve_up_to: Option<Money>,
}

/// What of the body needs no file.
struct Checked {
    reference: String,
    customer: Option<Customer>,
    item: Item,
    approve_up_to: Option<Money>,
    model: Option<ModelBody>,
}

impl PartnerOrderBody {
    fn checked(self) -> Result<Checked, Refusal> {
        let mut check = Check::new();
        check_reference(&mut check, "reference", &self.reference);
        if let Some(customer) = &self.customer {
            customer.check(&mut check);
        }
        self.item.check(&mut check);
        let approve_up_to = self.terms.and_then(|terms| match (terms.approve, terms.max_price) {
            (Approve::AtOnce, Some(price)) => price.checked("terms.max_price", &mut check),
            (Approve::AtOnce, None) => {
                check.fault("terms.max_price", "is missing", "Say up to which price the order is approved, or send `quote`.");
                None
            }
            (Approve::Quote, Some(_)) => {
                check.fault("terms.max_price", "goes with `at_once` only", "Leave it out, or send `\"approve\": \"at_once\"`.");
                None
            }
            (Approve::Quote, None) => None,
        });
        check.done()?;
        let Self { reference, customer, item, model, .. } = self;
        Ok(Checked { reference, customer: customer.map(Customer::from), item: item.into(), approve_up_to, model })
    }
}

impl Checked {
    fn with(self, stored: Stored, format: &str) -> NewOrder {
        let Self { reference, customer, item, approve_up_to, model: _ } = self;
        NewOrder { reference, customer, item, model: stored_model(stored, format), approve_up_to }
    }
}

fn stored_model(stored: Stored, format: &str) -> Model {
    Model { sha256: stored.sha256, format: format.to_owned(), size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX) }
}

/// Reads the body, whichever form it has, and stores its file, once the order is known or there is room for it.
pub(super) async fn read(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    dry_run: bool,
) -> Result<(NewOrder, Option<Known>), Refusal> {
    let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => from_json(gateway, caller, request, dry_run).await,
        "multipart/form-data" => from_parts(gateway, caller, request, dry_run).await,
        _ => {
            let message = if essence.is_empty() { "is missing" } else { "is none of an order" };
            Err(Refusal::field(Code::MediaType, "Content-Type", message, "Send `application/json` or `multipart/form-data`."))
        }
    }
}

async fn from_json(gateway: &Gateway, caller: &Caller, request: Request, dry_run: bool) -> Result<(NewOrder, Option<Known>), Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = read_within(gateway, &parts.headers, body, BODY_MAX_BYTES).await?;
    let mut checked = parse_json::<PartnerOrderBody>(&bytes)?.checked()?;
    let Some(model) = checked.model.take() else {
        return Err(Refusal::field(Code::Invalid, "model", "is missing", "Send `upload_id`, or `base64` with `format`."));
    };
    let known = known_or_room(gateway, caller, &checked.reference).await?;
    let model = model_of(gateway, &caller.partner, model, dry_run).await?;
    let Checked { reference, customer, item, approve_up_to, model: _ } = checked;
    Ok((NewOrder { reference, customer, item, model, approve_up_to }, known))
}

/// The file of a JSON body: found, or stored.
pub(super) async fn model_of(gateway: &Gateway, partner: &str, model: ModelBody, dry_run: bool) -> Result<Model, Refusal> {
    let invalid = |field: &str, message: &str, fix: String| Err(Refusal::field(Code::Invalid, field, message, fix));
    match (model.upload_id, model.base64, model.format) {
        (Some(id), None, None) => {
            let upload = gateway.app.accounts.upload(partner, id, (gateway.app.clock)()).await.map_err(accounts_away)?;
            match upload {
                Some(upload) => Ok(Model { sha256: upload.sha256, format: upload.format, size_bytes: upload.size_bytes }),
                None => {
                    invalid("model.upload_id", "is no upload of yours", "Upload the file again; an upload can be used for a week.".into())
                }
            }
        }
        (None, Some(text), Some(format)) => {
            if !FORMATS.contains(&format.as_str()) {
                return invalid("model.format", "is no format of a model", format!("Send one of {}.", FORMATS.join(", ")));
            }
            let Ok(bytes) = STANDARD.decode(text.as_bytes()) else {
                return invalid("model.base64", "is not base64", "Send the standard alphabet with padding, without line breaks.".into());
            };
            if bytes.is_empty() || bytes.len() > INLINE_MAX_BYTES {
                let fix = format!("Send 1 to {INLINE_MAX_BYTES} bytes so; a larger file goes to POST /partner/v1/uploads.");
                return invalid("model.base64", "has no length that is taken", fix);
            }
            let stored = upload::keep(gateway, upload::whole(Bytes::from(bytes)), dry_run).await?;
            Ok(stored_model(stored, &format))
        }
        (None, Some(_), None) => invalid("model.format", "is missing", format!("Send one of {}.", FORMATS.join(", "))),
        _ => invalid("model", "is not one file", "Send either `upload_id`, or `base64` with `format`.".into()),
    }
}

/// The order first, so that nothing is stored for one that could not be.
async fn from_parts(gateway: &Gateway, caller: &Caller, request: Request, dry_run: bool) -> Result<(NewOrder, Option<Known>), Refusal> {
    let gauge = Gauge::default();
    let broken = |_| {
        if gauge.is_full() {
            let text = format!("{BETWEEN_MAX_BYTES} bytes came without content of a part. Send the two parts, each with short headers.");
            return Refusal::new(Code::TooLarge, text);
        }
        Refusal::new(Code::Malformed, "The parts cannot be read. Send multipart/form-data with a boundary, whole.")
    };
    let no_boundary =
        || Refusal::field(Code::Malformed, "Content-Type", "has no usable boundary", "Send multipart/form-data with its boundary.");
    let idle_limit = gateway.app.config.body_idle_limit;
    let late = |_| Refusal::new(Code::Slow, "The parts did not arrive in time. Send the request again.");
    if request.headers().get(CONTENT_TYPE).is_some_and(|media| media.len() > PARTS_TYPE_MAX) {
        return Err(no_boundary());
    }
    let announced = announced_bytes(request.headers());
    let request = request.map(|body| gauge.over(body));
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| no_boundary())?;
    let first = tokio::time::timeout(idle_limit, parts.next_field()).await.map_err(late)?.map_err(broken)?;
    let Some(mut order) = first.filter(|part| part.name() == Some("order")) else {
        return Err(Refusal::field(Code::Invalid, "order", "is not the first part", "Send the order's JSON first, the file after it."));
    };
    let collect = async {
        let limit = gateway.app.config.body_limit_bytes;
        let mut json = Vec::new();
        while let Some(chunk) = order.chunk().await.map_err(broken)? {
            gauge.came_out();
            if json.len() + chunk.len() > limit {
                return Err(Refusal::new(Code::TooLarge, format!("The part `order` is longer than the {limit} bytes taken. Shorten it.")));
            }
            json.extend_from_slice(&chunk);
        }
        Ok(json)
    };
    let json = tokio::time::timeout(idle_limit, collect).await.map_err(late)??;
    drop(order);
    let checked = parse_json::<PartnerOrderBody>(&json)?.checked()?;
    if checked.model.is_some() {
        return Err(Refusal::field(Code::Invalid, "model", "comes twice", "Leave it out of the JSON where the file is a part of its own."));
    }
    let known = known_or_room(gateway, caller, &checked.reference).await?;
    let second = tokio::time::timeout(idle_limit, parts.next_field()).await.map_err(late)?.map_err(broken)?;
    let Some(file) = second.filter(|part| part.name() == Some("model")) else {
        return Err(Refusal::field(Code::Invalid, "model", "is not the second part", "Send the file in a part named `model`."));
    };
    let format = format_of_media(file.content_type().unwrap_or_default())?;
    let file = file.map(|chunk| {
        gauge.came_out();
        chunk
    });
    let arriving = upload::arriving(gateway, announced, file).await?;
    let stored = upload::keep(gateway, arriving, dry_run).await?;
    if tokio::time::timeout(idle_limit, parts.next_field()).await.map_err(late)?.map_err(broken)?.is_some() {
        return Err(Refusal::field(Code::Invalid, "body", "has more than two parts", "Send `order` and `model` only."));
    }
    Ok((checked.with(stored, format), known))
}
