//! Times and types as people write them, and reading all partitions of the events in the order of time.

use std::collections::VecDeque;
use std::time::Duration;

use atelier_log::{Error, Log, Partition, Reader, Record};
use atelier_schemas::{EventData, TimeMs, Topic};
use chrono::{DateTime, SecondsFormat, Utc};

const BATCH: usize = 1000;
const POLL: Duration = Duration::from_millis(200);

/// RFC 3339 to milliseconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<TimeMs, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|error| format!("{error}; write it as 2026-11-20T12:00:00Z"))?;
    Ok(time.timestamp_millis())
}

/// A type of event that exists.
pub(crate) fn parse_type(text: &str) -> Result<String, String> {
    if EventData::TYPES.contains(&text) { Ok(text.to_owned()) } else { Err(format!("there are {}", EventData::TYPES.join(", "))) }
}

/// Milliseconds since 1970 to RFC 3339, UTC.
pub(crate) fn time_text(time: TimeMs) -> String {
    DateTime::<Utc>::from_timestamp_millis(time).map_or_else(|| time.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// All events that lie in the log when this is made, partition by partition merged by the log's own time.
pub(crate) struct Events {
    sources: Vec<Source>,
}

struct Source {
    partition: Partition,
    reader: Box<dyn Reader>,
    waiting: VecDeque<Record>,
    end: u64,
}

impl Events {
    /// Of these partitions.
    pub(crate) fn open(log: &dyn Log, partitions: impl IntoIterator<Item = Partition>) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for partition in partitions {
            let end = log.end(Topic::Events, partition)?;
            let reader = log.read(Topic::Events, &[(partition, 0)])?;
            sources.push(Source { partition, reader, waiting: VecDeque::new(), end });
        }
        Ok(Self { sources })
    }

    /// The next record, oldest first; `None` once all that lay there has been given.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Error> {
        for source in &mut self.sources {
            source.fill()?;
        }
        let oldest = self.sources.iter_mut().filter(|source| !source.waiting.is_empty());
        let oldest = oldest.min_by_key(|source| source.waiting.front().map(|record| (record.time, record.partition, record.offset)));
        Ok(oldest.and_then(|source| source.waiting.pop_front()))
    }

    /// Where reading may go on from.
    pub(crate) fn positions(&self) -> Vec<(Partition, u64)> {
        self.sources.iter().map(|source| (source.partition, source.reader.position(source.partition))).collect()
    }
}

impl Source {
    fn fill(&mut self) -> Result<(), Error> {
        while self.waiting.is_empty() && self.reader.position(self.partition) < self.end {
            self.waiting.extend(self.reader.poll(BATCH, POLL)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_types_are_checked_by_name() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(time_text(1000), "1970-01-01T00:00:01.000Z");
        assert!(parse_time("yesterday").unwrap_err().contains("2026-11-20T12:00:00Z"));
        assert!(parse_type("OrderShipped").is_ok());
        assert!(parse_type("OrderLost").unwrap_err().contains("OrderShipped"));
    }
}
