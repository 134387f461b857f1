//! Avro single-object framing: `C3 01`, the schema's CRC-64-AVRO fingerprint, the datum.
//!
//! The writer's schema is found by its fingerprint, so a record written under another version of a
//! schema is read as what it was written as; fields the reader does not know are skipped, fields it
//! misses take their default. Source: Apache Avro 1.12 specification, "Single-object encoding".

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_avro_fast::{Schema, from_datum_slice, ser::SerializerConfig, to_single_object};

use crate::{Command, EventOf, OutcomeOf, PricingJob};

/// A record that travels in a frame of its own.
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
    fn encode(&self) -> Vec<u8> {
        let mut config = SerializerConfig::new(Self::schema());
        to_single_object(self, Vec::with_capacity(384), &mut config).expect("record and schema agree")
    }

    /// Reads a record written with this binary's schema or one of an earlier release.
    ///
    /// # Errors
    /// [`Unreadable`] says what was found instead.
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        part_of::<Self, Self>(bytes)
    }
}

/// Reads the fields that `P` has of a `T` written with this binary's schema or one of an earlier release.
pub(crate) fn part_of<T: Framed, P: DeserializeOwned>(bytes: &[u8]) -> Result<P, Unreadable> {
    let (fingerprint, datum) = split(bytes)?;
    if &fingerprint == T::schema().rabin_fingerprint() {
        return datum_of(datum, T::schema());
    }
    match T::older().iter().find(|schema| &fingerprint == schema.rabin_fingerprint()) {
        Some(schema) => datum_of(datum, schema),
        None => Err(Unreadable::UnknownSchema(u64::from_le_bytes(fingerprint))),
    }
}

macro_rules! framed {
    ($type:ident $(<$word:ident>)?, $file:literal $(, $older:literal)*) => {
        impl $(<$word: Serialize + DeserializeOwned + Default>)? Framed for $type $(<$word>)? {
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
        }
    };
}
framed!(Command, "command.avsc", "command-2.avsc", "command-1.avsc");
framed!(EventOf<W>, "event.avsc", "event-3.avsc", "event-2.avsc", "event-1.avsc");
framed!(OutcomeOf<W>, "outcome.avsc");
framed!(PricingJob, "pricing_job.avsc");

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
            Some(schema) => datum_of(datum, schema),
            None => T::decode(bytes),
        }
    }
}

fn split(bytes: &[u8]) -> Result<([u8; 8], &[u8]), Unreadable> {
    match bytes {
        [0xC3, 0x01, rest @ ..] if rest.len() >= 8 => {
            let (fingerprint, datum) = rest.split_at(8);
            Ok((fingerprint.try_into().expect("eight bytes"), datum))
        }
        [0, a, b, c, d, ..] => Err(Unreadable::NeedsRegistry(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => Err(Unreadable::NoFrame),
    }
}

fn datum_of<T: DeserializeOwned>(datum: &[u8], schema: &Schema) -> Result<T, Unreadable> {
    from_datum_slice(datum, schema).map_err(|error| Unreadable::Malformed(error.to_string()))
}
