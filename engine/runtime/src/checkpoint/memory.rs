//! A store in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{CheckpointStore, StoreError};

/// Objects in memory; clones are the same store. Its limit is the test that uses it.
#[derive(Clone, Default)]
pub struct InMemory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl InMemory {
    /// The objects, to look at them and to break them.
    pub fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CheckpointStore for InMemory {
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let inside = |name: &&String| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        Ok(self.objects().keys().filter(inside).cloned().collect())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.objects().get(name).cloned().ok_or_else(|| StoreError(format!("there is no {name}")))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.objects().insert(name.to_owned(), bytes);
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.objects().remove(name);
        Ok(())
    }
}
