//! What an append promises: order, its offset, the record unchanged, and a limit that names the order.

use atelier_log::{Error, Log, NewRecord, Partition};
use atelier_schemas::Topic;

use crate::drivers::{append, read_all, record, wait};
use crate::subject::{PARTITIONS, Subject};

pub(crate) fn order_is_kept_per_key(subject: &dyn Subject) {
    let log = subject.open();
    let write = |log: &dyn Log, key: &str, partition: Partition| {
        for number in 0..50_u8 {
            wait(log.append(Topic::Commands, partition, record(key, [number]))).expect("the log takes it");
        }
    };
    std::thread::scope(|scope| {
        for (key, partition) in [("a", 0), ("b", 0), ("c", 1), ("d", PARTITIONS - 1)] {
            let log = &*log;
            scope.spawn(move || write(log, key, partition));
        }
    });
    let records = read_all(&*log, Topic::Commands);
    assert_eq!(records.len(), 200);
    for key in ["a", "b", "c", "d"] {
        let of_key: Vec<_> = records.iter().filter(|record| record.key == key).collect();
        assert!(of_key.iter().map(|record| record.payload[0]).eq(0..50), "of {key}");
        assert!(of_key.is_sorted_by(|one, other| one.offset < other.offset), "of {key}");
    }
}

pub(crate) fn appends_in_flight_keep_the_order_of_the_calls(subject: &dyn Subject) {
    let log = subject.open();
    let appending: Vec<_> = (0..100_u8).map(|number| log.append(Topic::Commands, 1, record("k", [number]))).collect();
    let offsets: Vec<_> = appending.into_iter().map(|appending| wait(appending).expect("the log takes it")).collect();
    assert!(offsets.is_sorted_by(|one, other| one < other), "{offsets:?}");
    assert!(read_all(&*log, Topic::Commands).iter().map(|record| record.payload[0]).eq(0..100));
}

pub(crate) fn a_record_comes_back_as_it_was_given(subject: &dyn Subject) {
    let log = subject.open();
    let full = NewRecord {
        key: "ключ \u{1f48d}".to_owned(),
        kind: "SubmitOrder",
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        payload: (0..=255).collect(),
    };
    let bare = NewRecord { key: "bare".to_owned(), kind: "HoldOrder", traceparent: None, payload: vec![0] };
    let mut offsets = Vec::new();
    for given in [&full, &bare] {
        offsets.push(wait(log.append(Topic::PricingJobs, 2, given.clone())).expect("the log takes it"));
    }
    let records = read_all(&*log, Topic::PricingJobs);
    assert_eq!(records.len(), 2);
    for ((record, given), offset) in records.iter().zip([&full, &bare]).zip(offsets) {
        assert_eq!((record.topic, record.partition, record.offset), (Topic::PricingJobs, 2, offset));
        assert_eq!((&record.key, record.kind.as_str()), (&given.key, given.kind));
        assert_eq!((&record.traceparent, &record.payload), (&given.traceparent, &given.payload));
    }
}

pub(crate) fn the_end_passes_what_was_appended(subject: &dyn Subject) {
    let log = subject.open();
    let before = log.end(Topic::Events, 0).expect("the log answers");
    let offset = append(&*log, Topic::Events, 0, "one");
    let after = log.end(Topic::Events, 0).expect("the log answers");
    assert!(before <= offset && offset < after, "{before} {offset} {after}");
    assert_eq!(log.partitions(), PARTITIONS);
}

pub(crate) fn a_record_too_large_is_refused_by_name(subject: &dyn Subject) {
    let log = subject.open();
    let limit = log.max_payload_bytes();
    // Does not compress.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(limit + 1)
    .collect();

    let refused = wait(log.append(Topic::Commands, 0, record("order-77", noise.clone())));
    let Err(Error::TooLarge { key, bytes, limit: named }) = refused else { panic!("{refused:?}") };
    assert_eq!((key.as_str(), bytes, named), ("order-77", limit + 1, limit));

    wait(log.append(Topic::Commands, 0, record("order-78", &noise[..limit]))).expect("as large as it may be");
    let records = read_all(&*log, Topic::Commands);
    assert_eq!(records.len(), 1);
    assert!(records[0].key == "order-78" && records[0].payload == noise[..limit]);
}
