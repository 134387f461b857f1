//! The shape of a key: `atl_<key id>_<secret><checksum>`.
//!
//! Twelve letters of the alphabet a–z, 2–7 are the id, 52 the secret (260 random bits), seven the CRC-32 of
//! both, so that a scanner of secrets (and we) can tell a key from a word without asking anybody.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key begins with.
pub const PREFIX: &str = "atl_";
const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 52;
const CHECKSUM_LENGTH: usize = 7;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Random bytes a new key takes.
pub const RANDOM_BYTES: usize = ID_LENGTH + SECRET_LENGTH;

/// A key as its partner has it. Shows nothing of its secret but through [`Key::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    id: String,
    secret: String,
}

/// What is kept of a secret.
#[derive(Clone, Copy)]
pub struct Hash([u8; 32]);

impl Key {
    /// A new key from bytes nobody can foresee. Five bits of each are used, so every letter is as likely.
    pub fn new(random: &[u8; RANDOM_BYTES]) -> Self {
        let letters: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
        let (id, secret) = letters.split_at(ID_LENGTH);
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// Reads a key; `None` when it is none of ours, mistyped ones among them.
    ///
    /// # Examples
    /// ```
    /// use atelier_partners::key::{Key, RANDOM_BYTES};
    /// let key = Key::new(&[7; RANDOM_BYTES]);
    /// assert!(Key::parse(&key.reveal()) == Some(key.clone()));
    /// assert!(Key::parse(&key.reveal().replace("hhhh", "hihh")).is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let plain = |part: &str| part.bytes().all(|byte| ALPHABET.contains(&byte));
        if id.len() != ID_LENGTH || rest.len() != SECRET_LENGTH + CHECKSUM_LENGTH || !plain(id) || !plain(rest) {
            return None;
        }
        let (secret, given) = rest.split_at(SECRET_LENGTH);
        let key = Self { id: id.to_owned(), secret: secret.to_owned() };
        (key.checksum() == given).then_some(key)
    }

    /// The public part.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}{}", self.id, self.secret, self.checksum())
    }

    /// What may be kept.
    pub fn hash(&self) -> Hash {
        Hash(Sha256::digest(self.secret.as_bytes()).into())
    }

    fn checksum(&self) -> String {
        let crc = u64::from(crc32(self.id.bytes().chain(*b"_").chain(self.secret.bytes())));
        (0..CHECKSUM_LENGTH).map(|at| char::from(ALPHABET[usize::try_from(crc >> (5 * at) & 31).unwrap_or(0)])).collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, redacted)", self.id)
    }
}

impl Hash {
    /// As it is kept.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether the kept text is this hash, in the same time wherever they differ.
    pub fn is(self, hex: &str) -> bool {
        self.to_hex().as_bytes().ct_eq(hex.as_bytes()).into()
    }
}

/// CRC-32 as in Ethernet and zip, bit by bit: keys are short.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let mut random = [0; RANDOM_BYTES];
        for (at, byte) in (0_u8..).zip(&mut random) {
            *byte = at.wrapping_mul(37);
        }
        Key::new(&random)
    }

    #[test]
    fn the_checksum_is_the_one_everybody_knows() {
        assert_eq!(crc32(b"123456789".iter().copied()), 0xCBF4_3926);
    }

    #[test]
    fn a_key_is_read_back_and_a_mistyped_one_is_not() {
        let text = key().reveal();
        assert_eq!(text.len(), 4 + 12 + 1 + 52 + 7);
        assert_eq!(Key::parse(&text), Some(key()));
        for at in 0..text.len() {
            let mut typed = text.clone().into_bytes();
            typed[at] = if typed[at] == b'a' { b'b' } else { b'a' };
            let typed = String::from_utf8(typed).expect("letters");
            assert_eq!(Key::parse(&typed), None, "{at}");
        }
        for bad in ["", "atl_", "atl__", "Bearer", &text[1..], &text[..text.len() - 1], &format!("{text}a"), &text.to_uppercase()] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_of_the_secret_shows() {
        let shown = format!("{:?}", key());
        assert!(shown.contains(key().id()) && !shown.contains(&key().secret[..8]), "{shown}");
    }

    #[test]
    fn a_hash_knows_its_secret_and_no_other() {
        let hex = key().hash().to_hex();
        assert!(key().hash().is(&hex));
        assert!(!Key::new(&[1; RANDOM_BYTES]).hash().is(&hex));
        assert!(!key().hash().is(&hex[1..]));
    }
}
