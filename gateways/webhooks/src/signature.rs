//! Signed messages, after the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`,
//! written as `v1,<base64>`. Several signatures separated by spaces allow a secret to change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::Secret;

/// How far a message's time may be from ours, in seconds, either way.
pub const TOLERANCE_S: i64 = 300;

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Old messages could be replayed, early ones kept for later.
    #[error("is more than five minutes from our time")]
    Time,
    /// Signed with another secret, or changed on the way.
    #[error("does not match the message")]
    Signature,
}

/// The signature of a message; `timestamp` in seconds since 1970.
///
/// # Examples
/// ```
/// use atelier_webhooks::{Secret, signature};
/// let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let signed = signature::sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, br#"{"test": 2432232314}"#);
/// assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), atelier_webhooks::BadSecret>(())
/// ```
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(digest(secret, id, timestamp, body)))
}

/// Believes a message when one of its signatures is ours and its time is near `now` (both in seconds).
///
/// # Errors
/// [`Error`] says why it is not believed.
pub fn verify(secret: &Secret, id: &str, timestamp: i64, body: &[u8], signatures: &str, now: i64) -> Result<(), Error> {
    if now.abs_diff(timestamp) > TOLERANCE_S.unsigned_abs() {
        return Err(Error::Time);
    }
    let ours = digest(secret, id, timestamp, body);
    let matches = signatures
        .split_ascii_whitespace()
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .any(|theirs| bool::from(theirs.ct_eq(&ours)));
    if matches { Ok(()) } else { Err(Error::Signature) }
}

fn digest(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length is taken");
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::parse("a secret of the carrier, long enough").expect("long enough")
    }

    #[test]
    fn a_message_is_believed_when_signed_and_recent() {
        let signed = sign(&secret(), "m1", 1000, b"body");
        assert_eq!(verify(&secret(), "m1", 1000, b"body", &signed, 1300), Ok(()));
        let rotated = format!("v1,{} {signed}", STANDARD.encode([0_u8; 32]));
        assert_eq!(verify(&secret(), "m1", 1000, b"body", &rotated, 700), Ok(()));
    }

    #[test]
    fn anything_else_is_not() {
        let signed = sign(&secret(), "m1", 1000, b"body");
        let other = Secret::parse("another secret that is long enough").expect("long enough");
        for (secret, id, time, body, signatures, now, why) in [
            (secret(), "m1", 1000, &b"body"[..], signed.as_str(), 1301, Error::Time),
            (secret(), "m1", 1000, b"body", &signed, 699, Error::Time),
            (secret(), "m1", i64::MIN, b"body", &signed, 699, Error::Time),
            (secret(), "m2", 1000, b"body", &signed, 1000, Error::Signature),
            (secret(), "m1", 1001, b"body", &signed, 1000, Error::Signature),
            (secret(), "m1", 1000, b"bodY", &signed, 1000, Error::Signature),
            (other, "m1", 1000, b"body", &signed, 1000, Error::Signature),
            (secret(), "m1", 1000, b"body", "", 1000, Error::Signature),
            (secret(), "m1", 1000, b"body", "v1,", 1000, Error::Signature),
            (secret(), "m1", 1000, b"body", &signed[3..], 1000, Error::Signature),
        ] {
            assert_eq!(verify(&secret, id, time, body, signatures, now), Err(why));
        }
    }
}
