//! Folders and ports that no other test process uses at the same time.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Below the range from which the system picks ports of outgoing connections, so that a server finds
/// its port free again after a restart.
const PORTS: std::ops::Range<u16> = 17_000..29_000;

/// Locks on ports, held until the process ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed on drop, or by the next process if this one is killed.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes an empty folder and removes those that killed processes left behind.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let root = root()?;
        let guard = lock_file(&root.join("folders.lock"))?;
        guard.lock()?;
        for entry in fs::read_dir(&root)?.flatten() {
            let lock = entry.path().join("alive.lock");
            if lock.exists()
                && let Ok(file) = File::open(&lock)
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        let lock = lock_file(&path.join("alive.lock"))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A port of 127.0.0.1 that nobody listens on, and that no other caller gets while this process lives.
///
/// # Panics
/// When none is left.
pub fn free_port() -> u16 {
    let folder = root().map(|root| root.join("ports")).expect("the temporary folder is writable");
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes begin at different places, so that they seldom try the same ports.
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(7919) % count;
    for step in 0..count {
        let port = PORTS.start + u16::try_from((first + step) % count).expect("less than the count of ports");
        let Ok(lock) = lock_file(&folder.join(port.to_string())) else { continue };
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            held.push(lock);
            return port;
        }
    }
    panic!("no free port between {} and {}", PORTS.start, PORTS.end);
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    user() == 0
}

fn user() -> u32 {
    fs::metadata("/proc/self").map_or(u32::MAX, |metadata| metadata.uid())
}

/// One folder per user: another user's files could not be removed.
fn root() -> io::Result<PathBuf> {
    let root = std::env::temp_dir().join(format!("atelier-tests-{}", user()));
    fs::create_dir_all(&root)?;
    Ok(root)
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once() {
        let ports: Vec<u16> = (0..20).map(|_| free_port()).collect();
        let mut unique = ports.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ports.len());
    }

    #[test]
    fn a_folder_goes_with_its_value_and_spares_the_living() {
        let first = Folder::new("scratch").unwrap();
        let second = Folder::new("scratch").unwrap();
        assert!(first.path().exists(), "a living folder was swept away");
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_left_behind_is_swept() {
        let left = root().unwrap().join(format!("left-{}", std::process::id()));
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("alive.lock"), "").unwrap();
        let _folder = Folder::new("scratch").unwrap();
        assert!(!left.exists());
    }
}
