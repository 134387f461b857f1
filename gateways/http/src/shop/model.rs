//! `PUT /shop/v1/orders/{id}/model`: the bytes of a model, streamed into the object store.

use atelier_blobs::Stored;
use atelier_schemas::{CommandData, Model};
use axum::extract::{Request, State};
use uuid::Uuid;

use super::{CHANNEL, TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, OrderId, OrderPath, Terms, announced_bytes};
use crate::problem::{Code, Refusal};
use crate::upload::{self, format_of, too_large};

/// Upload an order's model
///
/// The body is the file. Whether it can be made is found out when the order is priced.
#[utoipa::path(
    put, path = "/shop/v1/orders/{id}/model", operation_id = "shop_model", tag = TAG,
    params(OrderPath, CommandParams),
    request_body(content((Vec<u8> = "model/stl"), (Vec<u8> = "model/obj"), (Vec<u8> = "model/3mf"))),
    responses(
        (status = 200, description = "Stored and attached", body = Accepted),
        Refusals,
    ),
)]
pub(crate) async fn model(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    terms: Terms,
    request: Request,
) -> Result<Settled, Refusal> {
    let (parts, body) = request.into_parts();
    let format = format_of(&parts.headers)?;
    let of_order = |refusal: Refusal| refusal.order(id);
    let limit_bytes = gateway.app.config.upload_limit_bytes;
    let announced = announced_bytes(&parts.headers);
    if announced.is_some_and(|bytes| bytes > limit_bytes) {
        return Err(of_order(too_large(limit_bytes)));
    }
    expect_taker(&gateway, id, &terms, format).await?;
    let upload = upload::arriving(&gateway, announced, body.into_data_stream()).await.map_err(of_order)?;
    let Stored { sha256, size_bytes } = upload::keep(&gateway, upload, terms.dry_run).await.map_err(of_order)?;
    let model = Model { sha256, format: format.to_owned(), size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX) };
    customer(&gateway, terms).send(Ask::new(id, "model", CommandData::AttachModel { model })).await
}

/// Megabytes are not taken for an order that would refuse them. The read model says so when it knows
/// the order; else the engine is asked, dry. A repetition under a key is the engine's to recognise, if there is such an
/// order at all.
async fn expect_taker(gateway: &Gateway, id: Uuid, terms: &Terms, format: &str) -> Result<(), Refusal> {
    if let Ok(Some(order)) = gateway.app.queries.order(id).await
        && order.channel == CHANNEL
        && (terms.key.is_some() || order.allowed_for("customer").iter().any(|action| action == "model"))
    {
        return Ok(());
    }
    let model = Model { sha256: "0".repeat(64), format: format.to_owned(), size_bytes: 1 };
    let dry = Terms { dry_run: true, ..terms.clone() };
    match customer(gateway, dry).send(Ask::new(id, "model", CommandData::AttachModel { model })).await {
        Err(refusal) if terms.key.is_none() || refusal.is(Code::UnknownOrder) => Err(refusal),
        _ => Ok(()),
    }
}
