//! Files on this machine.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use object_store::local::LocalFileSystem;

use crate::Error;
use crate::address::{CHECKPOINTS, INCOMING, MODELS, PREVIEWS};

/// An upload that has not moved for so long belongs to a process that is gone.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Creates the folders durably and opens the store on them.
pub(crate) fn open(dir: &Path) -> Result<LocalFileSystem, Error> {
    let failed = |what: &str, error: io::Error| Error::Unavailable(format!("cannot {what} {}: {error}", dir.display()));
    for folder in [MODELS, PREVIEWS, INCOMING] {
        fs::create_dir_all(dir.join(folder)).map_err(|e| failed("create the folder", e))?;
    }
    sync_folder(dir).map_err(|e| failed("flush the folder", e))?;
    for folder in [MODELS, PREVIEWS, INCOMING] {
        sweep(&dir.join(folder), folder == INCOMING, ABANDONED_AFTER).map_err(|e| failed("clean up the folder", e))?;
    }
    sweep_checkpoints(&dir.join(CHECKPOINTS)).map_err(|e| failed("clean up the checkpoints in", e))?;
    let store = LocalFileSystem::new_with_prefix(dir).map_err(|e| Error::Unavailable(e.to_string()))?;
    // Without it the store confirms what only the page cache holds.
    Ok(store.with_fsync(true))
}

/// Removes files that no finished upload leaves behind: anything in `incoming/`, and the store's own
/// staging files (`<name>#<number>`) elsewhere, once they are old enough to be nobody's.
pub(crate) fn sweep(folder: &Path, all: bool, older_than: Duration) -> io::Result<()> {
    let now = SystemTime::now();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !all && !entry.file_name().to_string_lossy().contains('#') {
            continue;
        }
        // Another process may have finished or removed it since it was listed.
        let Ok(changed) = entry.metadata().and_then(|m| m.modified()) else { continue };
        if now.duration_since(changed).is_ok_and(|age| age >= older_than) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Their folders are made with the first of them, two below each other.
fn sweep_checkpoints(folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for log in fs::read_dir(folder)? {
        for partition in fs::read_dir(log?.path())? {
            sweep(&partition?.path(), false, ABANDONED_AFTER)?;
        }
    }
    Ok(())
}

/// A new folder survives a power cut only once the folder it lies in was flushed, and so on upwards.
fn sync_folder(dir: &Path) -> io::Result<()> {
    let dir = fs::canonicalize(dir)?;
    fs::File::open(&dir)?.sync_all()?;
    if let Some(parent) = dir.parent() {
        // The parent may be somebody else's; then its owner created our folder's entry.
        if let Ok(parent) = fs::File::open(parent) {
            let _ = parent.sync_all();
        }
    }
    Ok(())
}
