//! An independent reader of the topics. It shares nothing with the engine's or the audit's reasoning:
//! records are decoded by another Avro implementation, straight from the schema files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use atelier_log::{Log, Record};
use atelier_schemas::Topic;

/// Single-object framing: two bytes of marker, eight of fingerprint.
const FRAME_BYTES: usize = 10;

/// What the reader found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) commands: usize,
    pub(crate) events: usize,
    /// By order: version → status.
    pub(crate) orders: BTreeMap<String, BTreeMap<i64, String>>,
    /// By order: version → event id.
    pub(crate) ids: BTreeMap<String, BTreeMap<i64, String>>,
}

fn schema(file: &str) -> Schema {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/avro").join(file);
    Schema::parse_str(&std::fs::read_to_string(path).expect("the schema file is there")).expect("the schema parses")
}

fn records(log: &dyn Log, topic: Topic, partition: u32) -> Vec<Record> {
    let end = log.end(topic, partition).expect("the log answers");
    let mut all = Vec::new();
    if end > 0 {
        let mut reader = log.read(topic, &[(partition, 0)]).expect("the log answers");
        while reader.position(partition) < end {
            all.extend(reader.poll(1000, Duration::from_millis(500)).expect("the log answers"));
        }
    }
    all
}

/// A record as fields by name.
fn decode(schema: &Schema, record: &Record) -> BTreeMap<String, Value> {
    assert_eq!(record.payload[..2], [0xC3, 0x01], "single-object framing");
    let reader = GenericDatumReader::builder(schema).build().expect("a reader");
    match reader.read_value(&mut &record.payload[FRAME_BYTES..]).expect("the record follows its schema") {
        Value::Record(fields) => fields.into_iter().collect(),
        other => panic!("not a record: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Uuid(id) => id.to_string(),
        Value::String(text) => text.clone(),
        Value::Union(_, inner) => text(inner),
        Value::Null => String::new(),
        other => panic!("not a text: {other:?}"),
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Long(number) => *number,
        Value::Int(number) => i64::from(*number),
        other => panic!("not a number: {other:?}"),
    }
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    match record {
        Value::Record(fields) => &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {name}")).1,
        Value::Union(_, inner) => field(inner, name),
        other => panic!("not a record: {other:?}"),
    }
}

/// Reads everything and checks what must hold whatever was killed: per order, versions 1, 2, 3 …; one
/// outcome per command offset, in order; no event id twice; every event of an accepted command there.
pub(crate) fn check(log: &dyn Log) -> Found {
    let (commands, events, outcomes) = (schema("command.avsc"), schema("event.avsc"), schema("outcome.avsc"));
    let mut found = Found::default();
    let mut event_ids = BTreeSet::new();
    let mut caused = BTreeMap::<String, usize>::new();
    let mut promised = BTreeMap::<String, usize>::new();
    for partition in 0..log.partitions() {
        let mut asked = BTreeMap::new();
        for record in records(log, Topic::Commands, partition) {
            asked.insert(record.offset as i64, text(&decode(&commands, &record)["command_id"]));
        }
        found.commands += asked.len();
        let mut answered = BTreeMap::new();
        for record in records(log, Topic::Outcomes, partition) {
            let outcome = decode(&outcomes, &record);
            let offset = number(&outcome["command_offset"]);
            let id = text(&outcome["command_id"]);
            assert_eq!(asked.get(&offset), Some(&id), "the outcome at partition {partition} offset {} answers its command", record.offset);
            assert_eq!(answered.insert(offset, id.clone()), None, "command offset {offset} of partition {partition} has one outcome");
            let Value::Union(branch, result) = &outcome["result"] else { panic!("a union") };
            let accepted = *branch == 0;
            if accepted && *field(result, "repeated") == Value::Boolean(false) && *field(result, "dry_run") == Value::Boolean(false) {
                let Value::Array(types) = field(result, "events") else { panic!("an array") };
                assert_eq!(promised.insert(id.clone(), types.len()), None, "command {id} took effect once");
            }
        }
        assert_eq!(
            asked.keys().collect::<Vec<_>>(),
            answered.keys().collect::<Vec<_>>(),
            "every command of partition {partition} has its outcome"
        );
        for record in records(log, Topic::Events, partition) {
            let event = decode(&events, &record);
            let (order, version) = (text(&event["order_id"]), number(&event["version"]));
            assert_eq!(order, record.key, "the key of an event is its order");
            let versions = found.orders.entry(order.clone()).or_default();
            assert_eq!(version, versions.len() as i64 + 1, "order {order}: versions are contiguous");
            versions.insert(version, text(field(&event["after"], "status")));
            let event_id = text(&event["event_id"]);
            found.ids.entry(order.clone()).or_default().insert(version, event_id.clone());
            assert!(event_ids.insert(event_id), "event id of order {order} version {version} is new");
            let cause = text(&event["command_id"]);
            if !cause.is_empty() {
                *caused.entry(cause).or_default() += 1;
            }
            found.events += 1;
        }
    }
    assert_eq!(caused, promised, "outcomes speak of exactly the events there are");
    found
}

/// Every acknowledged command is in the log, with the status its answer named.
pub(crate) fn check_acknowledged(found: &Found, acks: &Path) -> usize {
    let lines = std::fs::read_to_string(acks).expect("the acknowledgements were written");
    for line in lines.lines() {
        let ack: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let (order, version) = (ack["order_id"].as_str().expect("an id"), ack["version"].as_i64().expect("a version"));
        let status = found.orders.get(order).and_then(|versions| versions.get(&version));
        assert_eq!(status.map(String::as_str), ack["status"].as_str(), "acknowledged: order {order} version {version}");
    }
    lines.lines().count()
}
