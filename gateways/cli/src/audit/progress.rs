//! How far a long audit is, for somebody who watches.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shorter audits say nothing.
const PATIENCE: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(500);

/// A line on standard error, where that is a terminal.
pub(super) struct Progress {
    records: Arc<AtomicU64>,
    line: Option<tokio::task::JoinHandle<()>>,
}

impl Progress {
    pub(super) fn start() -> Self {
        let records = Arc::new(AtomicU64::new(0));
        let line = std::io::stderr().is_terminal().then(|| tokio::spawn(show(records.clone())));
        Self { records, line }
    }

    /// Counts the records read.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        self.records.clone()
    }

    /// Takes the line away.
    pub(super) fn end(self) {
        if let Some(line) = self.line {
            line.abort();
            eprint!("\r\x1b[2K");
        }
    }
}

async fn show(records: Arc<AtomicU64>) {
    let started = Instant::now();
    tokio::time::sleep(PATIENCE).await;
    loop {
        eprint!("\r\x1b[2Kaudit: {} records read in {:.0} s", records.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
        let _ = std::io::stderr().flush();
        tokio::time::sleep(EVERY).await;
    }
}

/// The most memory this process had in RAM at any time; Linux tells.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
