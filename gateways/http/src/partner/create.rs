//! `POST /partner/v1/orders`: a new order in one call.

use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;

use super::guard::Partner;
use super::new_order::{self, PartnerOrderBody, PartnerOrderParts};
use super::parts::{Guarded, reference_reused};
use super::steps::{carry_out, order_id, request_id};
use super::{BASE, TAG, account};
use crate::app::Gateway;
use crate::command::{Accepted, Refusals};
use crate::extract::{PlainParams, Terms};
use crate::problem::{Code, Refusal};

/// Order
///
/// Creates the order, attaches the file and hands it in. The reference is the idempotency key: the same
/// reference with the same payload is the same order for ever, also after a lost answer or a crash between two
/// steps; with another payload it is refused with 422.
#[utoipa::path(
    post, path = "/partner/v1/orders", operation_id = "partner_create", tag = TAG, security(("partner" = [])),
    params(PlainParams),
    request_body(content((PartnerOrderBody = "application/json"), (PartnerOrderParts = "multipart/form-data"))),
    responses(
        (status = 201, description = "Handed in; `Location` and `ETag` are set", body = Accepted),
        (status = 200, description = "Dry run: what would happen", body = Accepted),
        Guarded,
        Refusals,
    ),
)]
pub(crate) async fn create(State(gateway): State<Gateway>, Partner(caller): Partner, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let terms = Terms::from_request_parts(&mut parts, &gateway).await?;
    if terms.expected_version.is_some() {
        let fix = "Leave it out: several commands are sent, and a new order has no version yet.";
        return Err(Refusal::field(Code::Malformed, "If-Match", "is not taken here", fix));
    }
    let (new, known) = new_order::read(&gateway, &caller, Request::from_parts(parts, body), terms.dry_run).await?;
    let order_id = order_id(&account(&caller), &new.reference);
    if known.as_ref().is_some_and(|known| known.request_id != request_id(order_id, &new)) {
        return Err(reference_reused(order_id));
    }
    Ok(carry_out(&gateway, &caller, &terms, order_id, new, known).await?.created(BASE))
}
