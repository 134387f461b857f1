//! Files that partners sent before their orders.

use atelier_store::{Columns, Conflict, Select, Table};
use uuid::Uuid;

use crate::{Accounts, Error};

/// An upload can be named in an order for so long; the file itself stays where orders keep theirs.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

static UPLOADS: Table =
    Table::new("partner_uploads", &["upload_id", "partner", "sha256", "format", "size_bytes", "created_at"], 1, Conflict::Replace);

/// A file in the object store, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// UUIDv5 of partner, format and bytes: the same file sent again has the same id.
    pub upload_id: Uuid,
    /// Lower-case hex of the SHA-256 of the bytes.
    pub sha256: String,
    /// `stl`, `obj` or `3mf`.
    pub format: String,
    /// Length of the bytes.
    pub size_bytes: i64,
    /// Until when an order may name it, milliseconds since 1970.
    pub expires_at: i64,
}

impl Accounts {
    /// Notes a file of a partner. Those that nobody may name any more are forgotten on the way.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn note_upload(&self, partner: &str, sha256: String, format: &str, size_bytes: i64, now_ms: i64) -> Result<Upload, Error> {
        let upload_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("upload\0{partner}\0{format}\0{sha256}").as_bytes());
        let mut transaction = self.store.begin().await?;
        transaction
            .execute("DELETE FROM partner_uploads WHERE partner = $1 AND created_at < $2", [partner.into(), (now_ms - KEPT_MS).into()])
            .await?;
        let row = vec![upload_id.into(), partner.into(), sha256.as_str().into(), format.into(), size_bytes.into(), now_ms.into()];
        UPLOADS.write(&mut transaction, vec![row]).await?;
        transaction.commit().await?;
        Ok(Upload { upload_id, sha256, format: format.to_owned(), size_bytes, expires_at: now_ms + KEPT_MS })
    }

    /// A file of this partner; `None` for everybody else's and for one too old.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn upload(&self, partner: &str, upload_id: Uuid, now_ms: i64) -> Result<Option<Upload>, Error> {
        let select = Select::text("SELECT sha256, format, size_bytes, created_at FROM partner_uploads WHERE ")
            .push("upload_id = ? AND partner = ? AND created_at >= ?", [upload_id.into(), partner.into(), (now_ms - KEPT_MS).into()]);
        let Some(row) = select.first(&self.store).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let (sha256, format, size_bytes) = (columns.text()?, columns.text()?, columns.int()?);
        Ok(Some(Upload { upload_id, sha256, format, size_bytes, expires_at: columns.int()? + KEPT_MS }))
    }
}
