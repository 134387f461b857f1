//! One topic of one partition, record by record, from an offset to an end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atelier_log::{Error, Log, Partition, Reader, Record};
use atelier_schemas::Topic;

const BATCH: usize = 2000;
const POLL: Duration = Duration::from_millis(500);

/// Each record is read once, by `read`, when it comes.
pub(super) struct Stream<'a, T> {
    partition: Partition,
    end: u64,
    /// After the last record given out.
    passed: u64,
    reader: Option<Box<dyn Reader>>,
    read: Box<dyn Fn(&Record) -> T + 'a>,
    waiting: VecDeque<(Record, T)>,
    progress: &'a AtomicU64,
}

impl<'a, T> Stream<'a, T> {
    /// Gives the records of `from..end`; `progress` counts them as they come.
    pub(super) fn open(
        log: &dyn Log,
        (topic, partition): (Topic, Partition),
        (from, end): (u64, u64),
        read: impl Fn(&Record) -> T + 'a,
        progress: &'a AtomicU64,
    ) -> Result<Self, Error> {
        let reader = if from < end { Some(log.read(topic, &[(partition, from)])?) } else { None };
        Ok(Self { partition, end, passed: from, reader, read: Box::new(read), waiting: VecDeque::new(), progress })
    }

    /// Whether there is nothing left to fetch.
    fn drained(&self) -> bool {
        self.reader.as_ref().is_none_or(|reader| reader.position(self.partition) >= self.end)
    }

    fn fetch(&mut self) -> Result<(), Error> {
        if let Some(reader) = &mut self.reader {
            let records = reader.poll(BATCH, POLL)?;
            self.progress.fetch_add(records.len() as u64, Ordering::Relaxed);
            let (end, read) = (self.end, &self.read);
            self.waiting.extend(records.into_iter().filter(|record| record.offset < end).map(|record| {
                let body = read(&record);
                (record, body)
            }));
        }
        Ok(())
    }

    /// The next record, without taking it.
    pub(super) fn peek(&mut self) -> Result<Option<&(Record, T)>, Error> {
        Ok(self.ahead(1)?.front())
    }

    /// The next `count` records (fewer at the end, perhaps more), without taking them.
    pub(super) fn ahead(&mut self, count: usize) -> Result<&VecDeque<(Record, T)>, Error> {
        while self.waiting.len() < count && !self.drained() {
            self.fetch()?;
        }
        Ok(&self.waiting)
    }

    /// Takes the next record.
    pub(super) fn next(&mut self) -> Result<Option<(Record, T)>, Error> {
        self.peek()?;
        let next = self.waiting.pop_front();
        if let Some((record, _)) = &next {
            self.passed = record.offset + 1;
        }
        Ok(next)
    }

    /// Where to go on from: everything below has been taken, or there is nothing there.
    pub(super) fn position(&self) -> u64 {
        match self.waiting.front() {
            Some((record, _)) => record.offset,
            None if self.drained() => self.end.max(self.passed),
            None => self.passed,
        }
    }

    /// Goes on to a later end, once everything up to the present one has been fetched. `false`: there is no more.
    pub(super) fn extend(&mut self, log: &dyn Log, topic: Topic, end: u64) -> Result<bool, Error> {
        if end <= self.end || !self.drained() {
            return Ok(false);
        }
        self.reader = Some(log.read(topic, &[(self.partition, self.end)])?);
        self.end = end;
        Ok(true)
    }

    /// Whether everything up to the end has been taken.
    pub(super) fn is_over(&mut self) -> Result<bool, Error> {
        Ok(self.peek()?.is_none())
    }
}

/// Where a record lies, for people.
pub(super) fn place(record: &Record) -> String {
    place_at(record.topic, record.partition, record.offset)
}

/// The same, of a record that is not at hand.
pub(super) fn place_at(topic: Topic, partition: Partition, offset: u64) -> String {
    format!("{topic} partition {partition} offset {offset}")
}
