//! The engine's checkpoints in the object store.

use atelier_blobs::{Blobs, Error};
use atelier_runtime::checkpoint::{CheckpointStore, StoreError};
use tokio::runtime::Handle;

/// The object store, for threads of the engine, which wait for it.
pub(crate) struct InBlobs {
    blobs: Blobs,
    runtime: Handle,
}

impl InBlobs {
    /// Within a runtime, which has to live as long as the engine.
    pub(crate) fn new(blobs: Blobs) -> Self {
        Self { blobs, runtime: Handle::current() }
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        self.runtime.block_on(work).map_err(|error| StoreError(error.to_string()))
    }
}

impl CheckpointStore for InBlobs {
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.wait(self.blobs.list_checkpoints(folder))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.wait(self.blobs.get_checkpoint(name)).map(Into::into)
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.wait(self.blobs.put_checkpoint(name, bytes.into()))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.wait(self.blobs.delete_checkpoint(name))
    }
}
