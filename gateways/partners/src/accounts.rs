//! The tables of partners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use atelier_store::{Durability, Schema, Store};

use crate::Error;

const SCHEMA: Schema = Schema {
    name: "partners",
    migrations: &[
        ("partners/1", include_str!("migration.sql")),
        ("partners/2", include_str!("migration-2.sql")),
        ("carriers/1", include_str!("migration-3.sql")),
        ("carriers/2", include_str!("migration-4.sql")),
        ("partners/3", include_str!("migration-5.sql")),
    ],
    durability: Durability::Kept,
};

/// Partners, their keys, uploads and lane; carriers' messages that wait. Clones share the connections.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) store: Store,
    /// When this process last noted a key's use, milliseconds. As many as there are keys in use.
    pub(crate) noted: Arc<Mutex<HashMap<String, i64>>>,
}

impl Accounts {
    /// Opens `sqlite:/folder/file.sqlite` or `postgres://user:password@host:port/database` and makes the
    /// tables. The database may be that of the read models: names differ.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be opened, within 15 s.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Ok(Self { store: Store::open(url, &SCHEMA).await?, noted: Arc::default() })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Store`] within a few seconds.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.store.ping().await?)
    }
}
