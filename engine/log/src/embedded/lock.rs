//! One process per folder.
//!
//! The lock is the operating system's and ends with the process, however it ends. The text in the file
//! only says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;

use crate::Error;

const FILE: &str = "atelier.lock";

/// Held as long as it lives.
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started has a copy until it is another program, and holds on.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// # Errors
    /// [`Error::InUse`] when another process has the folder or this one may not write there.
    pub(super) fn take(dir: &Path) -> Result<Self, Error> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE))
            .map_err(|error| no_right(dir, &error))?;
        match file.try_lock() {
            Ok(()) => {
                let written =
                    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{} {}", process_name(), std::process::id()));
                // Without its text the lock still holds; only its message is poorer.
                if let Err(error) = written {
                    tracing::warn!(%error, "the lock file of the log cannot name this process");
                }
                Ok(Self { file })
            }
            Err(TryLockError::WouldBlock) => Err(Error::InUse(held_by(dir, &mut file))),
            Err(TryLockError::Error(error)) => {
                Err(Error::Unavailable(format!("{} cannot be locked: {error}; use a folder on a local disk", dir.display())))
            }
        }
    }
}

fn held_by(dir: &Path, file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let holder = match text.trim().rsplit_once(' ') {
        Some((name, pid)) => format!("{name} (pid {pid})"),
        None => "another process that is just starting".to_owned(),
    };
    format!("{} is in use by {holder}: stop that process, or choose another folder with --data", dir.display())
}

fn process_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "atelier".to_owned())
}

/// Why the folder cannot be used.
pub(super) fn no_right(dir: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::InUse(format!(
            "{} may not be written by this user: give it the right, or choose another folder with --data",
            dir.display()
        )),
        ErrorKind::StorageFull => Error::Full(format!("{} has no room for a log", dir.display())),
        _ => Error::Unavailable(format!("{} cannot be used for the log: {error}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a child has between being forked and being another program.
    #[test]
    fn a_copy_somebody_still_has_does_not_hold_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let lock = Lock::take(dir.path()).expect("nobody has it");
        let copy = lock.file.try_clone().expect("a copy");
        assert!(matches!(Lock::take(dir.path()), Err(Error::InUse(_))));
        drop(lock);
        drop(Lock::take(dir.path()).expect("it was let go"));
        drop(copy);
    }
}
