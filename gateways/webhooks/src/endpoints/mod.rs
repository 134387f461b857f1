//! What a partner may do with its endpoints. The partner is part of every condition: one never sees or
//! touches another's.
//!
//! Limits: 16 endpoints of a partner, 4 tests at a time in this process.

mod log;
mod once;
mod view;

use std::sync::Arc;

use atelier_log::Log;
use atelier_projections::Undelivered;
use atelier_projections::feed::TYPES;
use atelier_schemas::Topic;
use atelier_store::{Columns, Select, Store, Transaction, Value};
use bytes::Bytes;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use log::Resend;
pub use once::Made;
pub use view::{Deliveries, Delivery, DeliveryFilter, DeliveryState, Endpoint, State, Tested};

use crate::decide::Heard;
use crate::dispatch::Clock;
use crate::housekeeping::sweep;
use crate::ingest::offsets;
use crate::message::{TEST_TYPE, TestData, TestMessage};
use crate::send::{Answer, Message, Sender, Transport};
use crate::stamp::rfc3339;
use crate::tables::{LOCK, NEVER};
use crate::wanting::{Wishes, offsets_of};
use crate::{Error, Refused, Secret};

/// Endpoints of one partner at most.
pub const ENDPOINTS_MAX: i64 = 16;
/// Characters of a description at most.
const DESCRIPTION_MAX: usize = 200;
/// Messages of an endpoint that is deleted that go in one transaction.
const PART_MAX: i64 = 2000;
/// Tests under way in this process.
const TESTS_MAX: usize = 4;
/// How long a secret goes on to be signed with after another has taken its place, unless asked for otherwise.
pub const OVERLAP_S: i64 = 24 * 3600;
/// And at most.
const OVERLAP_MAX_S: i64 = 7 * 24 * 3600;

/// Manages endpoints. Clones share everything.
#[derive(Clone)]
pub struct Endpoints {
    store: Store,
    sender: Sender,
    clock: Clock,
    ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    /// Random bytes for secrets.
    draw: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
    tests: Arc<Semaphore>,
    log: Option<Arc<dyn Log>>,
}

/// A wish about an endpoint. What is `None` stays as it is (or has its default in a new one).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Where messages go; required in a new one.
    pub url: Option<String>,
    /// Types wanted; empty: all.
    pub events: Option<Vec<String>>,
    /// For people.
    pub description: Option<String>,
    /// Whether messages are sent.
    pub enabled: Option<bool>,
}

impl Endpoints {
    /// `draw` gives random bytes that nobody can guess. `log` tells what lies before an endpoint's time; without
    /// it that is what the role has read so far, which is less while the role is behind.
    pub fn new(
        store: Store,
        sender: Sender,
        clock: Clock,
        ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
        draw: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
        log: Option<Arc<dyn Log>>,
    ) -> Self {
        Self { store, sender, clock, ids, draw, tests: Arc::new(Semaphore::new(TESTS_MAX)), log }
    }

    /// A new endpoint: it gets what happens from now on. Its secret is shown here and never again.
    ///
    /// # Errors
    /// [`Refused::Field`], [`Refused::TooMany`], [`Refused::Store`].
    pub async fn create(&self, partner: &str, wish: Wish) -> Result<(Endpoint, Secret), Refused> {
        self.create_as(partner, (self.ids)(), None, wish).await?.ok_or(Refused::Unknown)
    }

