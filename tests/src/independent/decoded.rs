//! Records as fields by name, decoded by `apache-avro` from the schema files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use serde_json::Value as Json;

/// Single-object framing: two bytes of marker, eight of fingerprint.
const FRAME_BYTES: usize = 10;
const MARKER: [u8; 2] = [0xC3, 0x01];

/// Reads the records of one topic.
pub(super) struct Decoder {
    schema: Schema,
    fingerprint: Vec<u8>,
}

impl Decoder {
    pub(super) fn of(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/avro").join(file);
        let text = std::fs::read_to_string(path).expect("the schema file is there");
        let schema = Schema::parse_str(&text).expect("the schema parses");
        let plain = plain(serde_json::from_str(&text).expect("a schema is JSON"));
        let fingerprint = Schema::parse(&plain).expect("the schema parses").fingerprint::<Rabin>().bytes;
        Self { schema, fingerprint }
    }

    /// The fields; `None` for what is no record of this schema.
    pub(super) fn decode(&self, payload: &[u8]) -> Option<Fields> {
        let (frame, rest) = payload.split_at_checked(FRAME_BYTES)?;
        if frame[..2] != MARKER || frame[2..] != self.fingerprint {
            return None;
        }
        let reader = GenericDatumReader::builder(&self.schema).build().expect("a reader of a schema that parses");
        let mut datum = Datum { rest, short: false };
        match reader.read_value(&mut datum).ok()? {
            Value::Record(fields) if !datum.short => Some(Fields(fields.into_iter().collect())),
            _ => None,
        }
    }
}

/// The bytes of a datum. Where they end too early `apache-avro` makes nulls of what is missing, so it is noted here.
struct Datum<'a> {
    rest: &'a [u8],
    short: bool,
}

impl Read for Datum<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.rest.read(into)?;
        self.short |= read == 0 && !into.is_empty();
        Ok(read)
    }
}

/// The schema without logical types. They do not count for a fingerprint, but `apache-avro` leaves
/// `{"type": "string"}` of them behind.
fn plain(schema: Json) -> Json {
    match schema {
        Json::Object(fields) if fields.contains_key("logicalType") => fields["type"].clone(),
        Json::Object(fields) => Json::Object(fields.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        Json::Array(items) => Json::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// A decoded record.
pub(super) struct Fields(BTreeMap<String, Value>);

impl Fields {
    pub(super) fn of(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("the schema has no field {name}"))
    }

    pub(super) fn text(&self, name: &str) -> String {
        text(self.of(name))
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        number(self.of(name))
    }
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Uuid(id) => id.to_string(),
        Value::String(text) => text.clone(),
        Value::Union(_, inner) => text(inner),
        Value::Null => String::new(),
        other => panic!("not a text: {other:?}"),
    }
}

pub(super) fn number(value: &Value) -> i64 {
    match value {
        Value::Long(number) | Value::TimestampMillis(number) => *number,
        Value::Int(number) => i64::from(*number),
        other => panic!("not a number: {other:?}"),
    }
}

/// A field of a nested record, also within a union.
pub(super) fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    match record {
        Value::Record(fields) => &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {name}")).1,
        Value::Union(_, inner) => field(inner, name),
        other => panic!("not a record: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use atelier_schemas::{Actor, After, Event, EventData, Framed};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_record_that_is_cut_off_anywhere_is_none() {
        let id = Uuid::from_u128(7);
        let event = Event {
            event_id: id,
            order_id: id,
            version: 1,
            type_name: "OrderSubmitted".into(),
            time: 0,
            actor: Actor { role: "customer".into(), name: "shop".into() },
            command_id: None,
            command_digest: None,
            correlation_id: id,
            traceparent: None,
            after: After { status: "SUBMITTED".into(), stage: "draft".into(), held: false, attention: Vec::new(), due: None },
            data: EventData::OrderSubmitted {},
            replayed: None,
        };
        let (decoder, whole) = (Decoder::of("event.avsc"), event.encode());
        assert_eq!(decoder.decode(&whole).expect("it is whole").text("order_id"), id.to_string());
        for length in 0..whole.len() {
            assert!(decoder.decode(&whole[..length]).is_none(), "{length} of {} bytes", whole.len());
            assert!(Event::decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
    }
}
