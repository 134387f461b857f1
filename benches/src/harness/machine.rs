//! What the machine gives at the moment: fsync, CPU speed, CPU time and memory used.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use super::Outcome;

/// Linux reports CPU time to programs in hundredths of a second on every architecture.
const TICKS_PER_S: f64 = 100.0;
const FSYNCS: usize = 9;
const SPINS: u32 = 10;

/// One look at the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Median time to write 4 KiB and `fdatasync` them in the temporary folder.
    pub(crate) fsync_ms: f64,
    /// Mean of some runs of a fixed amount of arithmetic: longer when others use the cores.
    pub(crate) spin_ms: f64,
}

impl Machine {
    /// Takes about 100 ms.
    pub(crate) fn read() -> Outcome<Self> {
        let mut file: File = tempfile::tempfile()?;
        let mut syncs = Vec::with_capacity(FSYNCS);
        for _ in 0..FSYNCS {
            let started = Instant::now();
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&[7; 4096])?;
            file.sync_data()?;
            syncs.push(started.elapsed());
        }
        syncs.sort_unstable();
        let spin = (0..SPINS).map(|_| spin()).sum::<Duration>() / SPINS;
        Ok(Self { fsync_ms: syncs[FSYNCS / 2].as_secs_f64() * 1000.0, spin_ms: spin.as_secs_f64() * 1000.0 })
    }
}

fn spin() -> Duration {
    let started = Instant::now();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..3_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
    started.elapsed()
}

/// A moment with the CPU time this process has used until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: Instant,
    cpu_s: f64,
}

impl Mark {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), cpu_s: cpu_of(std::process::id()) }
    }

    /// Seconds and CPU-seconds from `earlier` to this mark.
    pub(crate) fn since(&self, earlier: &Self) -> (f64, f64) {
        (self.at.duration_since(earlier.at).as_secs_f64(), self.cpu_s - earlier.cpu_s)
    }
}

/// CPU-seconds a process has used, all its threads, user and system; 0 when there is none.
pub(crate) fn cpu_of(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces; the fields after it are user and system time, the 12th and 13th.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks() + ticks()) / TICKS_PER_S
}

/// CPU-seconds of the processes that this one has started and waited for.
pub(crate) fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // As above; theirs are the 14th and 15th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}

/// CPU-seconds of the threads of this process whose name begins so, to the nanosecond.
pub(crate) fn cpu_of_threads(name: &str) -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|entry| entry.path());
    let named = threads.filter(|thread| std::fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.starts_with(name)));
    named.map(|thread| cpu_of_schedstat(&thread.join("schedstat"))).sum()
}

/// CPU-seconds of the calling thread, to the nanosecond.
pub(crate) fn cpu_of_this_thread() -> f64 {
    cpu_of_schedstat(std::path::Path::new("/proc/thread-self/schedstat"))
}

fn cpu_of_schedstat(path: &std::path::Path) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

/// Memory of this process that is in RAM.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}
