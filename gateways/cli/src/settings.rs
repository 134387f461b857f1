//! Settings that every role shares.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where things are.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Settings file with the same keys as the flags [default: atelier.toml, where there is one]
    #[arg(long, env = "ATELIER_CONFIG", global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the embedded log, the SQLite store, model files and scratch space
    #[arg(long, env = "ATELIER_DATA", global = true, default_value = "./data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Whether somebody chose that folder, be it the one that is taken anyway
    #[arg(skip)]
    pub(crate) data_given: bool,
    /// The log: embedded, or kafka://host:port,host:port
    #[arg(long, env = "ATELIER_LOG", global = true, default_value = "embedded", value_name = "LOG")]
    pub(crate) log: LogChoice,
    /// The read models: sqlite, or postgres://user@host/database
    #[arg(long, env = "ATELIER_STORE", global = true, default_value = "sqlite", hide_env_values = true, value_name = "STORE")]
    pub(crate) store: StoreChoice,
    /// Model files, previews and checkpoints: file (in the data folder)
    #[arg(long, env = "ATELIER_BLOBS", global = true, default_value = "file", value_name = "BLOBS")]
    pub(crate) blobs: BlobsChoice,
    /// Events of a partition from one checkpoint in the object store to the next; 0: none are made or used
    #[arg(long, env = "ATELIER_CHECKPOINT_EVERY", global = true, default_value_t = 200_000, value_name = "EVENTS")]
    pub(crate) checkpoint_every: u64,
    /// Put before every Kafka topic, group and transactional id
    #[arg(long, env = "ATELIER_TOPIC_PREFIX", global = true, default_value = "", value_name = "PREFIX")]
    pub(crate) topic_prefix: String,
    /// Partitions of a new log; fixed for its life [default: 4, or as the log has them]
    #[arg(long, env = "ATELIER_PARTITIONS", global = true, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    pub(crate) partitions: Option<u32>,
    /// File with Kafka client properties, one `name=value` a line: TLS, SASL
    #[arg(long, env = "ATELIER_KAFKA_PROPERTIES", global = true, value_name = "FILE")]
    pub(crate) kafka_properties: Option<PathBuf>,
    /// A stable name of this process; one that comes back under its name resumes at once
    #[arg(long, env = "ATELIER_INSTANCE", global = true, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Policy file (JSON): deadlines, attempts, what is made [default: built in]
    #[arg(long, env = "ATELIER_POLICY", global = true, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Price book file (JSON) [default: built in]
    #[arg(long, env = "ATELIER_PRICE_BOOK", global = true, value_name = "FILE")]
    pub(crate) price_book: Option<PathBuf>,
    /// File with the secret shared with the carrier (or the variable ATELIER_CARRIER_SECRET holds it)
    #[arg(long, env = "ATELIER_CARRIER_SECRET_FILE", global = true, value_name = "FILE")]
    pub(crate) carrier_secret_file: Option<PathBuf>,
    /// Networks that webhooks may call although they are not public, comma separated: 127.0.0.0/8
    ///
    /// Also without TLS. Everything else that is not public is refused, whatever a name resolves to.
    #[arg(long, env = "ATELIER_WEBHOOK_ALLOW", global = true, value_delimiter = ',', value_name = "CIDR")]
    pub(crate) webhook_allow: Vec<atelier_webhooks::Net>,
    /// File with certificates (PEM) that webhooks trust beside Mozilla's
    #[arg(long, env = "ATELIER_WEBHOOK_CA", global = true, value_name = "FILE")]
    pub(crate) webhook_ca: Option<PathBuf>,
    /// A message that has been on its way to a partner for so many seconds is a gap
    #[arg(long, env = "ATELIER_WEBHOOK_LATE_S", global = true, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..), value_name = "S")]
    pub(crate) webhook_late_s: u32,
    /// How many seconds a caller waits for the decision on a command before the answer is 202
    #[arg(long, env = "ATELIER_DECIDE_WITHIN_S", global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300), value_name = "S")]
    pub(crate) decide_within_s: u32,
    /// Where partners reach this house; comes before the links in webhooks
    #[arg(long, env = "ATELIER_PUBLIC_URL", global = true, default_value = "", value_name = "URL")]
    pub(crate) public_url: String,
    /// Send traces there (OTLP over HTTP), for example http://127.0.0.1:4318
    #[arg(long, env = "ATELIER_OTLP", global = true, hide_env_values = true, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// How log lines look
    #[arg(long, env = "ATELIER_LOG_FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

impl Settings {
    /// `--webhook-late-s` in milliseconds.
    pub(crate) fn webhook_late_ms(&self) -> i64 {
        i64::from(self.webhook_late_s) * 1000
    }
}

/// Which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogChoice {
    /// SQLite in the data folder.
    Embedded,
    /// Apache Kafka.
    Kafka {
        /// `host:port`, comma separated.
        brokers: String,
    },
}

impl std::str::FromStr for LogChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(LogChoice::Embedded);
        }
        let brokers = text.strip_prefix("kafka://").ok_or("use `embedded` or `kafka://host:port,host:port`")?;
        let sound = |broker: &str| {
            broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
        };
        match brokers.split(',').find(|broker| !sound(broker)) {
            None => Ok(LogChoice::Kafka { brokers: brokers.to_owned() }),
            Some(broker) => Err(format!("{broker:?} is not host:port; use for example `kafka://k1:9092,k2:9092`")),
        }
    }
}

/// Which store. Its `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreChoice {
    /// A file in the data folder.
    Sqlite,
    /// PostgreSQL.
    Postgres {
        /// May hold a password.
        url: String,
    },
}

impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreChoice::Sqlite => "Sqlite",
            StoreChoice::Postgres { .. } => "Postgres",
        })
    }
}

impl std::str::FromStr for StoreChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "sqlite" {
            Ok(StoreChoice::Sqlite)
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Ok(StoreChoice::Postgres { url: text.to_owned() })
        } else {
            // Without the value, which may hold a password.
            Err("it is not `sqlite` and does not begin with `postgres://`; use `sqlite` or `postgres://user@host:port/database`".into())
        }
    }
}

/// Which object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlobsChoice {
    /// Files in the data folder.
    File,
}

impl std::str::FromStr for BlobsChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(BlobsChoice::File),
            text if text.starts_with("s3://") => Err("this version keeps model files in the data folder only; use `file`".into()),
            _ => Err("use `file`".into()),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_say_what_they_take() {
        assert_eq!("embedded".parse(), Ok(LogChoice::Embedded));
        assert_eq!("kafka://a:1,b:2".parse(), Ok(LogChoice::Kafka { brokers: "a:1,b:2".into() }));
        for wrong in ["kafka://", "kafka://a", "kafka://a:0", "kafka://a:1,", "file"] {
            let error = wrong.parse::<LogChoice>().unwrap_err();
            assert!(error.contains("kafka://"), "{wrong}: {error}");
        }
        assert!("mysql://x".parse::<StoreChoice>().unwrap_err().contains("postgres://"));
        assert!("s3://b".parse::<BlobsChoice>().unwrap_err().contains("file"));
    }

    #[test]
    fn a_password_does_not_show() {
        let store: StoreChoice = "postgres://u:hunter2@h/d".parse().unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
