//! `PUT /shop/v1/orders/{id}/model`: the bytes of a model, streamed into the object store.

use std::pin::Pin;

use atelier_blobs::{PutError, Stored};
use atelier_schemas::{CommandData, Model};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{CHANNEL, TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, OrderId, OrderPath, Terms, announced_bytes};
use crate::problem::{Code, Refusal};

/// The media types taken and the formats they are.
const FORMATS: [(&str, &str); 3] = [("model/stl", "stl"), ("model/obj", "obj"), ("model/3mf", "3mf")];

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
    let limit_bytes = gateway.app.config.upload_limit_bytes;
    if announced_bytes(&parts.headers).is_some_and(|bytes| bytes > limit_bytes) {
        return Err(too_large(id, limit_bytes));
    }
    expect_taker(&gateway, id, &terms, format).await?;
    let upload = arriving(&gateway, id, body).await?;
    let stored = if terms.dry_run { measure(upload, limit_bytes).await } else { gateway.app.blobs.put_stream(upload, limit_bytes).await };
    let Stored { sha256, size_bytes } = stored.map_err(|error| not_stored(id, limit_bytes, error))?;
    let model = Model { sha256, format: format.to_owned(), size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX) };
    customer(&gateway, terms).send(Ask::new(id, "model", CommandData::AttachModel { model })).await
}

fn format_of(headers: &HeaderMap) -> Result<&'static str, Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    FORMATS.iter().find(|(media, _)| *media == essence).map(|(_, format)| *format).ok_or_else(|| {
        let message = if essence.is_empty() { "is missing" } else { "is none of a model" };
        Refusal::field(Code::MediaType, "Content-Type", message, "Send `model/stl`, `model/obj` or `model/3mf`.")
    })
}

/// Megabytes are not taken for an order that would refuse them. The read model says so when it knows
/// the order; else the engine is asked, dry. A repetition under a key is the engine's to recognise.
async fn expect_taker(gateway: &Gateway, id: Uuid, terms: &Terms, format: &str) -> Result<(), Refusal> {
    if terms.key.is_some() {
        return Ok(());
    }
    if let Ok(Some(order)) = gateway.app.queries.order(id).await
        && order.channel == CHANNEL
        && order.allowed_for("customer").iter().any(|action| action == "model")
    {
        return Ok(());
    }
    let model = Model { sha256: "0".repeat(64), format: format.to_owned(), size_bytes: 1 };
    let dry = Terms { dry_run: true, ..terms.clone() };
    customer(gateway, dry).send(Ask::new(id, "model", CommandData::AttachModel { model })).await.map(|_| ())
}

type Upload = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy)]
enum BrokenOff {
    Gone,
    Slow,
}

/// The body as it arrives: at least one byte of it, each part within its time.
async fn arriving(gateway: &Gateway, id: Uuid, body: Body) -> Result<Upload, Refusal> {
    let idle_limit = gateway.app.config.body_idle_limit;
    let mut upload: Upload = Box::pin(futures::stream::unfold(Some(body.into_data_stream()), move |chunks| async move {
        let mut chunks = chunks?;
        match tokio::time::timeout(idle_limit, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(chunks))),
            Ok(Some(Err(_))) => Some((Err(BrokenOff::Gone), None)),
            Err(_) => Some((Err(BrokenOff::Slow), None)),
        }
    }));
    loop {
        match upload.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => return Ok(Box::pin(futures::stream::iter([Ok(bytes)]).chain(upload))),
            Some(Err(error)) => return Err(broken_off(id, error)),
            None => return Err(Refusal::field(Code::Invalid, "body", "is empty", "Send the bytes of the model.").order(id)),
        }
    }
}

/// What storing would say, without storing.
async fn measure(mut upload: Upload, limit_bytes: u64) -> Result<Stored, PutError<BrokenOff>> {
    let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
    while let Some(bytes) = upload.next().await {
        let bytes = bytes.map_err(PutError::Upload)?;
        size_bytes += bytes.len() as u64;
        if size_bytes > limit_bytes {
            return Err(PutError::TooLarge { limit_bytes });
        }
        hasher.update(&bytes);
    }
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Stored { sha256, size_bytes })
}

fn not_stored(id: Uuid, limit_bytes: u64, error: PutError<BrokenOff>) -> Refusal {
    match error {
        PutError::TooLarge { .. } => too_large(id, limit_bytes),
        PutError::Upload(error) => broken_off(id, error),
        PutError::Store(error) => store_away(id, &error),
    }
}

/// The object store did not take the bytes.
pub(super) fn store_away(id: Uuid, error: &atelier_blobs::Error) -> Refusal {
    tracing::error!(order_id = %id, %error, "the object store did not take a model");
    Refusal::new(Code::Unavailable, "The store of models does not take the file. Nothing was changed; send it again in a moment.")
        .retry_after_s(2)
        .order(id)
}

fn too_large(id: Uuid, limit_bytes: u64) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("The model is longer than the {limit_bytes} bytes taken. Send a coarser mesh, or binary instead of text."),
    )
    .order(id)
}

fn broken_off(id: Uuid, error: BrokenOff) -> Refusal {
    match error {
        BrokenOff::Gone => Refusal::new(Code::Malformed, "The upload broke off before its end. Nothing was stored; send it again."),
        BrokenOff::Slow => Refusal::new(Code::Slow, "The upload stopped arriving. Nothing was stored; send it again."),
    }
    .order(id)
}
