//! One Apache Kafka node in KRaft mode: broker and controller in one JVM, about 375 MB, ready in about four seconds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::process::Process;
use crate::scratch::{Folder, free_port};

/// A cold JVM on a busy two-core machine.
const READY_WITHIN: Duration = Duration::from_secs(90);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Any; the same for `format` and the broker.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";
/// Kafka 4 runs on this and newer.
const JAVA: u32 = 17;

/// A Kafka broker on loopback. Dropping ends it and removes its data.
pub struct Kafka {
    // Before the folder: the process ends first.
    process: Mutex<Option<Process>>,
    port: u16,
    java: PathBuf,
    jars: PathBuf,
    folder: Folder,
}

impl Kafka {
    /// Starts a broker of one's own; returns when it answers.
    ///
    /// # Panics
    /// When Java or the jars are missing (`tests/support/install` gets them), or it does not come up.
    pub fn start() -> Self {
        let kafka = Self {
            process: Mutex::new(None),
            port: free_port(),
            java: java(),
            jars: jars(),
            folder: Folder::new("kafka").expect("the temporary folder is writable"),
        };
        kafka.configure();
        kafka.run();
        kafka
    }

    /// The broker that the tests of this process share; it is started by the first caller and dies with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// `host:port`, as a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What the broker prints.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }

    /// SIGKILL. The data stays for [`Kafka::restart`].
    pub fn kill(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Kills it if it runs, and starts it again with the same data and port; returns when it answers.
    pub fn restart(&self) {
        self.kill();
        self.run();
    }

    fn configure(&self) {
        let properties = properties(self.port, free_port(), &self.folder.path().join("data"));
        std::fs::write(self.properties_file(), properties).expect("the temporary folder is writable");
        let output = Command::new(&self.java)
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
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

    fn run(&self) {
        let mut process = Process::start(&self.java, None, &self.log_file(), |command| {
            command
                .args(["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp"])
                .arg(self.jars.join("*"))
                .arg("kafka.Kafka")
                .arg(self.properties_file());
        })
        .expect("setpriv (util-linux) starts java");
        if let Err(complaint) = process.wait_until(READY_WITHIN, || answers(self.port).unwrap_or(false)) {
            panic!("Kafka: {complaint}");
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    fn properties_file(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }
}

/// A single node holds every internal topic alone. Few internal partitions: they are created on the
/// first use, and a test waits for it.
fn properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={}
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.retention.hours=-1
",
        data.display()
    )
}

/// Asks for the API versions (request 18, version 0): a broker answers once it takes part in its cluster.
fn answers(port: u16) -> std::io::Result<bool> {
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

    #[test]
    fn it_starts_dies_and_comes_back() {
        let kafka = Kafka::start();
        assert!(answers(kafka.port).unwrap());
        kafka.kill();
        assert!(answers(kafka.port).is_err(), "it answers after its death");
        kafka.restart();
        assert!(answers(kafka.port).unwrap());
        let data = kafka.folder.path().to_owned();
        drop(kafka);
        assert!(!data.exists());
    }
}
