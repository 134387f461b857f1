//! From settings to the ports: log, store, object store, policy, price book.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use atelier_blobs::Blobs;
use atelier_http::Secret;
use atelier_log::embedded::Embedded;
use atelier_log::{Log, kafka};
use atelier_partners::Accounts;
use atelier_pricing::PriceBook;
use atelier_projections::Store;
use atelier_webhooks::{Endpoints, Guard, Sender};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::Failure;
use crate::settings::{BlobsChoice, LogChoice, Settings, StoreChoice};

/// Partitions of a new embedded log: enough to keep two workers busy, few enough for one disk.
const EMBEDDED_PARTITIONS: u32 = 4;

/// How a process wants the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A role: appends and owns.
    Full,
    /// Looks only; works beside the process that has the embedded log.
    ReadOnly,
}

/// For trials: the clock of this process goes so many milliseconds ahead, or behind where negative.
const SKEW: &str = "ATELIER_CLOCK_SKEW_MS";

/// The clock of the process: the one place that asks the machine for the time of day.
pub(crate) fn clock() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    static SKEW_MS: LazyLock<i64> = LazyLock::new(skew_ms);
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64) + *SKEW_MS)
}

fn skew_ms() -> i64 {
    let Ok(text) = std::env::var(SKEW) else { return 0 };
    match text.parse() {
        Ok(skew_ms) => {
            tracing::warn!(skew_ms, "the clock of this process is wrong on purpose");
            skew_ms
        }
        Err(_) => {
            tracing::warn!("{SKEW} is no number of milliseconds; the clock is left as it is");
            0
        }
    }
}

/// The metrics of the process.
pub(crate) fn registry() -> Arc<Mutex<Registry>> {
    Arc::new(Mutex::new(Registry::default()))
}

/// Opens the log.
pub(crate) async fn log(settings: &Settings, access: Access) -> Result<Arc<dyn Log>, Failure> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || open_log(&settings, access)).await?
}

fn open_log(settings: &Settings, access: Access) -> Result<Arc<dyn Log>, Failure> {
    match &settings.log {
        LogChoice::Embedded => {
            let folder = settings.data.join("log");
            if access == Access::ReadOnly {
                return Ok(Arc::new(Embedded::open_read_only(&folder)?));
            }
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --data", folder.display()))?;
            Ok(Arc::new(Embedded::open(&folder, settings.partitions.unwrap_or(EMBEDDED_PARTITIONS))?))
        }
        LogChoice::Kafka { brokers } => {
            let config = kafka::Config {
                brokers: brokers.clone(),
                prefix: settings.topic_prefix.clone(),
                partitions: settings.partitions.unwrap_or(0),
                extra: properties(settings.kafka_properties.as_ref())?,
                ..kafka::Config::default()
            };
            Ok(Arc::new(kafka::Kafka::connect(config)?))
        }
    }
}

fn properties(file: Option<&PathBuf>) -> Result<Vec<(String, String)>, Failure> {
    let Some(path) = file else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the Kafka properties {}: {error}; correct --kafka-properties", path.display()))?;
    let mut properties = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("{}, line {}: write it as name=value", path.display(), number + 1))?;
        properties.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(properties)
}

/// Opens the store.
pub(crate) async fn store(settings: &Settings) -> Result<Store, Failure> {
    match &settings.store {
        StoreChoice::Sqlite => {
            std::fs::create_dir_all(&settings.data)
                .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --data", settings.data.display()))?;
            Ok(Store::open(&format!("sqlite:{}", settings.data.join("read-models.sqlite").display())).await?)
        }
        StoreChoice::Postgres { url } => Ok(Store::open(url).await?),
    }
}

/// Opens the partners' accounts: a file of their own, or tables of their own in the same PostgreSQL database.
pub(crate) async fn accounts(settings: &Settings) -> Result<Accounts, Failure> {
    match &settings.store {
        StoreChoice::Sqlite => {
            std::fs::create_dir_all(&settings.data)
                .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --data", settings.data.display()))?;
            Ok(Accounts::open(&format!("sqlite:{}", settings.data.join("partners.sqlite").display())).await?)
        }
        StoreChoice::Postgres { url } => Ok(Accounts::open(url).await?),
    }
}

