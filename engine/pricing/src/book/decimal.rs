//! Exact decimal numbers: millionths in an integer. No price passes through a float.

use std::fmt;

/// Millionths of something: of a currency unit, a gram, an hour, of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micro(pub i64);

impl Micro {
    /// Millionths in one.
    pub const ONE: i64 = 1_000_000;

    /// Reads a plain decimal: digits, at most one point, at most six digits after it, no sign, no
    /// exponent. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return None;
        }
        let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
        whole.parse::<i64>().ok()?.checked_mul(Self::ONE)?.checked_add(micros).map(Self)
    }

    pub(crate) fn wide(self) -> i128 {
        i128::from(self.0)
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::ONE, (self.0 % Self::ONE).abs());
        let fraction = format!("{fraction:06}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

/// `numerator / denominator`, halves away from zero. The denominator is positive.
pub(crate) fn round_div(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    // Not `2 * rest`: near the end of the range that would not fit.
    if rest.abs() >= denominator - rest.abs() { quotient + numerator.signum() } else { quotient }
}

/// The product, or nothing when it does not fit.
pub(crate) fn product<const N: usize>(factors: [i128; N]) -> Option<i128> {
    factors.into_iter().try_fold(1_i128, i128::checked_mul)
}
