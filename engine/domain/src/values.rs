//! Plain values that commands and events carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimeMs = i64;

/// How an order came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The maker's own shop.
    Shop,
    /// A partner's system.
    Partner,
}

impl Channel {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Shop => "shop",
            Channel::Partner => "partner",
        }
    }
}

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// A material of the policy, for example `silver-925`.
    pub material: Box<str>,
    /// Pieces.
    pub quantity: u32,
    /// A finish of the policy, for example `polished`.
    pub finish: Box<str>,
}

/// Personal data. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// As given.
    pub name: String,
    /// As given.
    pub email: String,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Customer(redacted)")
    }
}

/// The bytes of a model, by their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Of the bytes.
    pub sha256: Sha256,
    /// `stl`, `obj`, `3mf` or `ring`.
    pub format: Box<str>,
    /// Length of the bytes.
    pub size_bytes: u64,
}

/// A SHA-256. As text: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sha256([u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        let text = self.0.map(digits);
        f.write_str(str::from_utf8(text.as_flattened()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASha256;

impl FromStr for Sha256 {
    type Err = NotASha256;

    fn from_str(text: &str) -> Result<Self, NotASha256> {
        let digit = |at: u8| match at {
            b'0'..=b'9' => Ok(at - b'0'),
            b'a'..=b'f' => Ok(at - b'a' + 10),
            _ => Err(NotASha256),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(NotASha256);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// An amount in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Cents of EUR, and the like.
    pub minor: i64,
    /// ISO 4217.
    pub currency: Box<str>,
}

/// One line of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct QuoteLine {
    pub code: String,
    pub text: String,
    pub minor: i64,
}

/// What was measured on the mesh.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Measures {
    pub volume_mm3: f64,
    pub area_mm2: f64,
    pub triangles: i64,
    pub watertight: bool,
    pub size_mm: Vec<f64>,
}

/// A price, explained. The order keeps the amount only; the whole lives in its event.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Quote {
    pub price: Money,
    pub lines: Vec<QuoteLine>,
    pub model_sha256: String,
    pub algorithm: String,
    pub price_book: String,
    pub metal_fix: String,
    pub measures: Measures,
    pub warnings: Vec<String>,
}
