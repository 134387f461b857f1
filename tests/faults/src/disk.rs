//! A full disk under a house of its own: everything in one process on the embedded log, in a folder that holds little.
//!
//! As root the folder is a tmpfs, and full means ENOSPC. Elsewhere the process may write no file beyond a size
//! (RLIMIT_FSIZE, set from outside), which gives EFBIG: another error, the same promise.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_cli::trials::{Child, Prober};
use atelier_log::embedded::Embedded;
use atelier_support::free_port;
use tokio::runtime::Handle;

use crate::house::{command, owned};
use crate::judge::Judge;
use crate::{Outcome, text};

/// Room for the log, the read models, models and scratch of a minute.
const ROOM_MIB: u32 = 48;
/// Room that a process is left with where there is no tmpfs.
const LIMITED_BYTES: u64 = 64 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
/// Orders tried until one is refused: the log writes on into the pages that it has.
const TRIES_MAX: u32 = 2_000;
/// Orders tried after that; each must be refused, or kept.
const TRIES_MORE: u32 = 20;
const END_WITHIN: Duration = Duration::from_secs(120);
const UNAVAILABLE: u16 = 503;

/// Fills the disk under load and frees it. Returns how long after that everything moved again.
pub(crate) fn fill_and_free(runtime: &Handle, number: u32, within: Duration) -> Outcome<Duration> {
    let scratch = tempfile::tempdir().map_err(text)?;
    let place = scratch.path().join("small");
    std::fs::create_dir(&place).map_err(text)?;
    let disk = Disk::mount(&place);
    let address = format!("127.0.0.1:{}", free_port());
    let settings = vec![("ATELIER_DATA", place.display().to_string())];
    let args = owned(&["up", "--listen", &address]);
    // Messages go elsewhere: they are not what is to be refused.
    let mut up = Child::start("up", scratch.path(), {
        let settings = settings.clone();
        move || ignoring_size_limit(command(&settings, &args))
    })
    .map_err(text)?;
    let mut prober = Prober::new(format!("http://{address}"), 4, format!("disk-{number}")).map_err(text)?;
    runtime.block_on(prober.all_moves(Instant::now(), within))?;

    let full = disk.fill(&up)?;
    let mut refused = 0;
    for tries in 0..TRIES_MAX {
        refused += u32::from(runtime.block_on(prober.try_to_place()) == UNAVAILABLE);
        if refused > TRIES_MORE || (refused > 0 && tries > TRIES_MAX / 2) {
            break;
        }
    }
    up.must_run().map_err(|error| format!("on a full disk {error}"))?;
    if refused == 0 {
        return Err(format!("{TRIES_MAX} orders were taken on a full disk"));
    }
    let freed = Instant::now();
    full.free()?;
    let recovery = runtime.block_on(prober.all_moves(freed, within));
    up.must_run().map_err(|error| format!("after a full disk {error}"))?;
    let recovery = recovery?;

    let log = Embedded::open_read_only(&place.join("log")).map_err(text)?;
    let mut judge = Judge::new(4);
    judge.acknowledged(prober.take_acks().into_iter().map(|ack| serde_json::to_value(ack).expect("plain data")));
    let mut broken = judge.settled(&log, within);
    let audit = command(&settings, &owned(&["audit", "--json", "--settle-s", &within.as_secs().to_string()])).output().map_err(text)?;
    broken.extend(judge.audited(&audit));
    up.end(END_WITHIN).map_err(text)?;
    drop(log);
    drop(disk);
    if broken.is_empty() { Ok(recovery) } else { Err(format!("after a full disk: {}", broken.join("; "))) }
}

/// A write beyond the limit gives an error instead of a signal.
fn ignoring_size_limit(inner: Command) -> Command {
    let mut command = Command::new("env");
    command.arg("--ignore-signal=XFSZ").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Where little has room. Dropping unmounts.
struct Disk<'a> {
    place: &'a Path,
    mounted: bool,
}

impl<'a> Disk<'a> {
    fn mount(place: &'a Path) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={ROOM_MIB}m,mode=700"), "tmpfs"])
            .arg(place)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            *MOUNTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.to_owned());
        }
        Self { place, mounted }
    }

    /// Leaves no byte.
    fn fill(&self, process: &Child) -> Outcome<Full> {
        if !self.mounted {
            let id = process.id().ok_or("the process has ended")?;
            limit(id, &LIMITED_BYTES.to_string())?;
            return Ok(Full::Limited(id));
        }
        let path = self.place.join("filler");
        let mut file = File::create(&path).map_err(text)?;
        let mut chunk = vec![0_u8; CHUNK_BYTES];
        while !chunk.is_empty() {
            // Ever smaller pieces, until not one byte goes in.
            if file.write_all(&chunk).is_err() {
                chunk.truncate(chunk.len() / 2);
            }
        }
        Ok(Full::Filled(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        unmount();
    }
}

/// The small disk there is, for whoever ends the process before it is dropped.
static MOUNTED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Takes it away, if there is one.
pub(crate) fn unmount() {
    if let Some(place) = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = Command::new("umount").arg("--lazy").arg(place).status();
    }
}

/// A disk without room.
enum Full {
    Filled(PathBuf),
    Limited(u32),
}

impl Full {
    fn free(self) -> Outcome<()> {
        match self {
            Full::Filled(path) => std::fs::remove_file(path).map_err(text),
            Full::Limited(id) => limit(id, "unlimited"),
        }
    }
}

/// The soft limit of a running process.
fn limit(id: u32, size: &str) -> Outcome<()> {
    let status = Command::new("prlimit").args(["--pid", &id.to_string(), &format!("--fsize={size}:")]).status().map_err(text)?;
    if status.success() { Ok(()) } else { Err(format!("prlimit cannot set the file size of process {id} to {size}")) }
}
