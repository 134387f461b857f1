//! A body of unknown length on its way into the store.
//!
//! A body that ends within one part goes straight to its address. A longer one goes part by part to a
//! key of its own in `incoming/` and is renamed once its hash is known.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Error, PutError, Stored, address};

/// One part of a long upload; S3 takes none smaller, but for the last.
pub(crate) const PART_BYTES: usize = 5 << 20;

pub(crate) async fn receive<S, E>(store: &Arc<dyn ObjectStore>, mut stream: S, limit_bytes: u64) -> Result<Stored, PutError<E>>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
{
    let mut hasher = Sha256::new();
    let mut size_bytes = 0_u64;
    let mut part = BytesMut::new();
    let mut parts: Option<Parts> = None;
    // An upload dropped on the way (here by `?`, or with the whole future) removes its own staging file.
    while let Some(chunk) = stream.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return give_up(parts, PutError::Upload(error)).await,
        };
        size_bytes += chunk.len() as u64;
        if size_bytes > limit_bytes {
            return give_up(parts, PutError::TooLarge { limit_bytes }).await;
        }
        hasher.update(&chunk);
        part.extend_from_slice(&chunk);
        while part.len() > PART_BYTES {
            let full = part.split_to(PART_BYTES).freeze();
            if let Err(error) = send(store, &mut parts, full).await {
                return give_up(parts, PutError::Store(error)).await;
            }
        }
    }
    let sha256 = address::hex(&hasher.finalize());
    let at = address::model(&sha256)?;
    match parts {
        None => {
            store.put(&at, PutPayload::from_bytes(part.freeze())).await.map_err(|e| Error::from_store(e, &sha256))?;
        }
        Some(mut upload) => match upload.finish(store, part.freeze(), &at).await {
            Ok(()) => {}
            Err(error) => return give_up(Some(upload), PutError::Store(error)).await,
        },
    }
    Ok(Stored { sha256, size_bytes })
}

/// A long upload under way.
struct Parts {
    key: Path,
    upload: Box<dyn MultipartUpload>,
}

impl Parts {
    async fn put(&mut self, part: Bytes) -> Result<(), Error> {
        // One at a time: the body is not read faster than the store writes.
        self.upload.put_part(PutPayload::from_bytes(part)).await.map_err(unavailable)
    }

    async fn finish(&mut self, store: &Arc<dyn ObjectStore>, rest: Bytes, at: &Path) -> Result<(), Error> {
        if !rest.is_empty() {
            self.put(rest).await?;
        }
        self.upload.complete().await.map_err(unavailable)?;
        let renamed = store.rename(&self.key, at).await;
        if renamed.is_err() {
            let _ = store.delete(&self.key).await;
        }
        renamed.map_err(unavailable)
    }
}

async fn send(store: &Arc<dyn ObjectStore>, parts: &mut Option<Parts>, part: Bytes) -> Result<(), Error> {
    if parts.is_none() {
        let key = address::incoming(Uuid::new_v4());
        let upload = store.put_multipart(&key).await.map_err(unavailable)?;
        *parts = Some(Parts { key, upload });
    }
    match parts {
        Some(parts) => parts.put(part).await,
        None => Ok(()),
    }
}

async fn give_up<E>(parts: Option<Parts>, why: PutError<E>) -> Result<Stored, PutError<E>> {
    if let Some(mut parts) = parts {
        // The first failure is the one to report; what cannot be removed now is swept at the next start.
        let _ = parts.upload.abort().await;
    }
    Err(why)
}

fn unavailable(error: object_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}
