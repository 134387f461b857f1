//! Where the trial takes place: a folder, a topic prefix, an empty database, settings for the roles.

use std::process::Command;

use atelier_projections::Store;
use uuid::Uuid;

use super::Say;
use crate::Failure;
use crate::demo::{may_call_itself, processes::environment};
use crate::settings::{LogChoice, Settings, StoreChoice};
use crate::wiring;

/// Leases short enough that the work of a killed worker is taken up soon, and attempts enough for all that are killed. Jobs are given
/// more time to be taken: where they queue for longer than that, each asks for another one, and the queue grows.
const POLICY: &str = r#"{"version": "chaos", "pricing_lease_ms": 3000, "pricing_accept_ms": 15000, "pricing_attempts": 100}"#;

/// See the module.
pub(super) struct Ground {
    pub(super) settings: Settings,
    /// Shared with the carrier of the load.
    pub(super) secret: String,
    temporary: Option<tempfile::TempDir>,
}

impl Ground {
    /// # Errors
    /// When something there is not the trial's own: a database in use, a folder with a log in it.
    pub(super) async fn prepare(settings: &Settings) -> Result<Self, Failure> {
        let mut settings = settings.clone();
        let mut temporary = None;
        if !settings.data_given {
            let folder = tempfile::Builder::new().prefix("atelier-chaos-").tempdir()?;
            settings.data = folder.path().to_owned();
            temporary = Some(folder);
        }
        std::fs::create_dir_all(&settings.data)
            .map_err(|error| format!("cannot make the folder {}: {error}; choose another with --data", settings.data.display()))?;
        if settings.log == LogChoice::Embedded && settings.data.join("log").exists() {
            let folder = settings.data.display();
            return Err(format!("{folder} holds a log already, and chaos wants one of its own; give it an empty folder with --data").into());
        }
        if matches!(settings.log, LogChoice::Kafka { .. }) {
            if settings.store == StoreChoice::Sqlite {
                return Err("on Kafka every role is a process, and they need a store to share: --store postgres://…/empty".into());
            }
            settings.topic_prefix = format!("{}chaos-{}.", settings.topic_prefix, &Uuid::new_v4().simple().to_string()[..8]);
        }
        if settings.policy.is_none() {
            let policy = settings.data.join("policy.json");
            std::fs::write(&policy, POLICY)?;
            settings.policy = Some(policy);
        }
        may_call_itself(&mut settings);
        let ground = Self { settings, secret: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()), temporary };
        let progress = ground.store().await?.queries().progress().await?;
        if progress.values().any(|next| *next > 0) {
            return Err("the store has read models already, and chaos would mix them up; give it an empty database with --store".into());
        }
        Ok(ground)
    }

    pub(super) async fn store(&self) -> Result<Store, Failure> {
        wiring::store(&self.settings).await
    }

    pub(super) fn describe(&self) -> String {
        match &self.settings.log {
            LogChoice::Embedded => format!("the embedded log in {}", self.settings.data.display()),
            LogChoice::Kafka { brokers } => format!("kafka://{brokers}, prefix {}", self.settings.topic_prefix),
        }
    }

    /// This very program as one of the roles.
    pub(super) fn command(&self) -> Result<impl Fn() -> Command + Send + Sync + Clone + 'static, Failure> {
        let (program, environment) = (std::env::current_exe()?, environment(&self.settings, &self.secret));
        Ok(move || {
            let mut command = Command::new(&program);
            command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
            command
        })
    }

    /// Says what stays. The temporary folder stays too where it may tell what went wrong.
    pub(super) fn leave(self, sound: bool, say: Say) {
        if let LogChoice::Kafka { .. } = &self.settings.log {
            say.line(&format!("the topics with the prefix {} stay on the brokers", self.settings.topic_prefix));
        }
        if let Some(folder) = self.temporary.filter(|_| !sound) {
            say.line(&format!("log and messages of the roles are kept in {}", folder.keep().display()));
        }
    }
}