    /// `None`: there is one of that id.
    async fn create_as(&self, partner: &str, id: Uuid, request: Option<&str>, wish: Wish) -> Result<Option<(Endpoint, Secret)>, Refused> {
        let url = wish.url.as_deref().ok_or_else(|| field("url", "is missing", "Send the address that messages are to go to."))?;
        let url = self.url(url).await?;
        let events = types(wish.events.as_deref().unwrap_or_default())?;
        let description = described(wish.description.as_deref().unwrap_or_default())?;
        let enabled = wish.enabled.unwrap_or(true);
        let (secret, now) = (Secret::of((self.draw)()), (self.clock)());
        let ends = self.ends().await?;
        let mut transaction = self.begin().await?;
        if select_one(partner, id).first_in(&mut transaction).await?.is_some() {
            return Ok(None);
        }
        let select = Select::text("SELECT COUNT(*) FROM webhook_endpoints WHERE ").push("partner = ?", [partner.into()]);
        let row = select.first_in(&mut transaction).await?;
        if row.map(|row| Columns::of(&row).int()).transpose()?.unwrap_or(0) >= ENDPOINTS_MAX {
            return Err(Refused::TooMany(ENDPOINTS_MAX));
        }
        let from = unread(&mut transaction, ends).await?;
        let taken = last_number(&mut transaction).await?;
        const INSERT: &str = "INSERT INTO webhook_endpoints (endpoint_id, partner, url, events, events_from, description, secret, enabled, \
            disabled_at, disabled_why, created_at, failures, opened, ready_at, request, taken) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, $12, $13, $14)";
        let values: [Value; 14] = [
            id.into(),
            partner.into(),
            url.as_str().into(),
            events.as_str().into(),
            from.as_str().into(),
            description.as_str().into(),
            secret.reveal().as_str().into(),
            enabled.into(),
            (!enabled).then_some(now).into(),
            (!enabled).then_some(BY_PARTNER).into(),
            now.into(),
            NEVER.into(),
            request.into(),
            taken.into(),
        ];
        transaction.execute(INSERT, values).await?;
        let endpoint = self.found(&mut transaction, partner, id).await?;
        transaction.commit().await?;
        Ok(Some((endpoint, secret)))
    }

