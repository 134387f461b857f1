//! Addresses of stores: understood, and shown without their password.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::dialect::Dialect;

/// An address that was understood.
#[derive(Clone)]
pub(crate) struct Address {
    /// For the driver.
    pub(crate) url: String,
    /// For people: no password.
    pub(crate) shown: String,
    pub(crate) dialect: Dialect,
    /// The file of an SQLite store.
    pub(crate) file: Option<PathBuf>,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |detail: &str| Error::Address { address: without_password(text), detail: detail.into() };
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path == ":memory:" {
                return Err(bad("a file is needed"));
            }
            return Ok(Self {
                url: format!("sqlite:{}?mode=rwc", escaped(path)),
                shown: format!("sqlite:{path}"),
                dialect: Dialect::Sqlite,
                file: Some(Path::new(path).to_path_buf()),
            });
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self { url: text.into(), shown: without_password(text), dialect: Dialect::Postgres, file: None });
        }
        Err(bad("neither sqlite: nor postgres://"))
    }
}

/// Characters that mean something in a URL, written so that they do not.
fn escaped(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// The text with the password of `scheme://user:password@host` and of `?password=` replaced.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let mut secrets = Vec::new();
    // The last @ ends the user part: a password may hold an unescaped one, or an unescaped question mark.
    if let Some((user, _)) = rest.rsplit_once('@')
        && let Some((name, _)) = user.split_once(':')
    {
        secrets.push(name.len() + 1..user.len());
    }
    let mut at = rest.find('?').map_or(rest.len(), |at| at + 1);
    for pair in rest[at..].split('&') {
        if let Some((key, _)) = pair.split_once('=')
            && (key.to_ascii_lowercase().contains("pass") || key.to_ascii_lowercase().contains("key"))
        {
            secrets.push(at + key.len() + 1..at + pair.len());
        }
        at += pair.len() + 1;
    }
    // A text can be read in more than one way, and what any of them calls a secret goes.
    secrets.sort_by_key(|secret| secret.start);
    let (mut shown, mut from) = (scheme.to_owned(), 0);
    for secret in secrets {
        if secret.start >= from {
            shown += &rest[from..secret.start];
            shown += "***";
        }
        from = from.max(secret.end);
    }
    shown + &rest[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        let cases = [
            ("postgres://ann:s3cret@db:5432/read", "postgres://ann:***@db:5432/read"),
            ("postgres://ann:s3@cret@db/read", "postgres://ann:***@db/read"),
            ("postgres://db/read?user=ann&password=s3cret", "postgres://db/read?user=ann&password=***"),
            ("postgres://ann@db/read", "postgres://ann@db/read"),
            ("postgres://ann:s3?cret@db/read", "postgres://ann:***@db/read"),
            ("postgres://ann:s3?c&key=ret@db/read?password=s3cret", "postgres://ann:***"),
            ("postgres://db/read?user=ann&password=s3@cret&a=b", "postgres://db/read?user=ann&password=***&a=b"),
            ("postgres://db:5432/read?password=s3@cret", "postgres://db:***"),
        ];
        for (given, shown) in cases {
            assert_eq!(Address::parse(given).ok().map(|address| address.shown).as_deref(), Some(shown));
        }
        let error = Address::parse("mysql://ann:s3cret@db/read").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("mysql://ann:***@db/read") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_path_may_hold_anything() {
        let address = Address::parse("sqlite:/a b/50%?.sqlite").expect("a path");
        assert_eq!(address.url, "sqlite:/a%20b/50%25%3F.sqlite?mode=rwc");
        assert_eq!(address.file.as_deref(), Some(Path::new("/a b/50%?.sqlite")));
        assert!(Address::parse("sqlite:").is_err());
    }
}
