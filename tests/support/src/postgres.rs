//! One PostgreSQL server from the distribution's packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::scratch::{Folder, free_port, is_root};

const READY_WITHIN: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The server's superuser; no password, loopback only.
const ROLE: &str = "atelier";

/// A PostgreSQL server on loopback. Dropping ends it and removes its data.
///
/// `fsync` is off: what a killed server wrote is safe with the kernel, a power cut is not what the tests are about.
pub struct Postgres {
    // Before the folder: the process ends first.
    process: Mutex<Option<Process>>,
    port: u16,
    binaries: PathBuf,
    user: Option<&'static str>,
    folder: Folder,
}

impl Postgres {
    /// Starts a server of one's own; returns when it takes connections.
    ///
    /// # Panics
    /// When PostgreSQL is missing (`tests/support/install` gets it), or it does not come up.
    pub fn start() -> Self {
        let postgres = Self {
            process: Mutex::new(None),
            port: free_port(),
            binaries: binaries(),
            user: is_root().then(unprivileged),
            folder: Folder::new("postgres").expect("the temporary folder is writable"),
        };
        postgres.initialise();
        postgres.run();
        postgres
    }

    /// The server that the tests of this process share; it is started by the first caller and dies with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The address of a database, for a client.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database and returns its address.
    ///
    /// # Panics
    /// When there is one of that name.
    pub fn create_database(&self, name: &str) -> String {
        let output = self.tool("createdb").args(["-U", ROLE, "--", name]).output().expect("createdb can be started");
        check(&output, "createdb");
        self.url(name)
    }

    /// The rows a statement gives, one a line, as psql writes them without ornaments.
    ///
    /// # Panics
    /// When it fails.
    pub fn query(&self, database: &str, sql: &str) -> String {
        let output =
            Command::new(self.binaries.join("psql")).args([&self.url(database), "-qAtc", sql]).output().expect("psql can be started");
        check(&output, "psql");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// What the server prints.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }

    /// SIGKILL. The data stays for [`Postgres::restart`].
    pub fn kill(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A fast shutdown: clients are cut off, what is committed is written. The data stays for [`Postgres::restart`].
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&self) {
        if let Some(mut process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Err(complaint) = process.end_by("-INT", READY_WITHIN)
        {
            panic!("PostgreSQL: {complaint}");
        }
    }

    /// Kills it if it runs, and starts it again with the same data and port; returns when it takes connections.
    pub fn restart(&self) {
        self.kill();
        self.run();
    }

    fn initialise(&self) {
        let data = self.data();
        std::fs::create_dir(&data).expect("the temporary folder is writable");
        let mut command = Command::new("setpriv");
        if let Some(user) = self.user {
            let owned = Command::new("chown").arg(user).arg(&data).output().expect("chown can be started");
            check(&owned, "chown");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups");
        }
        // The C collation sorts by bytes, as SQLite does.
        command.arg("--").arg(self.binaries.join("initdb")).args([
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "-U",
            ROLE,
            "-D",
        ]);
        check(&command.arg(&data).current_dir("/").output().expect("setpriv (util-linux) starts initdb"), "initdb");
    }

    fn run(&self) {
        // A killed server leaves children that notice it a moment later, one that is working when it is done; a new
        // one refuses to start until they are gone.
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let mut process = Process::start(&self.binaries.join("postgres"), self.user, &self.log_file(), |command| {
                command.current_dir("/").arg("-D").arg(self.data()).args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
                for setting in ["unix_socket_directories=", "fsync=off", "max_connections=200", "shared_buffers=64MB"] {
                    command.args(["-c", setting]);
                }
            })
            .expect("setpriv (util-linux) starts postgres");
            let ready = || self.tool("pg_isready").arg("-q").status().is_ok_and(|status| status.success());
            match process.wait_until(READY_WITHIN, ready) {
                Ok(()) => {
                    *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
                    return;
                }
                Err(complaint) => assert!(Instant::now() < deadline, "PostgreSQL: {complaint}"),
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// PostgreSQL refuses to run as root.
fn unprivileged() -> &'static str {
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if known.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

/// Where `initdb` and `postgres` are: Debian keeps them out of the path, one folder per version.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .chain(std::env::var_os("PATH").iter().flat_map(std::env::split_paths))
        .filter(|folder| ["initdb", "postgres", "createdb", "pg_isready"].iter().all(|name| folder.join(name).exists()))
        .collect();
    found.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    found.into_iter().next().expect("no PostgreSQL. Run tests/support/install, or put initdb and postgres into the path.")
}

/// `/usr/lib/postgresql/15/bin` is 15; 0 elsewhere.
fn version(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

fn check(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_folder() {
        assert_eq!(version(Path::new("/usr/lib/postgresql/15/bin")), 15);
        assert_eq!(version(Path::new("/usr/bin")), 0);
    }

    #[test]
    fn data_survives_a_kill() {
        let postgres = Postgres::start();
        let url = postgres.create_database("shop");
        let sql = |text: &str| Command::new(postgres.binaries.join("psql")).args([&url, "-qAtc", text]).output().unwrap();
        check(&sql("create table orders (id text); insert into orders values ('one')"), "psql");
        postgres.kill();
        assert!(!sql("select 1").status.success(), "it answers after its death");
        postgres.restart();
        assert_eq!(String::from_utf8_lossy(&sql("select id from orders").stdout).trim(), "one");
    }
}
