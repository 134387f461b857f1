//! The hashes of a partition's events: each record's hash includes the one before it, so that nothing
//! below can be altered, removed or slipped in without every later hash changing. After every block of
//! records the hash is kept: what does not fit any more is found within one block.

use atelier_log::Record;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Records of a block.
pub(super) const BLOCK: u32 = 4096;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// The hash of a record behind `previous`: over the previous hash, the offset, the key and the payload.
/// Lengths go in with the texts, so that no byte can move from one to the other.
pub(super) fn link(previous: &Hash, record: &Record) -> Hash {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(record.offset.to_be_bytes());
    hash.update((record.key.len() as u64).to_be_bytes());
    hash.update(record.key.as_bytes());
    hash.update((record.payload.len() as u64).to_be_bytes());
    hash.update(&record.payload);
    hash.finalize().into()
}

/// So many records in a row and the hash after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    /// The offset after the block before; what lies from here to `end` belongs to this one.
    pub(super) start: u64,
    /// The offset after its last record.
    pub(super) end: u64,
    pub(super) records: u32,
    pub(super) head: Hash,
}

/// The chain of a partition as far as it was audited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    /// After the last record.
    pub(super) head: Hash,
    /// After the first record: tells one log from another.
    pub(super) first: Option<Hash>,
    /// Full blocks before the open one.
    pub(super) blocks: u64,
    /// Where the open block begins.
    pub(super) start: u64,
    /// Records in the open block.
    pub(super) records: u32,
}

impl Chain {
    /// Adds the next record. Gives the block it has filled, with its number.
    pub(super) fn add(&mut self, record: &Record) -> Option<(u64, Block)> {
        self.head = link(&self.head, record);
        self.first.get_or_insert(self.head);
        self.records += 1;
        if self.records < BLOCK {
            return None;
        }
        let end = record.offset + 1;
        let full = (self.blocks, Block { start: self.start, end, records: self.records, head: self.head });
        self.blocks += 1;
        self.start = end;
        self.records = 0;
        Some(full)
    }

    /// The block that is not full yet, where it has records; `end` is the offset up to which was audited.
    pub(super) fn open_block(&self, end: u64) -> Option<Block> {
        (self.records > 0).then_some(Block { start: self.start, end, records: self.records, head: self.head })
    }
}

/// A hash as people see it.
pub(super) fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atelier_schemas::Topic;

    fn record(offset: u64, key: &str, payload: &[u8]) -> Record {
        let (key, payload) = (key.to_owned(), payload.to_vec());
        Record { topic: Topic::Events, partition: 0, offset, time: 0, key, kind: String::new(), traceparent: None, payload }
    }

    #[test]
    fn whatever_changes_changes_the_hash() {
        let base = link(&[0; 32], &record(1, "ab", b"cd"));
        for other in [record(2, "ab", b"cd"), record(1, "abc", b"d"), record(1, "ab", b"ce"), record(1, "", b"abcd")] {
            assert_ne!(link(&[0; 32], &other), base, "{other:?}");
        }
        assert_ne!(link(&[1; 32], &record(1, "ab", b"cd")), base);
    }

    #[test]
    fn blocks_lie_end_to_end() {
        let mut chain = Chain::default();
        let mut blocks = Vec::new();
        for number in 0..u64::from(BLOCK) * 2 + 5 {
            // Offsets may have holes.
            blocks.extend(chain.add(&record(number * 2, "key", b"payload")));
        }
        let [(0, first), (1, second)] = &blocks[..] else { panic!("{blocks:?}") };
        assert_eq!((first.start, first.end, second.start), (0, u64::from(BLOCK) * 2 - 1, first.end));
        let open = chain.open_block(99_999).expect("five records");
        assert_eq!((open.start, open.records, open.head), (second.end, 5, chain.head));
    }
}
