//! `atelier.toml`: the same keys as the flags, as their defaults.
//!
//! ```toml
//! data = "/var/lib/atelier"
//! log = "kafka://k1:9092,k2:9092"
//! listen = "127.0.0.1:9000"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Command;
use clap::error::ContextKind;

use crate::Failure;

const DEFAULT: &str = "atelier.toml";

/// The keys and values of the file, empty where there is none.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

/// The file named by `--config` or `ATELIER_CONFIG`, or `atelier.toml` in this folder where there is one.
pub(crate) fn find(args: impl Iterator<Item = OsString>) -> Result<ConfigFile, Failure> {
    let mut args = args.skip(1);
    let mut named = std::env::var_os("ATELIER_CONFIG");
    while let Some(arg) = args.next() {
        if arg == "--config" {
            named = args.next();
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            named = Some(value.into());
        }
    }
    let path = PathBuf::from(named.as_ref().map_or(DEFAULT.as_ref(), OsString::as_os_str));
    match std::fs::read_to_string(&path) {
        Ok(text) => read(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(ConfigFile::default()),
        Err(error) => Err(format!("cannot read {}: {error}; name another file with --config", path.display()).into()),
    }
}

fn read(path: PathBuf, text: &str) -> Result<ConfigFile, Failure> {
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(yes) => yes.to_string(),
            other => {
                let kind = other.type_str();
                return Err(format!("{}: `{key}` is a {kind}; give a string, a whole number or true/false", path.display()).into());
            }
        };
        values.insert(key.replace('_', "-"), value);
    }
    Ok(ConfigFile { path, values })
}

impl ConfigFile {
    /// Makes the values the defaults of their flags.
    ///
    /// # Errors
    /// Names a key that is no flag, and the keys there are.
    pub(crate) fn apply(&self, command: Command) -> Result<Command, Failure> {
        let mut known = BTreeSet::new();
        collect(&command, &mut known);
        if let Some(key) = self.values.keys().find(|key| !known.contains(key.as_str())) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!("{}: `{key}` is not a setting; there are {known}", self.path.display()).into());
        }
        Ok(self.with_defaults(command))
    }

    fn with_defaults(&self, command: Command) -> Command {
        let command = command.mut_args(|arg| match arg.get_long().and_then(|long| self.values.get(long)) {
            Some(value) if arg.get_env().is_some() => arg.default_value(value.clone()).required(false),
            _ => arg,
        });
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| self.with_defaults(sub)))
    }

    /// Where the value a flag was refused for comes from, when it is this file.
    pub(crate) fn hint(&self, error: &clap::Error) -> Option<String> {
        let arg = error.get(ContextKind::InvalidArg)?.to_string();
        let value = error.get(ContextKind::InvalidValue)?.to_string();
        let key = arg.trim_start_matches("--").split_whitespace().next()?.to_owned();
        (self.values.get(&key) == Some(&value)).then(|| format!("`{key}` is set in {}", self.path.display()))
    }
}

/// Flags that can be set once and for all are those with an environment variable.
fn collect(command: &Command, into: &mut BTreeSet<String>) {
    into.extend(command.get_arguments().filter(|arg| arg.get_env().is_some()).filter_map(|arg| arg.get_long()).map(str::to_owned));
    for sub in command.get_subcommands() {
        collect(sub, into);
    }
}
