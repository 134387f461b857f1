//! The bytes of heads and parts.

use std::collections::BTreeMap;

use atelier_domain::Order;
use atelier_log::Record;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::closed;
use crate::partition::Parked;

/// Of every object.
const MAGIC: &[u8; 8] = b"ATELIERC";
/// Of the orders and of what events make of them: to be raised when either changes, which a test notices. Checkpoints of
/// another layout are passed over.
pub(super) const LAYOUT: u32 = 4;
const HASH_BYTES: usize = 32;
const FRAME_BYTES: usize = MAGIC.len() + size_of::<u32>() + HASH_BYTES;

/// What a checkpoint covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// As in its name.
    pub(super) folder: String,
    /// The offset of the first event it does not cover.
    pub(super) events: u64,
    /// All that commands below this offset led to is covered.
    pub(super) next_command: u64,
    /// The offset of the last event it covers.
    pub(super) last_offset: u64,
    /// That event.
    pub(super) last_hash: [u8; 32],
    /// The orders.
    pub(super) parts: Vec<Part>,
    /// Those that are set aside, by key: every engine that restores looks at their records again.
    pub(super) parked: BTreeMap<String, Parked>,
}

/// Some orders, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) sha256: [u8; 32],
    pub(super) orders: u64,
    /// They have ended.
    pub(super) ended: bool,
}

/// An order and its id.
pub(super) type Entry = (Uuid, Order);

/// The beginning of an object, to be followed by its body and [`seal`]ed.
pub(super) fn begin() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&LAYOUT.to_le_bytes());
    bytes.extend_from_slice(&[0; HASH_BYTES]);
    bytes
}

/// Adds a value to the body.
pub(super) fn add<T: Serialize + ?Sized>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("plain values become bytes")
}

/// Writes the hash of the body into the frame.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = hash(&bytes[FRAME_BYTES..]);
    bytes[FRAME_BYTES - HASH_BYTES..FRAME_BYTES].copy_from_slice(&hash);
    bytes
}

/// Takes the frame off, or says what is wrong.
fn body(bytes: &[u8]) -> Result<&[u8], String> {
    let Some((frame, body)) = bytes.split_at_checked(FRAME_BYTES) else {
        return Err(format!("it is cut off after {} bytes", bytes.len()));
    };
    let (magic, rest) = frame.split_at(MAGIC.len());
    let (layout, sha256) = rest.split_at(size_of_val(&LAYOUT));
    if magic != MAGIC {
        return Err("it is no checkpoint".into());
    }
    if layout != LAYOUT.to_le_bytes() {
        return Err("it has the layout of another version".into());
    }
    if sha256 != hash(body) {
        return Err("its bytes are not those that were written".into());
    }
    Ok(body)
}

/// The head in these bytes, or what is wrong with them.
pub(super) fn head(bytes: &[u8]) -> Result<Head, String> {
    postcard::from_bytes(body(bytes)?).map_err(|error| format!("it cannot be read: {error}"))
}

/// Gives each order of a part to `take`, or says what is wrong.
pub(super) fn entries(bytes: &[u8], part: &Part, mut take: impl FnMut(Entry) -> Result<(), closed::Error>) -> Result<(), Doubt> {
    if hash(bytes) != part.sha256 {
        return Err(Doubt::Checkpoint("its bytes are not those that were written".into()));
    }
    let mut rest = body(bytes).map_err(Doubt::Checkpoint)?;
    let mut orders = 0;
    while !rest.is_empty() {
        let (entry, left) =
            postcard::take_from_bytes::<Entry>(rest).map_err(|error| Doubt::Checkpoint(format!("it cannot be read: {error}")))?;
        take(entry)?;
        (rest, orders) = (left, orders + 1);
    }
    if orders != part.orders {
        return Err(Doubt::Checkpoint(format!("it has {orders} orders instead of {}", part.orders)));
    }
    Ok(())
}

/// Why a part was not taken over.
pub(super) enum Doubt {
    /// Another checkpoint may do.
    Checkpoint(String),
    /// None will.
    Index(closed::Error),
}

impl From<closed::Error> for Doubt {
    fn from(error: closed::Error) -> Self {
        Self::Index(error)
    }
}

pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Of all of a record but its place and time.
pub(super) fn record_hash(record: &Record) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for field in [record.key.as_bytes(), record.kind.as_bytes(), record.payload.as_slice()] {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    hasher.finalize().into()
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}