    /// All endpoints of a partner, the oldest first.
    ///
    /// # Errors
    /// [`Refused::Store`].
    pub async fn list(&self, partner: &str) -> Result<Vec<Endpoint>, Refused> {
        let select = Select::text("SELECT ").push(view::COLUMNS, []).push(" FROM webhook_endpoints WHERE partner = ?", [partner.into()]);
        let rows = select.push(" ORDER BY created_at, endpoint_id LIMIT ?", [ENDPOINTS_MAX.into()]).all(&self.store).await?;
        Ok(rows.iter().map(|row| Endpoint::read(row, (self.clock)())).collect::<Result<_, _>>()?)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Store`].
    pub async fn get(&self, partner: &str, id: Uuid) -> Result<Endpoint, Refused> {
        let row = select_one(partner, id).first(&self.store).await?.ok_or(Refused::Unknown)?;
        Ok(Endpoint::read(&row, (self.clock)())?)
    }

    /// Changes what is wished. Enabling sends what has waited, from the first on.
    ///
    /// # Errors
    /// As [`Endpoints::create`]; [`Refused::Unknown`].
    pub async fn update(&self, partner: &str, id: Uuid, wish: Wish) -> Result<Endpoint, Refused> {
        let url = match &wish.url {
            Some(url) => Some(self.url(url).await?),
            None => None,
        };
        let events = wish.events.as_deref().map(types).transpose()?;
        let description = wish.description.as_deref().map(described).transpose()?;
        let now = (self.clock)();
        let mut transaction = self.begin().await?;
        let before = self.found(&mut transaction, partner, id).await?;
        if events.is_some() {
            const TYPES: &str = "UPDATE webhook_endpoints SET events = $1, events_from = $2, wanted_before = $3 \
                WHERE endpoint_id = $4 AND events <> $1";
            let select = Select::text("SELECT events_from, taken, events, events_from, wanted_before FROM webhook_endpoints WHERE ");
            let row = select.push("endpoint_id = ?", [id.into()]).first_in(&mut transaction).await?.ok_or(Refused::Unknown)?;
            let mut columns = Columns::of(&row);
            // What is not read yet goes by the new types: by the old ones it would be gone.
            let from = unread(&mut transaction, offsets_of(&columns.text()?)).await?;
            let (taken, wishes) = (columns.int()?, Wishes::read(&mut columns)?);
            let before = wishes.kept(taken, last_number(&mut transaction).await?).ok_or_else(|| {
                const FIX: &str = "Enable the endpoint and let it take what waits, or make another endpoint.";
                field("events", "was changed too often while messages wait", FIX)
            })?;
            transaction.execute(TYPES, [events.as_deref().into(), from.as_str().into(), before.as_str().into(), id.into()]).await?;
        }
        const SET: &str =
            "UPDATE webhook_endpoints SET url = COALESCE($1, url), description = COALESCE($2, description) WHERE endpoint_id = $3";
        transaction.execute(SET, [url.as_deref().into(), description.as_deref().into(), id.into()]).await?;
        match wish.enabled {
            Some(true) => enable(&mut transaction, id, now).await?,
            Some(false) if before.enabled => disable(&mut transaction, id, now).await?,
            // Somewhere else: what failed before says nothing of it.
            _ if before.enabled && url.as_deref().is_some_and(|url| url != before.url) => enable(&mut transaction, id, now).await?,
            _ => {}
        }
        let endpoint = self.found(&mut transaction, partner, id).await?;
        transaction.commit().await?;
        Ok(endpoint)
    }

    /// Removes an endpoint, its messages and its log. One under way may still arrive. Where there are many, it is
    /// disabled first and they go in parts; a call that broke off is repeated.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Store`].
    pub async fn delete(&self, partner: &str, id: Uuid) -> Result<(), Refused> {
        const PART: &str = "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND number IN \
            (SELECT number FROM webhook_deliveries WHERE endpoint_id = $1 ORDER BY number LIMIT $2)";
        const HEADS: &str = "DELETE FROM webhook_heads WHERE endpoint_id = $1 AND order_id IN \
            (SELECT order_id FROM webhook_heads WHERE endpoint_id = $1 LIMIT $2)";
        const NOTHING: &str = "UPDATE webhook_endpoints SET taken = (SELECT last FROM webhook_numbers) WHERE endpoint_id = $1";
        const ENDPOINT: &str = "DELETE FROM webhook_endpoints WHERE endpoint_id = $1 AND partner = $2";
        loop {
            let mut transaction = self.begin().await?;
            self.found(&mut transaction, partner, id).await?;
            disable(&mut transaction, id, (self.clock)()).await?;
            // It waits for none of those that are there.
            transaction.execute(NOTHING, [id.into()]).await?;
            let heads = transaction.execute(HEADS, [id.into(), PART_MAX.into()]).await?;
            let deliveries = transaction.execute(PART, [id.into(), PART_MAX.into()]).await?;
            transaction.commit().await?;
            if heads.max(deliveries) < PART_MAX.unsigned_abs() {
                break;
            }
        }
        let mut transaction = self.begin().await?;
        // What was under way meanwhile, too.
        transaction.execute("DELETE FROM webhook_deliveries WHERE endpoint_id = $1", [id.into()]).await?;
        transaction.execute(ENDPOINT, [id.into(), partner.into()]).await?;
        transaction.commit().await?;
        Ok(sweep(&self.store, partner, i64::MIN, i64::MAX).await?)
    }

    /// Gives the endpoint another secret, shown here and never again. Messages are signed with both for
    /// `overlap_s` seconds ([`OVERLAP_S`] unless given, at most a week; 0: the old one ends now). Where an older secret is
    /// being signed with already, it is that one that stays, for as long as was said or shorter: the one in between may be
    /// of an answer that was lost, and then nobody verifies with it.
    ///
    /// # Errors
    /// [`Refused::Field`], [`Refused::Unknown`], [`Refused::Store`].
    pub async fn rotate(&self, partner: &str, id: Uuid, overlap_s: Option<i64>) -> Result<(Endpoint, Secret), Refused> {
        let overlap_s = overlap_s.unwrap_or(OVERLAP_S);
        if !(0..=OVERLAP_MAX_S).contains(&overlap_s) {
            return Err(field("overlap_s", "is not taken", "Send 0 to 604800 seconds."));
        }
        let (secret, now) = (Secret::of((self.draw)()), (self.clock)());
        let mut transaction = self.begin().await?;
        self.found(&mut transaction, partner, id).await?;
        const ROTATE: &str = "UPDATE webhook_endpoints SET old_secret = CASE WHEN old_until > $1 THEN old_secret ELSE secret END, \
            old_until = CASE WHEN old_until > $1 AND old_until < $2 THEN old_until ELSE $2 END, secret = $3 WHERE endpoint_id = $4";
        let until = now + overlap_s * 1000;
        transaction.execute(ROTATE, [now.into(), until.into(), secret.reveal().as_str().into(), id.into()]).await?;
        let endpoint = self.found(&mut transaction, partner, id).await?;
        transaction.commit().await?;
        Ok((endpoint, secret))
    }

