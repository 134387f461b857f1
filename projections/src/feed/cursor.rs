//! How far a reader of the feed is.

use crate::Error;

/// The next offset of each partition, and the partition whose turn it is. To the partner it is opaque text.
///
/// One number for all partitions would lose entries: what is committed late in one partition lies behind
/// what was read of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedCursor {
    pub(super) next: Vec<u64>,
    pub(super) turn: u32,
}

/// Partitions a cursor may speak of; a log has at most as many.
const PARTITIONS_MAX: usize = 1024;

impl FeedCursor {
    /// As text.
    pub fn encode(&self) -> String {
        let next: Vec<String> = self.next.iter().map(|next| format!("{next:x}")).collect();
        format!("f{:x}.{}", self.turn, next.join("-"))
    }

    /// From the text given out.
    ///
    /// # Errors
    /// [`Error::BadCursor`] when it is none.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if plain { u64::from_str_radix(text, 16).ok() } else { None }
        };
        let read = || {
            let (turn, next) = text.strip_prefix('f')?.split_once('.')?;
            let turn = u32::try_from(number(turn)?).ok()?;
            let next: Vec<u64> = next.split('-').take(PARTITIONS_MAX + 1).map(number).collect::<Option<_>>()?;
            (next.len() <= PARTITIONS_MAX).then_some(Self { next, turn })
        };
        read().ok_or(Error::BadCursor)
    }

    /// The next offset of a partition.
    pub(super) fn next_of(&self, partition: u32) -> u64 {
        self.next.get(partition as usize).copied().unwrap_or(0)
    }

    /// Everything of the partition below `next` was read.
    pub(super) fn read_to(&mut self, partition: u32, next: u64) {
        let at = partition as usize;
        if self.next.len() <= at {
            self.next.resize(at + 1, 0);
        }
        self.next[at] = self.next[at].max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let mut cursor = FeedCursor { next: vec![0, 255], turn: 1 };
        cursor.read_to(3, 9);
        let text = cursor.encode();
        assert_eq!(text, "f1.0-ff-0-9");
        assert_eq!(FeedCursor::decode(&text).unwrap(), cursor);
        for bad in ["", "f", "f1", "f1.", "f1.-", "1.0", "f1.g", "f1.+1", "f1.0-", "fé.1", "f1.ffffffffffffffff", &"f0.0".repeat(3)] {
            assert!(matches!(FeedCursor::decode(bad), Err(Error::BadCursor)), "{bad}");
        }
        let many = format!("f0.{}", vec!["1"; PARTITIONS_MAX + 1].join("-"));
        assert!(FeedCursor::decode(&many).is_err());
    }
}
