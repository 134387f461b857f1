//! Times between their two forms: RFC 3339 outside, milliseconds inside.

use atelier_schemas::TimeMs;
use chrono::{DateTime, SecondsFormat, Utc};

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn text(time: TimeMs) -> String {
    DateTime::<Utc>::from_timestamp_millis(time).unwrap_or(DateTime::UNIX_EPOCH).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Milliseconds of an RFC 3339 time with any offset.
pub(crate) fn parse(text: &str) -> Option<TimeMs> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        assert_eq!(parse("2026-01-02T03:04:05.678Z").map(text).as_deref(), Some("2026-01-02T03:04:05.678Z"));
        assert_eq!(parse("2026-01-02T03:04:05+01:00"), parse("2026-01-02T02:04:05Z"));
        for bad in ["", "yesterday", "2026-01-02", "2026-13-02T00:00:00Z", "1767323045"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
