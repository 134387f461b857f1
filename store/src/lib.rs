//! The seam to a database: SQLite in a file or PostgreSQL, one SQL text for both.
//!
//! SQL is kept to what both understand: `TEXT` and `BIGINT` columns, `$1` for values, `ON CONFLICT`. Flags
//! are 0 and 1, times milliseconds, ids their text. What differs between the two is in `dialect.rs`.
//!
//! The shape of it: a crate that keeps rows states its [`Schema`] (tables, and whether what is committed has
//! to outlive a power cut) and opens a [`Store`] with it. Several may share one PostgreSQL database: their
//! tables have different names and each keeps its own record of migrations. It reads with [`Select`], whose
//! rows come apart with [`Columns`], and writes in a [`Transaction`], many rows of one table with [`Table`], by
//! any other statement with [`Bulk`].
//!
//! ```no_run
//! # async fn show() -> Result<(), atelier_store::Error> {
//! use atelier_store::{Columns, Durability, Schema, Select, Store};
//! const SCHEMA: Schema = Schema {
//!     name: "ring_box",
//!     migrations: &[("rings/1", "CREATE TABLE rings (name TEXT NOT NULL PRIMARY KEY, weight_mg BIGINT NOT NULL)")],
//!     durability: Durability::Kept,
//! };
//! let store = Store::open("sqlite:/folder/rings.sqlite", &SCHEMA).await?;
//! let mut transaction = store.begin().await?;
//! transaction.execute("INSERT INTO rings (name, weight_mg) VALUES ($1, $2)", ["signet".into(), 4100.into()]).await?;
//! transaction.commit().await?;
//! let select = Select::text("SELECT name, weight_mg FROM rings WHERE ").push("weight_mg > ? ORDER BY name LIMIT 10", [4000.into()]);
//! for row in select.all(&store).await? {
//!     let mut columns = Columns::of(&row);
//!     println!("{}: {} mg", columns.text()?, columns.int()?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Limits: four connections that read and one that writes on SQLite, eight and six on PostgreSQL. Who wants
//! one more waits 2 s to read and 10 s to write, then gets [`Error::Unavailable`].
//!
//! Deliberately absent: an object mapper, joins by code, retries. A caller knows whether trying again is safe.

mod address;
mod bulk;
mod dialect;
mod error;
mod migrations;
mod select;
mod sizes;
mod store;
mod table;
mod transaction;
mod value;

pub use bulk::Bulk;
pub use dialect::Durability;
pub use error::Error;
pub use migrations::Schema;
pub use select::Select;
/// A row that was read; [`Columns`] takes it apart.
pub use sqlx::any::AnyRow as Row;
pub use store::{OPEN_LIMIT, Store};
pub use table::{Conflict, Table};
pub use transaction::Transaction;
pub use value::{Columns, Value};
