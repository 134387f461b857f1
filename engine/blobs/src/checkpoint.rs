//! Checkpoints of the engine: objects by name, which are not addressed by their content. Who writes them knows how to
//! tell a damaged one.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::{Blobs, Error, address, within_limit};

impl Blobs {
    /// Stores an object under a name; replaces an older one.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::TooLarge`] or [`Error::Unavailable`].
    pub async fn put_checkpoint(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        within_limit(bytes.len() as u64)?;
        let at = address::checkpoint(name)?;
        self.store.put(&at, PutPayload::from_bytes(bytes)).await.map_err(|error| named(error, name))?;
        Ok(())
    }

    /// The bytes under a name.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::NoSuchName`], [`Error::TooLarge`] or [`Error::Unavailable`].
    pub async fn get_checkpoint(&self, name: &str) -> Result<Bytes, Error> {
        let found = self.store.get(&address::checkpoint(name)?).await.map_err(|error| named(error, name))?;
        within_limit(found.meta.size)?;
        found.bytes().await.map_err(|error| named(error, name))
    }

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// [`Error::InvalidName`] or [`Error::Unavailable`].
    pub async fn list_checkpoints(&self, folder: &str) -> Result<Vec<String>, Error> {
        let found: Vec<_> =
            self.store.list(Some(&address::checkpoint(folder)?)).try_collect().await.map_err(|error| named(error, folder))?;
        let name = |at: &Path| at.as_ref().strip_prefix(address::CHECKPOINTS)?.strip_prefix('/').map(str::to_owned);
        Ok(found.iter().filter_map(|object| name(&object.location)).collect())
    }

    /// Removes what is stored under a name, if anything is.
    ///
    /// # Errors
    /// [`Error::InvalidName`] or [`Error::Unavailable`].
    pub async fn delete_checkpoint(&self, name: &str) -> Result<(), Error> {
        match self.store.delete(&address::checkpoint(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(named(error, name)),
        }
    }
}

fn named(error: object_store::Error, name: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NoSuchName { name: name.to_owned() },
        other => Error::Unavailable(other.to_string()),
    }
}