/// Bytes for a new key or secret: the one place that asks the machine for randomness nobody can foresee.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// Opens the webhooks' store: a file of its own, or tables of their own beside the read models.
pub(crate) async fn webhooks_store(settings: &Settings) -> Result<atelier_store::Store, Failure> {
    let url = match &settings.store {
        StoreChoice::Sqlite => {
            std::fs::create_dir_all(&settings.data)
                .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --data", settings.data.display()))?;
            format!("sqlite:{}", webhooks_file(settings).display())
        }
        StoreChoice::Postgres { url } => url.clone(),
    };
    Ok(atelier_store::Store::open(&url, &atelier_webhooks::SCHEMA).await?)
}

/// The same for somebody who only looks: `None` where nothing was ever kept.
pub(crate) async fn webhooks_store_if_any(settings: &Settings) -> Result<Option<atelier_store::Store>, Failure> {
    match &settings.store {
        StoreChoice::Sqlite if !webhooks_file(settings).is_file() => Ok(None),
        StoreChoice::Sqlite | StoreChoice::Postgres { .. } => webhooks_store(settings).await.map(Some),
    }
}

/// Where that is, for people.
pub(crate) fn webhooks_place(settings: &Settings) -> String {
    match &settings.store {
        StoreChoice::Sqlite => webhooks_file(settings).display().to_string(),
        StoreChoice::Postgres { .. } => "the database given with --store".into(),
    }
}

fn webhooks_file(settings: &Settings) -> PathBuf {
    settings.data.join("webhooks.sqlite")
}

/// What webhooks are sent with.
pub(crate) fn webhooks_sender(settings: &Settings) -> Result<Sender, Failure> {
    let guard = Guard::new(settings.webhook_allow.clone());
    let Some(path) = &settings.webhook_ca else { return Ok(Sender::new(guard, &[])?) };
    let pem =
        std::fs::read(path).map_err(|error| format!("cannot read the certificates {}: {error}; correct --webhook-ca", path.display()))?;
    Ok(Sender::new(guard, &pem).map_err(|error| format!("the certificates {}: {error}; correct --webhook-ca", path.display()))?)
}

/// What partners may do with their endpoints.
pub(crate) fn endpoints(settings: &Settings, store: atelier_store::Store, log: Option<Arc<dyn Log>>) -> Result<Endpoints, Failure> {
    // A system without randomness costs the one request that wanted a secret, as any defect does.
    let draw = || random_bytes().expect("the system gives random bytes");
    Ok(Endpoints::new(store, webhooks_sender(settings)?, clock(), Arc::new(Uuid::now_v7), Arc::new(draw), log))
}

/// Opens the object store.
pub(crate) fn blobs(settings: &Settings) -> Result<Blobs, Failure> {
    match settings.blobs {
        BlobsChoice::File => Ok(Blobs::local(&settings.data.join("blobs"))?),
    }
}

/// The price book.
pub(crate) fn price_book(settings: &Settings) -> Result<Arc<PriceBook>, Failure> {
    Ok(Arc::new(match &settings.price_book {
        Some(path) => PriceBook::load(path)?,
        None => PriceBook::builtin(),
    }))
}

/// Where the engine keeps the index of ended orders: scratch space.
pub(crate) fn scratch(settings: &Settings) -> PathBuf {
    settings.data.join("scratch")
}

/// The secret shared with the carrier, from the environment or a file.
pub(crate) fn carrier_secret(settings: &Settings) -> Result<Option<Secret>, Failure> {
    let (text, place) = match &settings.carrier_secret_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the carrier's secret {}: {error}; correct --carrier-secret-file", path.display()))?;
            (text, path.display().to_string())
        }
        None => match std::env::var("ATELIER_CARRIER_SECRET") {
            Ok(text) if !text.is_empty() => (text, "ATELIER_CARRIER_SECRET".to_owned()),
            _ => return Ok(None),
        },
    };
    Ok(Some(Secret::parse(&text).map_err(|error| format!("the carrier's secret in {place}: {error}"))?))
}
