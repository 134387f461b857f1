//! Bytes that are on somebody's disk already: they must be read for ever, and written so until a schema
//! is changed on purpose.
//!
//! After a deliberate change: `ATELIER_WRITE_GOLDEN=1 cargo test --release --workspace golden`, keep the
//! older schema in `avro/older` and its bytes as `NAME-1.hex`, with a reader test, and say so in the changelog.

use std::fmt::Write;
use std::path::PathBuf;

use super::samples;
use crate::Framed;

fn check<T: Framed + PartialEq + std::fmt::Debug>(name: &str, records: &[T]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.hex"));
    let mut written = String::new();
    for record in records {
        for byte in record.encode() {
            write!(written, "{byte:02x}").unwrap();
        }
        written.push('\n');
    }
    if std::env::var_os("ATELIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(golden.lines().count(), records.len());
    for ((line, record), now) in golden.lines().zip(records).zip(written.lines()) {
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect();
        assert_eq!(&T::decode(&bytes).unwrap(), record, "{name}: golden bytes read as the record");
        assert_eq!(now, line, "{name}: the record is written as the golden bytes");
    }
}

#[test]
fn golden_bytes_are_read_and_written() {
    check("command", &samples::commands());
    check("event", &samples::events());
    check("outcome", &samples::outcomes());
    check("pricing_job", &samples::jobs());
}

/// What is newer has its default, and every one of the samples of then is one of now.
fn check_earlier<T: Framed + PartialEq + std::fmt::Debug>(name: &str, at_least: usize, samples: &[T]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.hex"));
    let golden = std::fs::read_to_string(path).unwrap();
    assert!(golden.lines().count() >= at_least, "{name}");
    for line in golden.lines() {
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect();
        let record = T::decode(&bytes).unwrap();
        assert!(samples.contains(&record), "{name}: {record:?}");
    }
}

#[test]
fn records_of_earlier_releases_stay_readable() {
    check_earlier("event-1", 11, &samples::events());
    check_earlier("event-2", 11, &samples::events());
    check_earlier("event-3", 11, &samples::events());
    check_earlier("command-1", 11, &samples::commands());
    check_earlier("command-2", 11, &samples::commands());
    check_earlier("outcome-1", 2, &samples::outcomes());
}
