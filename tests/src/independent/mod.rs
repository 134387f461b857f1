//! An independent reader of the topics. It shares nothing with the engine's or the audit's reasoning:
//! records are decoded by another Avro implementation, straight from the schema files.

mod books;
mod decoded;

use std::path::Path;

use atelier_log::Log;

pub use books::Books;

/// Reads everything of a log that stands still and checks what must hold whatever was killed.
///
/// # Panics
/// Where it does not hold; the text names every place.
pub fn check(log: &dyn Log) -> Books {
    let mut books = Books::new(log.partitions());
    books.read(log);
    let mut broken = books.take_violations();
    broken.extend(books.unsettled(log));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    books
}

/// Every acknowledged command is in the log, with the status its answer named. Returns how many there were.
///
/// # Panics
/// At the first that is not.
pub fn check_acknowledged(found: &Books, acks: &Path) -> usize {
    let lines = std::fs::read_to_string(acks).expect("the acknowledgements were written");
    for line in lines.lines() {
        let broken = serde_json::from_str(line).map_or_else(|error| Some(format!("{line}: {error}")), |ack| found.unkept(&ack));
        assert_eq!(broken, None);
    }
    lines.lines().count()
}
