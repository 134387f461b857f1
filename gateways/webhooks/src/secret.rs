//! Secrets that messages are signed with.

use std::fmt;

use atelier_store::{Columns, Error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The shortest and the longest secret of the Standard Webhooks specification, in bytes.
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;
/// What a secret as text begins with.
const PREFIX: &str = "whsec_";

/// A shared secret. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A text that is no secret worth signing with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; make one with `openssl rand -base64 32` and write it as whsec_<that>")]
pub struct BadSecret(String);

impl Secret {
    /// Reads `whsec_<base64>` (Standard Webhooks), or takes any other text as its bytes.
    ///
    /// # Errors
    /// [`BadSecret`] when it has fewer than 24 bytes or more than 64, or `whsec_` is not followed by base64.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let bytes = match text.trim().strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret("`whsec_` must be followed by base64".into()))?,
            None => text.trim().as_bytes().to_vec(),
        };
        if !(MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
            return Err(BadSecret(format!("it has {} bytes, {MIN_BYTES} to {MAX_BYTES} are taken", bytes.len())));
        }
        Ok(Self(bytes))
    }

    /// A secret of these bytes, drawn by whoever calls.
    pub fn of(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// `whsec_<base64>`, for its owner. Show it once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// From the column it is kept in.
    pub(crate) fn stored(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|error| Error::Broken(format!("a stored secret: {error}")))
    }

    /// What to sign with now: from the columns `secret`, `old_secret` and `old_until`, which come next.
    pub(crate) fn in_force(columns: &mut Columns<'_>, now: i64) -> Result<Vec<Self>, Error> {
        let mut secrets = vec![Self::stored(&columns.text()?)?];
        if let (Some(old), Some(until)) = (columns.optional_text()?, columns.optional_int()?)
            && until > now
        {
            secrets.push(Self::stored(&old)?);
        }
        Ok(secrets)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_never_shown() {
        let secret = Secret::parse("a secret of the carrier, long enough").expect("long enough");
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert!(Secret::parse("short").is_err() && Secret::parse("whsec_!!!").is_err() && Secret::parse(&"x".repeat(65)).is_err());
        let encoded = Secret::parse("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5").expect("base64");
        assert_eq!(encoded.as_bytes(), b"012345678901234567890123456789");
        assert_eq!(Secret::parse(&encoded.reveal()), Ok(encoded));
    }
}
