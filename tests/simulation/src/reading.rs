//! The read models: two feeds of each, on one store.

use std::sync::Arc;

use atelier_log::memory::Memory;
use atelier_projections::{Fed, Feed, Metrics, Model};
use atelier_schemas::TimeMs;

use crate::bed::Bed;
use crate::failure::{Failure, hold};
use crate::trace::Trace;

/// Records a feed takes at once.
const CHUNK: usize = 50;
/// Feeds of a model.
const FEEDS: usize = 2;
/// By model, a table its transaction writes after it has moved the offsets.
const LAST_TABLE: [&str; 5] = ["shop_timeline", "queue_items", "crm_counts", "partner_orders", "outcomes"];

/// The feeds of a run.
pub(crate) struct Feeds {
    feeds: Vec<Vec<Feed>>,
    log: Memory,
}

impl Feeds {
    pub(crate) fn new(bed: &Bed, log: Memory) -> Self {
        let feeds = Model::ALL.iter().map(|model| (0..FEEDS).map(|_| feed(bed, &log, *model)).collect()).collect();
        Self { feeds, log }
    }

    /// Reads, or commits what was read.
    pub(crate) fn step(&mut self, bed: &Bed, model: usize, feed: usize, now: TimeMs, trace: &mut Trace) -> Result<(), Failure> {
        let (model, feed) = (model % Model::ALL.len(), feed % FEEDS);
        let name = format!("read {feed}");
        let held = &mut self.feeds[model][feed];
        let what = if held.holds() {
            match bed.runtime.block_on(held.commit()).map_err(away)? {
                Fed::Applied(records) => format!("commits {records}"),
                Fed::Moved => "finds that another was faster".to_owned(),
            }
        } else {
            format!("reads {}", bed.runtime.block_on(held.read(CHUNK)).map_err(away)?)
        };
        trace.line(now, &name, format_args!("{} {what}", Model::ALL[model]));
        Ok(())
    }

    /// A feed dies, with what it has read, and another takes its place.
    pub(crate) fn dies(&mut self, bed: &Bed, model: usize, slot: usize, now: TimeMs, trace: &mut Trace) {
        let (model, slot) = (model % Model::ALL.len(), slot % FEEDS);
        let held = self.feeds[model][slot].holds();
        self.feeds[model][slot] = feed(bed, &self.log, Model::ALL[model]);
        let with = if held { " with what it has read" } else { "" };
        trace.line(now, &format!("read {slot}"), format_args!("{} dies{with}", Model::ALL[model]));
    }

    /// A feed commits while a table of the store is away: after the offsets have moved, before the transaction ends.
    pub(crate) fn store_fails(&mut self, bed: &Bed, model: usize, slot: usize, now: TimeMs, trace: &mut Trace) -> Result<(), Failure> {
        let (model, slot) = (model % Model::ALL.len(), slot % FEEDS);
        let table = LAST_TABLE[model];
        let feed = &mut self.feeds[model][slot];
        if !feed.holds() && bed.runtime.block_on(feed.read(CHUNK)).map_err(away)? == 0 {
            return Ok(());
        }
        let rename = |from: &str, to: &str| {
            let renamed = bed.database.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}"));
            renamed.map_err(|error| Failure::new("the store can be broken and mended", error.to_string()))
        };
        rename(table, "away")?;
        let committed = bed.runtime.block_on(feed.commit());
        rename("away", table)?;
        let what = match committed {
            Ok(Fed::Applied(_)) => "had nothing to write into the table that was away",
            Ok(Fed::Moved) => "finds that another was faster",
            Err(_) => "cannot write and keeps what it has read",
        };
        trace.line(now, &format!("read {slot}"), format_args!("{} {what}", Model::ALL[model]));
        Ok(())
    }

    /// Fresh feeds apply all there is.
    pub(crate) fn catch_up(&mut self, bed: &Bed) -> Result<(), Failure> {
        for model in Model::ALL {
            let mut feed = feed(bed, &self.log, *model);
            while bed.runtime.block_on(feed.read(usize::MAX)).map_err(away)? > 0 {
                let fed = bed.runtime.block_on(feed.commit()).map_err(away)?;
                hold("read models move", fed != Fed::Moved, || format!("{model}: the only feed at work was not the fastest"))?;
            }
        }
        Ok(())
    }
}

fn feed(bed: &Bed, log: &Memory, model: Model) -> Feed {
    Feed::new(bed.store.clone(), Arc::new(log.clone()), model, Metrics::default())
}

fn away(error: atelier_projections::Error) -> Failure {
    Failure::new("read models move", error.to_string())
}
