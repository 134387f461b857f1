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
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    // The last @ ends the user part: a password may hold an unescaped one.
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.to_ascii_lowercase().contains("pass") || key.to_ascii_lowercase().contains("key") => format!("{key}=***"),
            _ => pair.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}{rest}{}", query.unwrap_or_default())
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
