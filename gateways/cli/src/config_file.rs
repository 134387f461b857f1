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
use clap::error::{ContextKind, ContextValue};

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

/// What `text`, the file at `path`, says.
pub(crate) fn read(path: PathBuf, text: &str) -> Result<ConfigFile, Failure> {
    let table = text.parse::<toml::Table>().map_err(|error| {
        // The error's own text quotes the line, which may hold a password.
        let line = 1 + text.bytes().take(error.span().map_or(0, |span| span.start)).filter(|byte| *byte == b'\n').count();
        format!("{}, line {line}: {}", path.display(), error.message())
    })?;
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
            Some(value) if arg.get_env().is_some() => {
                let secret = arg.is_hide_env_values_set();
                arg.default_value(value.clone()).hide_default_value(secret).required(false)
            }
            _ => arg,
        });
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| self.with_defaults(sub)))
    }

    /// Whether the file says it.
    pub(crate) fn sets(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Where the value a flag was refused for comes from, when it is this file.
    pub(crate) fn hint(&self, error: &clap::Error) -> Option<String> {
        let value = error.get(ContextKind::InvalidValue)?.to_string();
        let key = refused(error)?;
        (self.values.get(&key) == Some(&value)).then(|| format!("`{key}` is set in {}", self.path.display()))
    }
}

/// The flag that was refused, without its dashes.
fn refused(error: &clap::Error) -> Option<String> {
    let arg = error.get(ContextKind::InvalidArg)?.to_string();
    Some(arg.trim_start_matches("--").split_whitespace().next()?.to_owned())
}

/// Takes the value out of a refusal where the help does not show it either: it may hold a password.
pub(crate) fn conceal(error: &mut clap::Error, command: &Command) {
    let Some(key) = refused(error) else { return };
    let secret =
        |command: &Command| command.get_arguments().any(|arg| arg.is_hide_env_values_set() && arg.get_long() == Some(key.as_str()));
    let given = error.get(ContextKind::InvalidValue).is_some_and(|value| !value.to_string().is_empty());
    if given && (secret(command) || command.get_subcommands().any(secret)) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".into()));
    }
}

/// Flags that can be set once and for all are those with an environment variable.
fn collect(command: &Command, into: &mut BTreeSet<String>) {
    into.extend(command.get_arguments().filter(|arg| arg.get_env().is_some()).filter_map(|arg| arg.get_long()).map(str::to_owned));
    for sub in command.get_subcommands() {
        collect(sub, into);
    }
}
