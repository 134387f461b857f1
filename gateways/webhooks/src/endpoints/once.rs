//! An endpoint that is made once, however often it is asked for: under an idempotency key.
//!
//! Its id follows from partner and key, so a repetition finds it. Whoever repeats has lost the answer, and with it the
//! secret; so the secret is shown again for an hour, unless another has taken its place. After that a key that leaks from
//! a script's source may not bring to light, unnoticed, what messages are signed with: changing the secret can be seen.

use atelier_store::{Columns, Select};
use uuid::Uuid;

use super::{Endpoints, Wish, select_one};
use crate::{Endpoint, Refused, Secret};

/// Namespace of the ids of endpoints made under a key. Never changes: it would make a repetition a second endpoint.
const NAMESPACE: Uuid = Uuid::from_u128(0x3d0e_92c4_71fa_4b60_9d25_b8a1_6c3f_5e07);
/// How long a repetition is shown the secret.
const SHOWN_AGAIN_MS: i64 = 60 * 60 * 1000;

/// An endpoint that was asked for under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// As it is now.
    pub endpoint: Endpoint,
    /// What its messages are signed with, while it may be shown.
    pub secret: Option<Secret>,
    /// It was made before, by the same request.
    pub repeated: bool,
}

impl Endpoints {
    /// As [`Endpoints::create`], once per partner and key for as long as the endpoint is not deleted.
    ///
    /// # Errors
    /// Those of [`Endpoints::create`]; [`Refused::OtherRequest`] when the key was used with another wish.
    pub async fn create_once(&self, partner: &str, key: &str, wish: Wish) -> Result<Made, Refused> {
        let id = Uuid::new_v5(&NAMESPACE, format!("{partner}\0{key}").as_bytes());
        let request = fingerprint(id, &wish);
        // Before anything is looked up for the wish: a repetition is answered though its host does not resolve just now.
        if let Some(made) = self.made(partner, id, &request).await? {
            return Ok(made);
        }
        match self.create_as(partner, id, Some(&request), wish).await? {
            Some((endpoint, secret)) => Ok(Made { endpoint, secret: Some(secret), repeated: false }),
            // The same request was faster, over another connection.
            None => self.made(partner, id, &request).await?.ok_or(Refused::Unknown),
        }
    }

    /// What came of the request before, if it came.
    async fn made(&self, partner: &str, id: Uuid, request: &str) -> Result<Option<Made>, Refused> {
        let select = Select::text("SELECT request, secret, old_until, created_at FROM webhook_endpoints WHERE ");
        let select = select.push("partner = ? AND endpoint_id = ?", [partner.into(), id.into()]);
        let Some(row) = select.first(&self.store).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let (asked, secret, old_until, created_at) = (columns.optional_text()?, columns.text()?, columns.optional_int()?, columns.int()?);
        if asked.as_deref() != Some(request) {
            return Err(Refused::OtherRequest);
        }
        let now = (self.clock)();
        let shown = old_until.is_none() && now.saturating_sub(created_at) < SHOWN_AGAIN_MS;
        let secret = if shown { Some(Secret::stored(&secret)?) } else { None };
        let row = select_one(partner, id).first(&self.store).await?.ok_or(Refused::Unknown)?;
        Ok(Some(Made { endpoint: Endpoint::read(&row, now)?, secret, repeated: true }))
    }
}

/// The wish in a few bytes, as it was asked.
fn fingerprint(id: Uuid, wish: &Wish) -> String {
    let Wish { url, events, description, enabled } = wish;
    let parts = serde_json::to_vec(&(url, events, description, enabled)).unwrap_or_default();
    Uuid::new_v5(&id, &parts).to_string()
}
