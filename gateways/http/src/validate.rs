//! Checks of values that arrived in the right type: all of a body's faults are told at once.
//!
//! What the house makes (materials, finishes) is the engine's to know; here a value is only checked
//! for being one at all, so that nothing absurd reaches the log.

use std::fmt::Display;

use crate::problem::{Code, FieldError, Refusal};

/// The longest reason or defect, in characters.
pub(crate) const REASON_MAX_CHARS: usize = 500;

/// Collects faults.
#[derive(Debug, Default)]
pub(crate) struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn fault(&mut self, field: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into(), fix: fix.into() });
    }

    /// Something to read, of bounded length, without control characters (a store may not take them).
    pub(crate) fn text(&mut self, field: &str, value: &str, max_chars: usize) {
        if value.trim().is_empty() {
            self.fault(field, "is empty", "Say something.");
        } else if value.chars().count() > max_chars {
            self.fault(field, format!("is longer than {max_chars} characters"), "Shorten it.");
        } else if value.chars().any(char::is_control) {
            self.fault(field, "has control characters", "Leave them out; plain text in one line is taken.");
        }
    }

    /// A short name in lower case, as materials and finishes have.
    pub(crate) fn slug(&mut self, field: &str, value: &str, example: &str) {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if value.is_empty() || value.len() > 40 || !value.bytes().all(allowed) {
            self.fault(
                field,
                "is not a name of ours",
                format!("Send 1 to 40 lower-case letters, digits and `-`, for example `{example}`."),
            );
        }
    }

    /// Something a message could be sent to. Whether it arrives is found out by sending one.
    pub(crate) fn email(&mut self, field: &str, value: &str) {
        let plausible = value.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && domain.contains('.')
                && !domain.contains("..")
        });
        if !plausible || value.len() > 254 || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.fault(field, "is not an e-mail address", "Send one like `name@example.org`.");
        }
    }

    /// A number within its limits.
    pub(crate) fn range<N: PartialOrd + Display>(&mut self, field: &str, value: N, least: N, most: N) {
        if !(value >= least && value <= most) {
            self.fault(field, format!("is {value}"), format!("Send {least} to {most}."));
        }
    }

    /// All faults, or none.
    pub(crate) fn done(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::fields(Code::Invalid, self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(check: impl FnOnce(&mut Check)) -> usize {
        let mut collected = Check::new();
        check(&mut collected);
        collected.errors.len()
    }

    #[test]
    fn an_address_is_plausible_or_not() {
        for good in ["a@b.c", "jane.roe+shop@example.org", "имя@пример.рф"] {
            assert_eq!(faults(|check| check.email("e", good)), 0, "{good}");
        }
        for bad in ["", "a", "a@", "@b.c", "a@b", "a b@c.d", "a@@b.c", "a@b..c", "a@.b", "a@b.", "a@b.c\n"] {
            assert_eq!(faults(|check| check.email("e", bad)), 1, "{bad}");
        }
    }

    #[test]
    fn text_is_bounded_and_plain() {
        assert_eq!(faults(|check| check.text("t", "гравировка ❤", 12)), 0);
        for bad in ["", "  ", "a\u{0}b", "a\nb", "1234567890123"] {
            assert_eq!(faults(|check| check.text("t", bad, 12)), 1, "{bad:?}");
        }
    }

    #[test]
    fn numbers_keep_their_limits() {
        assert_eq!(faults(|check| check.range("n", 1, 1, 3)), 0);
        assert_eq!(faults(|check| check.range("n", 0, 1, 3)), 1);
        assert_eq!(faults(|check| check.range("n", f64::NAN, 1.0, 3.0)), 1);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut check = Check::new();
        check.range("quantity", -1, 1, 10);
        check.slug("material", "Silver 925", "silver-925");
        let problem = check.done().expect_err("two faults").into_problem();
        assert_eq!(problem.errors.len(), 2);
        assert!(problem.detail.contains("`quantity` is -1. Send 1 to 10. `material`"), "{}", problem.detail);
    }
}
