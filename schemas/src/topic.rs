//! Topics as an enum; where a key lies as a function.

use uuid::Uuid;

/// The topics of the engine. Physical names are `<prefix><name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// What is asked.
    Commands,
    /// What happened. Never compacted, never expired.
    Events,
    /// What was answered.
    Outcomes,
    /// Hints for the pricing workers.
    PricingJobs,
}

impl Topic {
    /// All of them, in a fixed order.
    pub const ALL: [Topic; 4] = [Topic::Commands, Topic::Events, Topic::Outcomes, Topic::PricingJobs];

    /// The name without a prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Commands => "orders.commands",
            Topic::Events => "orders.events",
            Topic::Outcomes => "orders.outcomes",
            Topic::PricingJobs => "pricing.jobs",
        }
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The partition of an order, the same one a Java producer's default partitioner picks for its text.
pub fn partition_of(order_id: &Uuid, partitions: u32) -> u32 {
    let mut text = Uuid::encode_buffer();
    let key = order_id.as_hyphenated().encode_lower(&mut text);
    (murmur2(key.as_bytes()) & 0x7fff_ffff) % partitions
}

/// The order a record with this key is about; `None` where it is none. Only the text that is written counts, lower case and
/// with hyphens: under any other spelling an order would lie elsewhere, and be looked up in vain.
///
/// # Examples
/// ```
/// use atelier_schemas::order_of_key;
/// let key = "0190a5f2-6f3e-7c4a-9b1d-2e8f4a6c8d10";
/// assert_eq!(order_of_key(key), key.parse().ok());
/// assert_eq!(order_of_key(&key.to_uppercase()), None);
/// ```
pub fn order_of_key(key: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(key).ok()?;
    (key == id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())).then_some(id)
}

/// MurmurHash2 with Kafka's seed, as in `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}
