//! Old readers and new records, new readers and old records.

use serde_avro_fast::{Schema, ser::SerializerConfig, to_single_object_vec};
use serde_json::{Value, json};

use super::samples;
use crate::{Codec, Event, Framed, PricingJob, Unreadable};

fn schema_with(edit: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut schema: Value = serde_json::from_str(PricingJob::SCHEMA).unwrap();
    edit(schema["fields"].as_array_mut().unwrap());
    schema.to_string()
}

#[test]
fn an_older_reader_reads_a_newer_record() {
    let newer = schema_with(|fields| fields.insert(1, json!({"name": "priority", "type": "int", "default": 0})));
    #[derive(serde::Serialize)]
    struct Newer {
        priority: i32,
        #[serde(flatten)]
        job: PricingJob,
    }
    let job = samples::jobs().remove(0);
    let schema: Schema = newer.parse().unwrap();
    // Flattened structs serialise as maps, which the writer takes field by field.
    let bytes = to_single_object_vec(&Newer { priority: 9, job: job.clone() }, &mut SerializerConfig::new(&schema)).unwrap();

    assert!(matches!(PricingJob::decode(&bytes), Err(Unreadable::UnknownSchema(_))), "without the writer's schema it is not guessed");
    let codec = Codec::new().with_writer(&newer).unwrap();
    assert_eq!(codec.decode::<PricingJob>(&bytes).unwrap(), job);
}

#[test]
fn a_newer_reader_reads_an_older_record() {
    let older = schema_with(|fields| fields.retain(|field| field["name"] != "traceparent"));
    let job = samples::jobs().remove(0);
    #[derive(serde::Serialize)]
    struct Older<'a> {
        #[serde(with = "uuid::serde::hyphenated")]
        order_id: uuid::Uuid,
        attempt: i32,
        model: &'a crate::Model,
        item: &'a crate::Item,
        requested_at: i64,
        #[serde(with = "uuid::serde::hyphenated")]
        correlation_id: uuid::Uuid,
    }
    let record = Older {
        order_id: job.order_id,
        attempt: job.attempt,
        model: &job.model,
        item: &job.item,
        requested_at: job.requested_at,
        correlation_id: job.correlation_id,
    };
    let schema: Schema = older.parse().unwrap();
    let bytes = to_single_object_vec(&record, &mut SerializerConfig::new(&schema)).unwrap();
    let codec = Codec::new().with_writer(&older).unwrap();
    assert_eq!(codec.decode::<PricingJob>(&bytes).unwrap(), job, "the missing field takes its default");
}

#[test]
fn a_newer_branch_is_unreadable_to_an_older_reader_and_says_so() {
    let mut newer: Value = serde_json::from_str(Event::SCHEMA).unwrap();
    let fields = newer["fields"].as_array_mut().unwrap();
    let data = fields.iter_mut().find(|field| field["name"] == "data").unwrap();
    data["type"].as_array_mut().unwrap().insert(0, json!({"type": "record", "name": "OrderTeleported", "fields": []}));
    let codec = Codec::new().with_writer(&newer.to_string()).unwrap();

    let event = samples::events().remove(2);
    let mut bytes = event.encode();
    let schema: Schema = newer.to_string().parse().unwrap();
    bytes[2..10].copy_from_slice(schema.rabin_fingerprint());
    // In the newer union every branch has moved up by one: this now names OrderCreated's neighbour.
    // Behind it there is only that nobody replayed it.
    let data_at = bytes.len() - 2;
    assert_eq!(bytes[data_at], 2 << 1, "the branch of OrderSubmitted, zig-zag");
    bytes[data_at] = 0;
    let unreadable = codec.decode::<Event>(&bytes).unwrap_err();
    assert!(unreadable.to_string().contains("OrderTeleported"), "{unreadable}");
    bytes[data_at] = 3 << 1;
    assert_eq!(codec.decode::<Event>(&bytes).unwrap(), event, "known branches are found by name, wherever they moved");
}
