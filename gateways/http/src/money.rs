//! Money between its two forms: text outside, minor units inside. Never a float.

use atelier_schemas::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validate::Check;

/// The currency of the house; prices set by hand are in it.
const CURRENCY: &str = "EUR";
/// Digits after the point.
const DECIMALS: usize = 2;
/// The most a price may be, in minor units: ten million.
const MOST_MINOR: i64 = 1_000_000_000;

/// An amount as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Money)]
pub(crate) struct MoneyBody {
    /// A decimal with two digits after the point; text, never a number.
    #[schema(example = "123.40")]
    amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

impl MoneyBody {
    /// The amount in minor units, when it is one. Faults go to `check`.
    pub(crate) fn checked(&self, field: &str, check: &mut Check) -> Option<Money> {
        if self.currency != CURRENCY {
            check.fault(&format!("{field}.currency"), "is not taken", format!("Send `{CURRENCY}`."));
        }
        let minor = minor(&self.amount).filter(|minor| (1..=MOST_MINOR).contains(minor));
        if minor.is_none() {
            check.fault(
                &format!("{field}.amount"),
                "is not an amount",
                "Send digits, a point and two digits as text, for example `\"123.40\"`; more than zero, at most 10000000.00.",
            );
        }
        minor.map(|minor| Money { minor, currency: self.currency.clone() })
    }
}

/// Minor units as text, for amounts in the house's currency.
pub(crate) fn text(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// `123.40` → 12340. Nothing else is an amount: no sign, no spaces, no exponent, no other number of digits.
fn minor(amount: &str) -> Option<i64> {
    let (whole, cents) = amount.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || cents.len() != DECIMALS || whole.len() > 12 {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        assert_eq!(minor("123.40"), Some(12340));
        assert_eq!(minor("0.01"), Some(1));
        for bad in ["", "1", "1.2", "1.234", "-1.00", "+1.00", " 1.00", "1e2.00", "1,00", ".50", "1.", "9999999999999.00", "١.٠٠"] {
            assert_eq!(minor(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_price_is_more_than_nothing_and_in_the_house_currency() {
        let body = |amount: &str, currency: &str| MoneyBody { amount: amount.into(), currency: currency.into() };
        for (body, faults) in [(body("1.00", "EUR"), 0), (body("0.00", "EUR"), 1), (body("1.0", "USD"), 2), (body("10000000.01", "EUR"), 1)]
        {
            let mut check = Check::new();
            body.checked("price", &mut check);
            assert_eq!(check.done().err().map_or(0, |refusal| refusal.into_problem().errors.len()), faults, "{body:?}");
        }
    }

    #[test]
    fn amounts_are_written_with_two_digits() {
        assert_eq!((text(12340), text(5), text(-250)), ("123.40".to_owned(), "0.05".to_owned(), "-2.50".to_owned()));
    }
}
