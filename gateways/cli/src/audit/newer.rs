//! Rows that are ahead of the audit: right if the log has moved on, wrong if not.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use atelier_log::Log;
use atelier_projections::Model;
use atelier_schemas::Topic;
use uuid::Uuid;

use super::books::{Books, Of};
use super::partition::event;
use super::problem::Problem;
use super::stream::Stream;
use crate::Failure;

/// Rows that wait for a look at the newer events.
const KEPT: usize = 10_000;

/// Rows of a model that the audited part of the log does not explain.
pub(super) struct Newer<'a> {
    log: &'a dyn Log,
    books: &'a Books,
    model: Model,
    /// Order and version.
    rows: HashMap<Uuid, i64>,
}

impl<'a> Newer<'a> {
    pub(super) fn new(log: &'a dyn Log, books: &'a Books, model: Model) -> Self {
        Self { log, books, model, rows: HashMap::new() }
    }

    /// A row says the order is at `version`.
    pub(super) fn add(&mut self, order: Uuid, version: i64) -> Result<(), Failure> {
        self.rows.insert(order, version);
        if self.rows.len() >= KEPT { self.settle() } else { Ok(()) }
    }

    /// Looks for the events of those rows behind the audited ones, and names the rows without.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        tokio::task::block_in_place(|| self.look())?;
        let model = self.model;
        let problems = self.rows.drain().map(|(order, version)| {
            let detail = format!("read model {model} has it at version {version}, of which the log knows nothing");
            Problem::new("unknown_row", order.to_string(), detail)
        });
        self.books.report(Of::Run, problems)
    }

    fn look(&mut self) -> Result<(), Failure> {
        let progress = AtomicU64::new(0);
        for partition in 0..self.log.partitions() {
            let from = self.books.summary(partition)?.next.events;
            let end = self.log.end(Topic::Events, partition)?;
            let mut stream = Stream::open(self.log, (Topic::Events, partition), (from, end), event, &progress)?;
            while let Some((_, event)) = stream.next()? {
                if let Ok(event) = event
                    && self.rows.get(&event.order_id).is_some_and(|version| event.version >= *version)
                {
                    self.rows.remove(&event.order_id);
                }
            }
        }
        Ok(())
    }
}
