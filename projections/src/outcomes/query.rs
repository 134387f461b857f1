//! What is asked about answers.

use atelier_schemas::Outcome;
use atelier_store::{Columns, Select};
use uuid::Uuid;

use crate::{Error, Queries};

impl Queries {
    /// The first answer to a command; `None` while there is none, and a week after it (by the log's
    /// time) again.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outcome(&self, command_id: Uuid) -> Result<Option<Outcome>, Error> {
        let select = Select::text("SELECT outcome FROM outcomes WHERE ").push("command_id = ?", [command_id.into()]);
        let Some(row) = select.first(self.store.db()).await? else { return Ok(None) };
        let json = Columns::of(&row).text()?;
        serde_json::from_str(&json).map(Some).map_err(|error| Error::Broken(format!("the outcome of command {command_id}: {error}")))
    }
}
