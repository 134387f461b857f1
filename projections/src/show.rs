//! How values look to people: money as text, times as RFC 3339, allowed actions by name.

use atelier_domain::{Role, Stage};
use atelier_schemas::{EventData, Money, Quote, TimeMs};
use atelier_store::{Columns, Value};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::Error;

/// A price for the whole order. Amounts are decimal text, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Price {
    /// For example `123.40`.
    #[schema(example = "123.40")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// What it is made of; their sum is the amount. Empty for a price set by hand.
    pub lines: Vec<PriceLine>,
}

/// One line of a price. May be negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriceLine {
    /// A stable name: `metal`, `labour` …
    pub code: String,
    /// For people.
    pub text: String,
    /// In the price's currency.
    #[schema(example = "12.50")]
    pub amount: String,
}

/// A price as it lies in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPrice {
    pub(crate) minor: i64,
    pub(crate) currency: String,
    /// JSON of the lines.
    pub(crate) lines: String,
}

#[derive(Serialize, Deserialize)]
struct StoredLine {
    code: String,
    text: String,
    minor: i64,
}

impl StoredPrice {
    fn of_quote(quote: &Quote) -> Self {
        let lines: Vec<StoredLine> =
            quote.lines.iter().map(|line| StoredLine { code: line.code.clone(), text: line.text.clone(), minor: line.minor }).collect();
        let lines = serde_json::to_string(&lines).expect("plain fields become JSON");
        Self { minor: quote.price.minor, currency: quote.price.currency.clone(), lines }
    }

    fn by_hand(price: &Money) -> Self {
        Self { minor: price.minor, currency: price.currency.clone(), lines: "[]".into() }
    }

    /// Takes over the price an event sets.
    pub(crate) fn follow(price: &mut Option<Self>, data: &EventData) {
        match data {
            EventData::PriceCalculated { quote, .. } => *price = Some(Self::of_quote(quote)),
            EventData::OrderQuoted { price: by_hand, .. } => *price = Some(Self::by_hand(by_hand)),
            // Of another piece.
            EventData::OrderAmended { .. } => *price = None,
            _ => {}
        }
    }

    /// From the columns `price_minor, price_currency, price_lines`.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Option<Self>, Error> {
        Ok(match (columns.optional_int()?, columns.optional_text()?, columns.optional_text()?) {
            (Some(minor), Some(currency), Some(lines)) => Some(Self { minor, currency, lines }),
            _ => None,
        })
    }

    /// To the same columns.
    pub(crate) fn write(price: Option<&Self>) -> [Value; 3] {
        [
            price.map(|price| price.minor).into(),
            price.map(|price| price.currency.as_str()).into(),
            price.map(|price| price.lines.as_str()).into(),
        ]
    }

    pub(crate) fn view(&self) -> Price {
        let lines: Vec<StoredLine> = serde_json::from_str(&self.lines).unwrap_or_default();
        Price {
            amount: amount(self.minor, &self.currency),
            currency: self.currency.clone(),
            lines: lines
                .into_iter()
                .map(|line| PriceLine { code: line.code, text: line.text, amount: amount(line.minor, &self.currency) })
                .collect(),
        }
    }
}

/// Digits after the point, from ISO 4217. Two for nearly every currency.
fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Minor units as decimal text.
pub(crate) fn amount(minor: i64, currency: &str) -> String {
    let digits = decimals(currency);
    let sign = if minor < 0 { "-" } else { "" };
    let unit = 10u64.pow(digits as u32);
    let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0digits$}") }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(time: TimeMs) -> String {
    match DateTime::from_timestamp_millis(time) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => DateTime::UNIX_EPOCH.to_rfc3339_opts(SecondsFormat::Millis, true),
    }
}

/// An optional time in a query string, RFC 3339.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeMs>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map_err(|_| serde::de::Error::custom("expected a time in RFC 3339"))?;
    Ok(Some(time.timestamp_millis()))
}

/// What a role (`customer`, `partner`, `operator`, `seller`, `admin` …) may ask of an order in this
/// inner stage. Nothing for a role or stage that does not exist.
pub fn allowed_for(stage: &str, held: bool, role: &str) -> Vec<String> {
    let (Ok(stage), Ok(role)) = (stage.parse::<Stage>(), role.parse::<Role>()) else { return Vec::new() };
    atelier_domain::allowed(stage, held, role).into_iter().map(|action| action.as_str().to_owned()).collect()
}

/// Strings as a JSON array.
pub(crate) fn json_strings(strings: &[String]) -> String {
    serde_json::to_string(strings).expect("strings become JSON")
}

/// The strings of a JSON array.
pub(crate) fn strings(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_decimal_text() {
        let cases = [(12340, "EUR", "123.40"), (5, "EUR", "0.05"), (-250, "EUR", "-2.50"), (1500, "JPY", "1500"), (1234, "KWD", "1.234")];
        for (minor, currency, text) in cases {
            assert_eq!(amount(minor, currency), text);
        }
        assert_eq!(amount(i64::MIN, "EUR"), "-92233720368547758.08");
    }

    #[test]
    fn times_are_rfc3339_in_utc() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn nobody_may_do_anything_in_an_unknown_stage() {
        assert!(allowed_for("ready", false, "customer").contains(&"submit".to_owned()));
        assert_eq!(allowed_for("nowhere", false, "customer"), Vec::<String>::new());
        assert_eq!(allowed_for("ready", false, "nobody"), Vec::<String>::new());
    }
}
