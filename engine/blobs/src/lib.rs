//! The object store: bytes of models and previews, by their hash, and checkpoints of the engine, by name.
//!
//! * A model lies at `models/<sha256>`. Its address is its content, so it is written once and never
//!   changes; writing it again writes the same bytes (and mends a damaged object).
//! * A preview lies at `previews/<sha256 of the model>.png`. It can be drawn again at any time.
//! * A checkpoint of the engine lies at `checkpoints/<its name>`. It can be made again from the log at any time.
//! * `incoming/` holds uploads too long for one piece until their hash is known.
//!
//! Nothing is confirmed before it is durable: the local store flushes the file and its folder.
//! No object is longer than [`MAX_OBJECT_BYTES`]; a longer one is refused in both directions.

mod address;
mod checkpoint;
mod error;
mod local;
mod upload;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};

pub use error::{Error, PutError};

/// The longest object this store takes or gives back, whatever a caller's own limit.
pub const MAX_OBJECT_BYTES: u64 = 256 << 20;
/// Longer than this, hashing leaves the threads that serve requests alone.
const HASH_INLINE_BYTES: usize = 256 << 10;

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The address: lower-case hex of the SHA-256 of the bytes.
    pub sha256: String,
    /// Length of the bytes.
    pub size_bytes: u64,
}

/// The object store. Clones share it.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

impl Blobs {
    /// Files under `dir`, which is created. Removes what crashed uploads left there more than a day ago.
    /// Several processes may share the folder.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder cannot be created or written to.
    pub fn local(dir: &Path) -> Result<Self, Error> {
        Ok(Self { store: Arc::new(local::open(dir)?) })
    }

    /// In memory, for tests.
    pub fn in_memory() -> Self {
        Self { store: Arc::new(InMemory::new()) }
    }

    /// Stores a body of unknown length under its hash, at most `limit_bytes` of it. One upload holds at
    /// most one part (5 MiB) and one chunk in memory. On any failure nothing stays behind.
    ///
    /// # Errors
    /// [`PutError::TooLarge`] as soon as the limit is passed, [`PutError::Upload`] when the body breaks
    /// off, [`PutError::Store`] when it cannot be stored.
    pub async fn put_stream<S, E>(&self, stream: S, limit_bytes: u64) -> Result<Stored, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    {
        upload::receive(&self.store, stream, limit_bytes.min(MAX_OBJECT_BYTES)).await
    }

    /// Stores bytes under their hash.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::Unavailable`] when they cannot be stored.
    pub async fn put(&self, bytes: Bytes) -> Result<Stored, Error> {
        let size_bytes = within_limit(bytes.len() as u64)?;
        let sha256 = hash(bytes.clone()).await?;
        self.store.put(&address::model(&sha256)?, PutPayload::from_bytes(bytes)).await.map_err(|e| Error::from_store(e, &sha256))?;
        Ok(Stored { sha256, size_bytes })
    }

    /// The bytes at `sha256`, checked against it.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`], [`Error::NotFound`], [`Error::Corrupt`], [`Error::TooLarge`] or
    /// [`Error::Unavailable`].
    pub async fn get(&self, sha256: &str) -> Result<Bytes, Error> {
        let bytes = self.read(&address::model(sha256)?, sha256).await?;
        if hash(bytes.clone()).await? == sha256 { Ok(bytes) } else { Err(Error::Corrupt { sha256: sha256.to_owned() }) }
    }

    /// Stores the picture of a model; replaces an older one.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`], [`Error::TooLarge`] or [`Error::Unavailable`].
    pub async fn put_preview(&self, model_sha256: &str, png: Bytes) -> Result<(), Error> {
        within_limit(png.len() as u64)?;
        let at = address::preview(model_sha256)?;
        self.store.put(&at, PutPayload::from_bytes(png)).await.map_err(|e| Error::from_store(e, model_sha256))?;
        Ok(())
    }

    /// The picture of a model, if one was stored.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`], [`Error::TooLarge`] or [`Error::Unavailable`].
    pub async fn get_preview(&self, model_sha256: &str) -> Result<Option<Bytes>, Error> {
        match self.read(&address::preview(model_sha256)?, model_sha256).await {
            Ok(png) => Ok(Some(png)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a picture of the model is stored.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] or [`Error::Unavailable`].
    pub async fn has_preview(&self, model_sha256: &str) -> Result<bool, Error> {
        match self.store.head(&address::preview(model_sha256)?).await.map_err(|e| Error::from_store(e, model_sha256)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, at: &object_store::path::Path, sha256: &str) -> Result<Bytes, Error> {
        let found = self.store.get(at).await.map_err(|e| Error::from_store(e, sha256))?;
        within_limit(found.meta.size)?;
        found.bytes().await.map_err(|e| Error::from_store(e, sha256))
    }
}

fn within_limit(size_bytes: u64) -> Result<u64, Error> {
    if size_bytes > MAX_OBJECT_BYTES {
        return Err(Error::TooLarge { size_bytes, limit_bytes: MAX_OBJECT_BYTES });
    }
    Ok(size_bytes)
}

/// Lower-case hex of the SHA-256.
async fn hash(bytes: Bytes) -> Result<String, Error> {
    if bytes.len() <= HASH_INLINE_BYTES {
        return Ok(address::hex(&Sha256::digest(&bytes)));
    }
    tokio::task::spawn_blocking(move || address::hex(&Sha256::digest(&bytes)))
        .await
        .map_err(|error| Error::Unavailable(format!("hashing was interrupted: {error}")))
}

#[cfg(test)]
mod tests;
