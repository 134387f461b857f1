//! What happened, as text. No wall clock and no address gets in: the same run is the same text.

use std::fmt::{self, Write};

use atelier_schemas::TimeMs;
use sha2::{Digest, Sha256};

/// When every simulation begins, in milliseconds since 1970.
pub(crate) const START: TimeMs = 1_700_000_000_000;

/// The trace of one run.
#[derive(Default)]
pub(crate) struct Trace {
    text: String,
}

impl Trace {
    /// Somebody did something.
    pub(crate) fn line(&mut self, now: TimeMs, actor: &str, what: fmt::Arguments<'_>) {
        let ms = now - START;
        let (sign, ms) = if ms < 0 { ('-', -ms) } else { ('+', ms) };
        let (days, hours, minutes, seconds) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
        writeln!(self.text, "{sign}{days:02}d {hours:02}:{minutes:02}:{seconds:02}.{:03}  {actor:<9} {what}", ms % 1000)
            .expect("a String takes any text");
    }

    /// A line without a time.
    pub(crate) fn say(&mut self, what: fmt::Arguments<'_>) {
        writeln!(self.text, "{what}").expect("a String takes any text");
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Lower-case hex.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