    /// Sends a message of the type `webhook.test`, signed like any other, and waits for the answer. It
    /// counts neither for nor against the endpoint.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Busy`], [`Refused::Store`].
    pub async fn test(&self, partner: &str, id: Uuid) -> Result<Tested, Refused> {
        let _place = self.tests.try_acquire().map_err(|_| Refused::Busy)?;
        let (event_id, now) = ((self.ids)(), (self.clock)());
        let select = Select::text("SELECT url, secret, old_secret, old_until FROM webhook_endpoints WHERE ");
        let select = select.push("partner = ? AND endpoint_id = ?", [partner.into(), id.into()]);
        let row = select.first(&self.store).await?.ok_or(Refused::Unknown)?;
        let mut columns = Columns::of(&row);
        let (url, secrets) = (columns.text()?, Secret::in_force(&mut columns, now)?);
        let data = TestData { event_id, endpoint_id: id };
        let body = TestMessage { event_type: TEST_TYPE.into(), timestamp: rfc3339(now), data };
        let body = Bytes::from(serde_json::to_vec(&body).expect("texts are JSON"));
        let (url, id, secrets) = (url.into(), event_id.to_string().into(), secrets.into());
        let message = Message { url, id, timestamp_s: now.div_euclid(1000), secrets, body };
        let attempt = self.sender.send(message).await;
        let delivered = Heard::of(&attempt.answer, now) == Heard::Delivered;
        let (status, error, answer) = match attempt.answer {
            Answer::Status { code, body, .. } => (Some(i64::from(code)), None, Some(body)),
            Answer::None(why) => (None, Some(why), None),
        };
        Ok(Tested { delivered, status, error, answer, duration_ms: attempt.duration_ms })
    }

    /// Whose endpoint it is, for those who may touch every partner's.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Store`].
    pub async fn partner_of(&self, id: Uuid) -> Result<String, Refused> {
        let select = Select::text("SELECT partner FROM webhook_endpoints WHERE ").push("endpoint_id = ?", [id.into()]);
        let row = select.first(&self.store).await?.ok_or(Refused::Unknown)?;
        Ok(Columns::of(&row).text()?)
    }

    /// What does not arrive; see [`crate::undelivered_or_cut`].
    ///
    /// # Errors
    /// The database.
    pub async fn undelivered(&self, late_ms: i64) -> Result<(Vec<Undelivered>, bool), Error> {
        crate::undelivered_or_cut(&self.store, (self.clock)(), late_ms).await
    }

    /// The ends of the log, by partition.
    async fn ends(&self) -> Result<Vec<u64>, Refused> {
        let Some(log) = self.log.clone() else { return Ok(Vec::new()) };
        let ends = tokio::task::spawn_blocking(move || (0..log.partitions()).map(|at| log.end(Topic::Events, at)).collect());
        let ends: Result<Vec<u64>, _> = ends.await.map_err(|error| atelier_log::Error::Unavailable(error.to_string()))?;
        Ok(ends?)
    }

    async fn begin(&self) -> Result<Transaction, Refused> {
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        Ok(transaction)
    }

    async fn found(&self, transaction: &mut Transaction, partner: &str, id: Uuid) -> Result<Endpoint, Refused> {
        let row = select_one(partner, id).first_in(transaction).await?.ok_or(Refused::Unknown)?;
        Ok(Endpoint::read(&row, (self.clock)())?)
    }

    async fn url(&self, text: &str) -> Result<String, Refused> {
        const FIX: &str = "Send an https address that can be reached from the internet, without user name, password and fragment.";
        self.sender.check(text).await.map_err(|message| field("url", message, FIX))
    }
}

