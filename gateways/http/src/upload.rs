//! Files on their way to the object store: streamed, hashed on the way, bounded in length and in time.

use std::pin::Pin;
use std::time::Duration;

use atelier_blobs::{PutError, Stored};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// The media types taken and the formats they are.
const FORMATS: [(&str, &str); 3] = [("model/stl", "stl"), ("model/obj", "obj"), ("model/3mf", "3mf")];

/// A file that arrives more slowly than this, for longer than two of its parts may take, is not waited for.
const SLOWEST_BYTES_PER_S: u64 = 64 * 1024;

/// A file as it arrives.
pub(crate) type Upload<'u> = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send + 'u>>;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BrokenOff {
    Gone,
    Slow,
    /// Each part in its time, and all of them not.
    Late,
}

/// The format that the request's `Content-Type` stands for.
///
/// # Errors
/// 415 when it is none of a model.
pub(crate) fn format_of(headers: &HeaderMap) -> Result<&'static str, Refusal> {
    format_of_media(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// The format that a media type stands for.
///
/// # Errors
/// 415 when it is none of a model.
pub(crate) fn format_of_media(given: &str) -> Result<&'static str, Refusal> {
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    FORMATS.iter().find(|(media, _)| *media == essence).map(|(_, format)| *format).ok_or_else(|| {
        let message = if essence.is_empty() { "is missing" } else { "is none of a model" };
        Refusal::field(Code::MediaType, "Content-Type", message, "Send `model/stl`, `model/obj` or `model/3mf`.")
    })
}

/// A body as it arrives: at least one byte of it, each part within its time, and all of it within that of its length,
/// which is the one `announced`, or the longest taken.
///
/// # Errors
/// 422 when it is empty, 400 or 408 when it ends before its first byte.
pub(crate) async fn arriving<'u, S, E>(gateway: &Gateway, announced: Option<u64>, chunks: S) -> Result<Upload<'u>, Refusal>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'u,
    E: Send + 'u,
{
    let (idle_limit, limit_bytes) = (gateway.app.config.body_idle_limit, gateway.app.config.upload_limit_bytes);
    let bytes = announced.unwrap_or(limit_bytes).min(limit_bytes);
    let end = Instant::now() + idle_limit * 2 + Duration::from_secs(bytes / SLOWEST_BYTES_PER_S);
    let mut upload: Upload<'u> = Box::pin(futures::stream::unfold(Some(chunks), move |chunks| async move {
        let mut chunks = chunks?;
        match timeout_at(end.min(Instant::now() + idle_limit), chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(chunks))),
            Ok(Some(Err(_))) => Some((Err(BrokenOff::Gone), None)),
            Err(_) if Instant::now() >= end => Some((Err(BrokenOff::Late), None)),
            Err(_) => Some((Err(BrokenOff::Slow), None)),
        }
    }));
    loop {
        match upload.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => return Ok(Box::pin(futures::stream::iter([Ok(bytes)]).chain(upload))),
            Some(Err(error)) => return Err(broken_off(error)),
            None => return Err(Refusal::field(Code::Invalid, "body", "is empty", "Send the bytes of the model.")),
        }
    }
}

/// Bytes that are here already.
pub(crate) fn whole(bytes: Bytes) -> Upload<'static> {
    Box::pin(futures::stream::iter([Ok(bytes)]))
}

/// Stores a file, or only says what storing it would (`dry_run`).
///
/// # Errors
/// 413 when it is too long, 400 or 408 when it breaks off, 503 when the object store is away. Nothing is
/// stored then.
pub(crate) async fn keep(gateway: &Gateway, upload: Upload<'_>, dry_run: bool) -> Result<Stored, Refusal> {
    let limit_bytes = gateway.app.config.upload_limit_bytes;
    let stored = if dry_run { measure(upload, limit_bytes).await } else { gateway.app.blobs.put_stream(upload, limit_bytes).await };
    stored.map_err(|error| match error {
        PutError::TooLarge { .. } => too_large(limit_bytes),
        PutError::Upload(error) => broken_off(error),
        PutError::Store(error) => store_away(&error),
    })
}

/// What storing would say, without storing.
async fn measure(mut upload: Upload<'_>, limit_bytes: u64) -> Result<Stored, PutError<BrokenOff>> {
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

/// The object store did not take the bytes.
pub(crate) fn store_away(error: &atelier_blobs::Error) -> Refusal {
    tracing::error!(%error, "the object store did not take a model");
    Refusal::new(Code::Unavailable, "The store of models does not take the file. Nothing was changed; send it again in a moment.")
        .retry_after_s(2)
}

pub(crate) fn too_large(limit_bytes: u64) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("The model is longer than the {limit_bytes} bytes taken. Send a coarser mesh, or binary instead of text."),
    )
}

fn broken_off(error: BrokenOff) -> Refusal {
    match error {
        BrokenOff::Gone => Refusal::new(Code::Malformed, "The upload broke off before its end. Nothing was stored; send it again."),
        BrokenOff::Slow => Refusal::new(Code::Slow, "The upload stopped arriving. Nothing was stored; send it again."),
        BrokenOff::Late => Refusal::new(Code::Slow, "The upload arrived too slowly. Nothing was stored; send it again over a faster line."),
    }
}
