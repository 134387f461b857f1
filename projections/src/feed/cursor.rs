//! How far a reader of the feed is.

use crate::Error;

/// The place of the last entry read. To the partner it is opaque text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCursor {
    pub(super) after: i64,
}

/// Cursors of earlier releases stood for places in the log. Such a reader begins anew, which misses nothing.
const EARLIER: char = 'f';
const MARK: char = 'p';
/// The longest text given out by an earlier release.
const TEXT_MAX: usize = 20_000;

impl FeedCursor {
    /// As text.
    pub fn encode(&self) -> String {
        format!("{MARK}{:x}", self.after)
    }

    /// From the text given out.
    ///
    /// # Errors
    /// [`Error::BadCursor`] when it is none.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let plain =
            |text: &str, others: &[u8]| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f') || others.contains(&byte));
        if let Some(rest) = text.strip_prefix(EARLIER) {
            return if rest.contains('.') && rest.len() <= TEXT_MAX && plain(rest, b".-") {
                Ok(Self::default())
            } else {
                Err(Error::BadCursor)
            };
        }
        let after = text.strip_prefix(MARK).filter(|rest| plain(rest, b"")).and_then(|rest| i64::from_str_radix(rest, 16).ok());
        after.map(|after| Self { after }).ok_or(Error::BadCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for after in [0, 1, 255, 1_800_000_000_000_000, i64::MAX] {
            let cursor = FeedCursor { after };
            assert_eq!(FeedCursor::decode(&cursor.encode()).unwrap(), cursor);
        }
        assert_eq!(FeedCursor { after: 255 }.encode(), "pff");
        for bad in
            ["", "p", "p-1", "p+1", "pg", "pF", "1", "pé", "p8000000000000000", "f", "f1", "f1.x", &format!("f0.{}", "0".repeat(TEXT_MAX))]
        {
            assert!(matches!(FeedCursor::decode(bad), Err(Error::BadCursor)), "{bad}");
        }
    }

    #[test]
    fn a_reader_with_a_cursor_of_an_earlier_release_begins_anew() {
        assert_eq!(FeedCursor::decode("f1.0-ff-0-9").unwrap(), FeedCursor::default());
    }
}