/// Whoever holds the lease sees it at its next look and lets go.
async fn disable(transaction: &mut Transaction, id: Uuid, now: i64) -> Result<(), Refused> {
    const DISABLE: &str = "UPDATE webhook_endpoints SET enabled = 0, disabled_at = $1, disabled_why = $2, \
        ready_at = CASE WHEN lease IS NULL THEN $3 ELSE ready_at END WHERE endpoint_id = $4 AND enabled = 1";
    transaction.execute(DISABLE, [now.into(), BY_PARTNER.into(), NEVER.into(), id.into()]).await?;
    Ok(())
}

/// Who disabled it, when the partner did.
const BY_PARTNER: &str = "the partner disabled it";

fn field(field: &'static str, message: impl Into<String>, fix: &'static str) -> Refused {
    Refused::Field { field, message: message.into(), fix }
}

fn select_one(partner: &str, id: Uuid) -> Select {
    let select = Select::text("SELECT ").push(view::COLUMNS, []);
    select.push(" FROM webhook_endpoints WHERE partner = ? AND endpoint_id = ?", [partner.into(), id.into()])
}

/// Sends what has waited, as if nothing had failed before.
async fn enable(transaction: &mut Transaction, id: Uuid, now: i64) -> Result<(), Refused> {
    const ENABLE: &str =
        "UPDATE webhook_endpoints SET enabled = 1, disabled_at = NULL, disabled_why = NULL, enabled_at = $1 WHERE endpoint_id = $2";
    transaction.execute(ENABLE, [now.into(), id.into()]).await?;
    const HEADS: &str = "UPDATE webhook_heads SET next_at = 0, attempts = 0, first_failed_at = NULL, since = $1 WHERE endpoint_id = $2";
    transaction.execute(HEADS, [now.into(), id.into()]).await?;
    begin_anew(transaction, id).await
}

/// Closes the circuit and has what is due sent now. Whoever holds the lease learns it by the epoch.
async fn begin_anew(transaction: &mut Transaction, id: Uuid) -> Result<(), Refused> {
    const ANEW: &str = "UPDATE webhook_endpoints SET epoch = epoch + 1, failures = 0, failing_since = NULL, open_until = NULL, opened = 0, \
        paused_until = NULL, ready_at = CASE WHEN lease IS NULL THEN 0 ELSE ready_at END WHERE endpoint_id = $1";
    transaction.execute(ANEW, [id.into()]).await?;
    Ok(())
}

/// These offsets, or how far the log is read where that is more, as they stand in `events_from`.
async fn unread(transaction: &mut Transaction, mut from: Vec<u64>) -> Result<String, Refused> {
    for (partition, next) in offsets(transaction).await? {
        let at = partition as usize;
        from.resize(from.len().max(at + 1), 0);
        from[at] = from[at].max(next);
    }
    Ok(from.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
}

/// The number of the last message that there is.
async fn last_number(transaction: &mut Transaction) -> Result<i64, Refused> {
    let row = Select::text("SELECT last FROM webhook_numbers").first_in(transaction).await?;
    Ok(row.map(|row| Columns::of(&row).int()).transpose()?.unwrap_or(0))
}

fn types(wanted: &[String]) -> Result<String, Refused> {
    match wanted.iter().find(|wanted| !TYPES.contains(&wanted.as_str())) {
        None => {
            let mut wanted = wanted.to_vec();
            wanted.sort();
            wanted.dedup();
            Ok(wanted.join(" "))
        }
        Some(unknown) => {
            let shown: String = unknown.chars().take(64).collect();
            const FIX: &str = "Choose among order.created, order.status_changed, order.price_changed, order.held, order.resumed and order.amended, or none for all.";
            Err(field("events", format!("names {shown:?}, which is no type of ours"), FIX))
        }
    }
}

fn described(text: &str) -> Result<String, Refused> {
    if text.chars().count() > DESCRIPTION_MAX || text.chars().any(char::is_control) {
        return Err(field("description", "is not taken", "Send at most 200 characters on one line."));
    }
    Ok(text.trim().to_owned())
}
