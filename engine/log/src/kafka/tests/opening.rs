//! Connecting: a new log, an old one, one that is different, none at all.

use super::super::config::Config;
use super::super::context::wait;
use super::*;
use crate::Error;

#[test]
fn an_unreachable_broker_is_named() {
    let brokers = format!("127.0.0.1:{}", atelier_support::free_port());
    let error = Kafka::connect(Config { brokers: brokers.clone(), ..Config::default() }).err().expect("there is no broker");
    let text = error.to_string();
    assert!(matches!(error, Error::Unavailable(_)), "{text}");
    assert!(text.contains(&brokers) && text.contains("check that it runs"), "{text}");
}

#[test]
fn creators_that_race_agree() {
    let config = Config { partitions: 0, ..config() };
    let logs: Vec<Kafka> = std::thread::scope(|scope| {
        let racing: Vec<_> = (0..4).map(|_| scope.spawn(|| Kafka::connect(config.clone()).expect("connected"))).collect();
        racing.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(logs.iter().all(|log| log.id() == logs[0].id()), "they made more than one log");
    assert_eq!(logs[0].partitions(), Config::PARTITIONS);
}

#[test]
fn another_partition_count_is_refused_with_both_numbers() {
    let made = Config { partitions: 3, ..config() };
    Kafka::connect(made.clone()).expect("made");
    let text = match Kafka::connect(Config { partitions: 5, ..made.clone() }) {
        Err(Error::Mismatch(text)) => text,
        other => panic!("{:?}", other.err()),
    };
    assert!(text.contains("with 3 partitions") && text.contains("5 are configured"), "{text}");
    assert_eq!(Kafka::connect(Config { partitions: 0, ..made }).expect("as the log says").partitions(), 3);
}

#[test]
fn a_topic_that_somebody_changed_is_refused() {
    use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
    let config = config();
    Kafka::connect(config.clone()).expect("made");
    let admin: AdminClient<_> = config.common().create::<AdminClient<rdkafka::client::DefaultClientContext>>().expect("admin");
    let name = config.topic(Topic::Events);
    wait(admin.create_partitions(&[NewPartitions::new(&name, 7)], &AdminOptions::new())).expect("asked")[0].clone().expect("added");
    // The brokers tell the new count a moment later.
    let error = until("the change is seen", || Kafka::connect(config.clone()).err());
    assert!(matches!(&error, Error::Mismatch(text) if text.contains("orders.events has 7 partitions")), "{error}");
}

#[test]
fn a_wrong_property_is_named_and_its_value_is_not() {
    let extra = vec![("sasl.mechanisms".into(), "hunter2".into()), ("security.protocol".into(), "hunter2".into())];
    let config = Config { extra, ..config() };
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = Kafka::connect(config).err().expect("refused").to_string();
    assert!(error.contains("security.protocol") && !error.contains("hunter2"), "{error}");
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let log = Kafka::connect(config()).expect("connected");
    let record = NewRecord { payload: vec![7; log.max_payload_bytes() + 1], ..new_record("") };
    let error = wait(log.append(Topic::Commands, 0, record)).expect_err("refused");
    assert!(matches!(&error, Error::TooLarge { key, bytes: 1_000_001, limit: 1_000_000 } if key == "order"), "{error}");
    // Random bytes do not compress: the largest payload fits as it is.
    let random: Vec<u8> = (0..62_500).flat_map(|_| *Uuid::new_v4().as_bytes()).collect();
    assert_eq!(random.len(), log.max_payload_bytes());
    assert_eq!(wait(log.append(Topic::Commands, 0, NewRecord { payload: random, ..new_record("") })).expect("it fits"), 0);
}
