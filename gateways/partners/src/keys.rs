//! Keys: made, listed, revoked, recognised.

use std::sync::PoisonError;

use atelier_store::{Columns, Row, Select, Transaction};

use crate::class::{Class, UnknownClass};
use crate::key::{Key, RANDOM_BYTES};
use crate::{Accounts, Error};

/// Keys of a partner that live at once, and as many of its sandbox: one in use, and its successor while it is put in place.
pub const LIVE_KEYS_MAX: usize = 2;
/// Keys told of at most, the newest ones.
const LISTED_MAX: i64 = 200;
/// A key's use is noted at most so often.
const NOTED_EVERY_MS: i64 = 60_000;
const NAME_MAX: usize = 40;

/// What a key opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Real orders.
    #[default]
    Live,
    /// Orders that are priced like any other and never made.
    Sandbox,
}

impl Mode {
    /// Whether it is the sandbox.
    pub const fn is_sandbox(self) -> bool {
        matches!(self, Mode::Sandbox)
    }

    /// From [`Mode::is_sandbox`].
    pub const fn of(sandbox: bool) -> Self {
        if sandbox { Mode::Sandbox } else { Mode::Live }
    }
}

/// A key just made; nobody can see it again.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: Key,
    /// Whose.
    pub partner: String,
    /// What it opens.
    pub mode: Mode,
    /// What the partner is given.
    pub class: Class,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its public id.
    pub key_id: String,
    /// Whose.
    pub partner: String,
    /// What it opens.
    pub mode: Mode,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Since when it opens nothing.
    pub revoked_at: Option<i64>,
    /// When it was last used, to the minute.
    pub used_at: Option<i64>,
}

/// Who asks, with a key that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The partner.
    pub partner: String,
    /// By which key.
    pub key_id: String,
    /// What the key opens.
    pub mode: Mode,
    /// What the partner is given; of its sandbox always [`Class::Sandbox`].
    pub class: Class,
}

const KEY: &str = "SELECT key_id, partner, sandbox, created_at, revoked_at, used_at FROM partner_keys WHERE ";

impl Accounts {
    /// Makes a key for a partner, who is made with `class` when there is none of that name; an existing one
    /// changes its class where one is given. `random` must be nobody's to foresee.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::TooManyKeys`] when [`LIVE_KEYS_MAX`] of the mode live; [`Error::Store`].
    pub async fn create_key(
        &self,
        partner: &str,
        mode: Mode,
        class: Option<Class>,
        random: &[u8; RANDOM_BYTES],
        now_ms: i64,
    ) -> Result<NewKey, Error> {
        self.make_key(partner, mode, class, None, random, now_ms).await
    }

    /// The same by a request that may come twice, because its answer was lost and with it the key, which nobody can show
    /// again. A repetition revokes the key that the request has made, and makes another.
    ///
    /// # Errors
    /// Those of [`Accounts::create_key`]; [`Error::KeyInUse`] when the key was used since, or opens something else: then the
    /// answer was not lost.
    pub async fn create_key_once(
        &self,
        partner: &str,
        mode: Mode,
        request: &str,
        random: &[u8; RANDOM_BYTES],
        now_ms: i64,
    ) -> Result<NewKey, Error> {
        self.make_key(partner, mode, None, Some(request), random, now_ms).await
    }

    async fn make_key(
        &self,
        partner: &str,
        mode: Mode,
        class: Option<Class>,
        request: Option<&str>,
        random: &[u8; RANDOM_BYTES],
        now_ms: i64,
    ) -> Result<NewKey, Error> {
        if !is_name(partner) {
            return Err(Error::Name(partner.chars().take(NAME_MAX + 1).collect()));
        }
        let key = Key::new(random);
        let mut transaction = self.store.begin().await?;
        // Two that make a key at once take turns: each sees what the other made.
        transaction.lock(&format!("partner {partner}")).await?;
        if let Some(request) = request {
            revoke_unseen(&mut transaction, partner, mode, request, now_ms).await?;
        }
        let live = live_keys(&mut transaction, partner, mode).await?;
        if live.len() >= LIVE_KEYS_MAX {
            return Err(Error::TooManyKeys { partner: partner.to_owned(), count: live.len(), ids: live.join(", ") });
        }
        let class = partner_with(&mut transaction, partner, class, now_ms).await?;
        transaction
            .execute(
                "INSERT INTO partner_keys (key_id, partner, secret_sha256, created_at, sandbox, request) VALUES ($1, $2, $3, $4, $5, $6)",
                [
                    key.id().into(),
                    partner.into(),
                    key.hash().to_hex().as_str().into(),
                    now_ms.into(),
                    mode.is_sandbox().into(),
                    request.into(),
                ],
            )
            .await?;
        transaction.commit().await?;
        Ok(NewKey { key, partner: partner.to_owned(), mode, class, created_at: now_ms })
    }

