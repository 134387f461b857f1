//! Libraries of other languages that partners use. The versions of those that are named are pinned; what they need in turn is what
//! the registries give.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Node.js and Python with what `tests/support/clients` lists.
pub struct Clients {
    folder: PathBuf,
}

impl Clients {
    /// Gets what is not there yet.
    ///
    /// # Panics
    /// When npm or pip cannot (`tests/support/install` says why).
    pub fn installed() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(here.join("install")).arg("clients").output().expect("bash runs tests/support/install");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let root = here.parent().and_then(Path::parent).expect("the workspace");
        Self { folder: root.join(".servers/clients") }
    }

    /// Node.js; `require` finds the libraries.
    pub fn node(&self) -> Command {
        let mut command = Command::new("node");
        command.env("NODE_PATH", self.folder.join("node_modules"));
        command
    }

    /// Python; `import` finds the libraries.
    pub fn python(&self) -> Command {
        Command::new(self.folder.join("python/bin/python"))
    }
}
