//! Avro single-object framing: `C3 01`, the schema's CRC-64-AVRO fingerprint, the datum.
//!
//! The writer's schema is found by its fingerprint, so a record written under another version of a
//! schema is read as what it was written as; fields the reader does not know are skipped, fields it
//! misses take their default. Source: Apache Avro 1.12 specification, "Single-object encoding".

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_avro_fast::{Schema, from_datum_slice};

use crate::datum;
use crate::{Command, Event, EventOf, Outcome, OutcomeOf, PricingJob, Word};

/// Before the fingerprint.
const FRAME: [u8; 2] = [0xC3, 0x01];

/// A record that travels in a frame of its own.
///
/// What is generated for a record, some thousand functions, is compiled with this crate and not again with each that reads one:
/// therefore each implementation has its own `encode` and `from_datum`.
pub trait Framed: Serialize + DeserializeOwned {
    /// The schema it is written with, as JSON.
    const SCHEMA: &'static str;
    /// The same, parsed once.
    fn schema() -> &'static Schema;
    /// What earlier releases wrote with, newest first. Their records lie in logs and stay readable.
    fn older() -> &'static [Schema];

    /// The framed bytes of this record.
    ///
    /// # Panics
    /// When the Rust type and its schema differ, which the tests of this crate rule out.
    fn encode(&self) -> Vec<u8>;
    /// Reads an unframed record that was written with `schema`.
    ///
    /// # Errors
    /// [`Unreadable::Malformed`].
    fn from_datum(datum: &[u8], schema: &Schema) -> Result<Self, Unreadable>;

    /// Reads a record written with this binary's schema or one of an earlier release.
    ///
    /// # Errors
    /// [`Unreadable`] says what was found instead.
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (datum, schema) = unframed::<Self>(bytes)?;
        Self::from_datum(datum, schema)
    }
}

/// Reads the fields that `P` has of a `T` written with this binary's schema or one of an earlier release.
pub(crate) fn part_of<T: Framed, P: DeserializeOwned>(bytes: &[u8]) -> Result<P, Unreadable> {
    let (datum, schema) = unframed::<T>(bytes)?;
    datum_of(datum, schema)
}

/// The datum of a framed `T`, and what it was written with.
fn unframed<T: Framed>(bytes: &[u8]) -> Result<(&[u8], &'static Schema), Unreadable> {
    let (fingerprint, datum) = split(bytes)?;
    let mut known = std::iter::once(T::schema()).chain(T::older());
    match known.find(|schema| &fingerprint == schema.rabin_fingerprint()) {
        Some(schema) => Ok((datum, schema)),
        None => Err(Unreadable::UnknownSchema(u64::from_le_bytes(fingerprint))),
    }
}

macro_rules! framed {
    ($type:ident, $file:literal $(, $older:literal)*) => {
        impl Framed for $type {
            const SCHEMA: &'static str = include_str!(concat!("../avro/", $file));
            fn schema() -> &'static Schema {
                static PARSED: LazyLock<Schema> = LazyLock::new(|| include_str!(concat!("../avro/", $file)).parse().expect("the schema file parses"));
                &PARSED
            }
            fn older() -> &'static [Schema] {
                static PARSED: LazyLock<Vec<Schema>> =
                    LazyLock::new(|| vec![$(include_str!(concat!("../avro/older/", $older)).parse().expect("the schema file parses")),*]);
                &PARSED
            }
            fn encode(&self) -> Vec<u8> {
                frame(self, Self::schema())
            }
            fn from_datum(datum: &[u8], schema: &Schema) -> Result<Self, Unreadable> {
                datum_of(datum, schema)
            }
        }
    };
}
framed!(Command, "command.avsc", "command-2.avsc", "command-1.avsc");
framed!(Event, "event.avsc", "event-3.avsc", "event-2.avsc", "event-1.avsc");
framed!(Outcome, "outcome.avsc", "outcome-1.avsc");
framed!(PricingJob, "pricing_job.avsc");

impl EventOf<Word> {
    /// The same bytes as the [`Event`] with the same words.
    ///
    /// # Panics
    /// As [`Framed::encode`].
    pub fn encode(&self) -> Vec<u8> {
        frame(self, Event::schema())
    }
}

impl OutcomeOf<Word> {
    /// The same bytes as the [`Outcome`] with the same words.
    ///
    /// # Panics
    /// As [`Framed::encode`].
    pub fn encode(&self) -> Vec<u8> {
        frame(self, Outcome::schema())
    }
}

/// Why bytes are not the record they should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Neither single-object nor Confluent framing.
    #[error("no Avro frame: the record must start with C3 01 and a schema fingerprint")]
    NoFrame,
    /// The Confluent wire format names a schema of a registry.
    #[error("the record names schema {0} of a schema registry and none is configured")]
    NeedsRegistry(u32),
    /// A frame of a schema this reader was not given.
    #[error("unknown schema fingerprint {0:016x}: the writer is newer than this reader or not ours")]
    UnknownSchema(u64),
    /// The schema is known, the bytes do not follow it.
    #[error("the bytes do not follow their schema: {0}")]
    Malformed(String),
}

/// Reads records of writers with other versions of the schemas, by fingerprint.
#[derive(Clone, Default)]
pub struct Codec {
    writers: HashMap<[u8; 8], Arc<Schema>>,
}

impl Codec {
    /// Knows only the schemas compiled in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a writer's schema.
    ///
    /// # Errors
    /// [`Unreadable::Malformed`] when `json` is not an Avro schema.
    pub fn with_writer(mut self, json: &str) -> Result<Self, Unreadable> {
        let schema: Schema = json.parse().map_err(|error| Unreadable::Malformed(format!("{error}")))?;
        self.writers.insert(*schema.rabin_fingerprint(), Arc::new(schema));
        Ok(self)
    }

    /// Reads a record written with a known schema, its own or an added one.
    ///
    /// # Errors
    /// [`Unreadable`] says what was found instead.
    pub fn decode<T: Framed>(&self, bytes: &[u8]) -> Result<T, Unreadable> {
        let (fingerprint, datum) = split(bytes)?;
        match self.writers.get(&fingerprint) {
            Some(schema) => T::from_datum(datum, schema),
            None => T::decode(bytes),
        }
    }
}

fn split(bytes: &[u8]) -> Result<([u8; 8], &[u8]), Unreadable> {
    match bytes {
        [first, second, rest @ ..] if [*first, *second] == FRAME && rest.len() >= 8 => {
            let (fingerprint, datum) = rest.split_at(8);
            Ok((fingerprint.try_into().expect("eight bytes"), datum))
        }
        [0, a, b, c, d, ..] => Err(Unreadable::NeedsRegistry(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => Err(Unreadable::NoFrame),
    }
}

fn frame(record: &impl Serialize, schema: &Schema) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(384);
    bytes.extend_from_slice(&FRAME);
    bytes.extend_from_slice(schema.rabin_fingerprint());
    datum::write(record, bytes).expect("record and schema agree")
}

fn datum_of<T: DeserializeOwned>(datum: &[u8], schema: &Schema) -> Result<T, Unreadable> {
    from_datum_slice(datum, schema).map_err(|error| Unreadable::Malformed(error.to_string()))
}