    /// Keys of a partner, or of all, the newest first, at most 200.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keys(&self, partner: Option<&str>) -> Result<Vec<KeyInfo>, Error> {
        let select = match partner {
            Some(partner) => Select::text(KEY).push("partner = ?", [partner.into()]),
            None => Select::text(KEY).push("1 = 1", []),
        };
        let rows = select.push(" ORDER BY created_at DESC, key_id LIMIT ?", [LISTED_MAX.into()]).all(&self.store).await?;
        rows.iter().map(info).collect()
    }

    /// Revokes a key of a partner, whatever it opens or, given `only`, one that opens this. It opens nothing from the
    /// return on; revoking it again changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] when the partner has none of that id; [`Error::Store`].
    pub async fn revoke_key(&self, partner: &str, key_id: &str, only: Option<Mode>, now_ms: i64) -> Result<KeyInfo, Error> {
        let mut transaction = self.store.begin().await?;
        let select = Select::text(KEY)
            .push("key_id = ? AND partner = ?", [key_id.into(), partner.into()])
            .when(" AND sandbox = ?", only.map(|mode| mode.is_sandbox().into()));
        let found = select.first_in(&mut transaction).await?;
        let known = found.ok_or_else(|| Error::UnknownKey { partner: partner.to_owned(), key_id: key_id.chars().take(40).collect() })?;
        let known = info(&known)?;
        transaction
            .execute(
                "UPDATE partner_keys SET revoked_at = $1 WHERE key_id = $2 AND partner = $3 AND revoked_at IS NULL",
                [now_ms.into(), key_id.into(), partner.into()],
            )
            .await?;
        transaction.commit().await?;
        Ok(KeyInfo { revoked_at: known.revoked_at.or(Some(now_ms)), ..known })
    }

    /// Who has this key, if it is one and lives. Notes that it was used, once a minute.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn recognise(&self, text: &str, now_ms: i64) -> Result<Option<Caller>, Error> {
        let Some(key) = Key::parse(text) else { return Ok(None) };
        let select = Select::text(
            "SELECT k.partner, k.secret_sha256, k.sandbox, p.class FROM partner_keys k JOIN partners p ON p.partner = k.partner WHERE ",
        );
        let found = select.push("k.key_id = ? AND k.revoked_at IS NULL", [key.id().into()]).first(&self.store).await?;
        let Some(row) = found else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let (partner, secret_sha256, mode, class) = (columns.text()?, columns.text()?, Mode::of(columns.flag()?), columns.text()?);
        if !key.hash().is(&secret_sha256) {
            return Ok(None);
        }
        self.note_use(key.id(), now_ms).await;
        let class = if mode.is_sandbox() { Class::Sandbox } else { known_class(&class)? };
        Ok(Some(Caller { partner, key_id: key.id().to_owned(), mode, class }))
    }

    /// Nobody is refused because this could not be noted.
    async fn note_use(&self, key_id: &str, now_ms: i64) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(key_id).is_some_and(|at| now_ms.saturating_sub(*at) < NOTED_EVERY_MS) {
                return;
            }
            noted.insert(key_id.to_owned(), now_ms);
        }
        let noting = async {
            let mut transaction = self.store.begin().await?;
            let minute = now_ms - now_ms.rem_euclid(NOTED_EVERY_MS);
            transaction
                .execute(
                    "UPDATE partner_keys SET used_at = $1 WHERE key_id = $2 AND (used_at IS NULL OR used_at < $1)",
                    [minute.into(), key_id.into()],
                )
                .await?;
            transaction.commit().await
        };
        if let Err(error) = noting.await {
            tracing::warn!(%error, key_id, "the use of a partner's key could not be noted");
        }
    }
}

/// Revokes what the request has made before, unless somebody has it.
async fn revoke_unseen(transaction: &mut Transaction, partner: &str, mode: Mode, request: &str, now_ms: i64) -> Result<(), Error> {
    let select = Select::text(KEY).push("partner = ? AND request = ? AND revoked_at IS NULL", [partner.into(), request.into()]);
    let Some(row) = select.first_in(transaction).await? else { return Ok(()) };
    let made = info(&row)?;
    if made.used_at.is_some() || made.mode != mode {
        return Err(Error::KeyInUse { key_id: made.key_id });
    }
    transaction.execute("UPDATE partner_keys SET revoked_at = $1 WHERE key_id = $2", [now_ms.into(), made.key_id.as_str().into()]).await?;
    Ok(())
}

async fn live_keys(transaction: &mut Transaction, partner: &str, mode: Mode) -> Result<Vec<String>, Error> {
    let select = Select::text("SELECT key_id FROM partner_keys WHERE ")
        .push("partner = ? AND sandbox = ?", [partner.into(), mode.is_sandbox().into()])
        .push(" AND revoked_at IS NULL ORDER BY created_at, key_id", []);
    let rows = select.all_in(transaction).await?;
    rows.iter().map(|row| Ok(Columns::of(row).text()?)).collect()
}

/// The partner is there, with this class where one is given.
async fn partner_with(transaction: &mut Transaction, partner: &str, class: Option<Class>, now_ms: i64) -> Result<Class, Error> {
    let select = Select::text("SELECT class FROM partners WHERE ").push("partner = ?", [partner.into()]);
    let before = match select.first_in(transaction).await? {
        Some(row) => Some(known_class(&Columns::of(&row).text()?)?),
        None => None,
    };
    let now = class.or(before).unwrap_or_default();
    if before != Some(now) {
        transaction
            .execute(
                "INSERT INTO partners (partner, class, created_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (partner) DO UPDATE SET class = excluded.class",
                [partner.into(), now.as_str().into(), now_ms.into()],
            )
            .await?;
    }
    Ok(now)
}

fn known_class(text: &str) -> Result<Class, Error> {
    text.parse().map_err(|error: UnknownClass| atelier_store::Error::Broken(error.to_string()).into())
}

fn info(row: &Row) -> Result<KeyInfo, Error> {
    let mut columns = Columns::of(row);
    Ok(KeyInfo {
        key_id: columns.text()?,
        partner: columns.text()?,
        mode: Mode::of(columns.flag()?),
        created_at: columns.int()?,
        revoked_at: columns.optional_int()?,
        used_at: columns.optional_int()?,
    })
}

/// Short and plain: it stands in events, metrics and tables for ever.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_MAX).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(plain)
}
