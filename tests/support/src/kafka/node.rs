//! One process: broker and controller in one JVM.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::process::Process;
use crate::scratch::Folder;

/// A cold JVM on a busy two-core machine.
const READY_WITHIN: Duration = Duration::from_secs(180);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Any; the same for `format` and all nodes of a cluster.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";
/// Kafka 4 runs on this and newer.
const JAVA: u32 = 17;

/// How the JVM of a node is run.
#[derive(Clone, Copy)]
pub(super) enum Jvm {
    /// Compiled once and quickly, for a node that lives for seconds beside tests that want the cores too.
    Short,
    /// As it comes, for what is measured.
    Full,
}

impl Jvm {
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Jvm::Short => &["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            Jvm::Full => &[],
        }
    }
}

/// A node with a folder of its own.
pub(super) struct Node {
    // Before the folder: the process ends first.
    process: Mutex<Option<Process>>,
    /// Where it is asked whether it is ready.
    pub(super) port: u16,
    java: PathBuf,
    jars: PathBuf,
    heap_mib: u32,
    jvm: Jvm,
    pub(super) folder: Folder,
}

impl Node {
    /// Formats its data folder; `properties` are told where that is. It does not run yet.
    pub(super) fn new(port: u16, heap_mib: u32, jvm: Jvm, properties: impl FnOnce(&Path) -> String) -> Self {
        let folder = Folder::new("kafka").expect("the temporary folder is writable");
        let node = Self { process: Mutex::new(None), port, java: java(), jars: jars(), heap_mib, jvm, folder };
        let text = properties(&node.folder.path().join("data"));
        std::fs::write(node.properties_file(), text).expect("the temporary folder is writable");
        node.format();
        node
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }

    /// SIGKILL.
    pub(super) fn kill(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// # Panics
    /// When it does not run.
    pub(super) fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(complaint) = process.as_ref().expect("it was launched").signal(signal) {
            panic!("Kafka: {complaint}");
        }
    }

    /// Starts it; [`Node::wait`] waits until it answers.
    pub(super) fn launch(&self) {
        let process = Process::start(&self.java, None, &self.log_file(), |command| {
            command
                .arg(format!("-Xmx{}m", self.heap_mib))
                .args(self.jvm.flags())
                // What a killed JVM leaves behind goes with the folder.
                .arg(format!("-Djava.io.tmpdir={}", self.folder.path().display()))
                .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp"])
                .arg(self.jars.join("*"))
                .arg("kafka.Kafka")
                .arg(self.properties_file());
        })
        .expect("setpriv (util-linux) starts java");
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// # Panics
    /// When it ends or does not answer in time.
    pub(super) fn wait(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process.as_mut().expect("it was launched");
        if let Err(complaint) = process.wait_until(READY_WITHIN, || answers(self.port).unwrap_or(false)) {
            panic!("Kafka: {complaint}");
        }
    }

    fn format(&self) {
        let output = Command::new(&self.java)
            .args(Jvm::Short.flags())
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
            .arg(self.jars.join("*"))
            .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"])
            .arg(self.properties_file())
            .output()
            .expect("java can be started");
        assert!(
            output.status.success(),
            "Kafka's data folder could not be formatted:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn properties_file(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }
}

/// Asks for the API versions (request 18, version 0): a broker answers once it takes part in its cluster.
pub(super) fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    // Length 10: API key, version, correlation id, no client id.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
    // Length, correlation id, error code.
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    Ok(answer[4..8] == [0, 0, 0, 1] && answer[8..10] == [0, 0])
}

/// Kafka's jars, fetched once for the workspace.
fn jars() -> PathBuf {
    let support = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(support.join("install")).arg("jars").output().expect("bash is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    support.ancestors().nth(2).expect("two folders below the workspace").join(".servers/kafka")
}

/// The first Java that is new enough.
fn java() -> PathBuf {
    let mut candidates = Vec::new();
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        candidates.push(Path::new(&home).join("bin/java"));
    }
    candidates.push("java".into());
    for entry in std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten() {
        candidates.push(entry.path().join("bin/java"));
    }
    candidates
        .into_iter()
        .find(|java| {
            Command::new(java).arg("-version").output().is_ok_and(|output| major(&String::from_utf8_lossy(&output.stderr)) >= JAVA)
        })
        .unwrap_or_else(|| panic!("no Java {JAVA} or newer. Run tests/support/install, or set JAVA_HOME."))
}

/// `openjdk version "17.0.15" 2025-04-15` is 17; 0 when it cannot be read.
fn major(version: &str) -> u32 {
    let digits = version.split("version \"").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_are_read() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), 17);
        assert_eq!(major("openjdk version \"25\" 2025-09-16"), 25);
        assert_eq!(major("java version \"1.8.0_392\""), 1);
        assert_eq!(major("command not found"), 0);
    }
}
