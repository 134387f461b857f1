//! How blocks are run, compared and reported.

mod latency;
mod machine;
mod pairs;
mod report;

pub(crate) use latency::Latencies;
pub(crate) use machine::{Machine, Mark, cpu_of, cpu_of_children, cpu_of_this_thread, cpu_of_threads, resident_bytes};
pub(crate) use pairs::{Block, Compared, alternate};
pub(crate) use report::{Report, Row, Target};

/// What may go wrong ends the case; its text is for the person at the terminal.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long and how often.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Pairs of blocks per case.
    pub(crate) pairs: usize,
    /// Length of a block.
    pub(crate) block_s: f64,
    /// Events of the restore case.
    pub(crate) restored_events: u64,
}

/// Ends the case unless `holds`.
pub(crate) fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(complaint().into()) }
}
