//! Apache Kafka in KRaft mode on loopback: one node, or a cluster of three. A node takes about 375 MB and is ready in
//! about four seconds.

mod cluster;
mod node;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::scratch::free_port;
pub use cluster::{Cluster, Ports};
use node::{Jvm, Node};

const HEAP_MIB: u32 = 512;

/// A Kafka broker on loopback. Dropping ends it and removes its data.
pub struct Kafka {
    node: Node,
}

impl Kafka {
    /// Starts a broker of one's own; returns when it answers.
    ///
    /// # Panics
    /// When Java or the jars are missing (`tests/support/install` gets them), or it does not come up.
    pub fn start() -> Self {
        Self::run(Jvm::Short)
    }

    /// The same for what is measured: its JVM compiles what it does often as well as it can.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub fn measured() -> Self {
        Self::run(Jvm::Full)
    }

    fn run(jvm: Jvm) -> Self {
        let port = free_port();
        let kafka = Self { node: Node::new(port, HEAP_MIB, jvm, |data| properties(port, free_port(), data)) };
        kafka.restart();
        kafka
    }

    /// The broker that the tests of this process share; it is started by the first caller and dies with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// `host:port`, as a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.node.port)
    }

    /// What the broker prints.
    pub fn log_file(&self) -> PathBuf {
        self.node.log_file()
    }

    /// SIGKILL. The data stays for [`Kafka::restart`].
    pub fn kill(&self) {
        self.node.kill();
    }

    /// Kills it if it runs, and starts it again with the same data and port; returns when it answers.
    pub fn restart(&self) {
        self.kill();
        self.node.launch();
        self.node.wait();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::node::answers;

    #[test]
    fn it_starts_dies_and_comes_back() {
        let kafka = Kafka::start();
        let port = kafka.node.port;
        assert!(answers(port).unwrap());
        kafka.kill();
        assert!(answers(port).is_err(), "it answers after its death");
        kafka.restart();
        assert!(answers(port).unwrap());
        let data = kafka.node.folder.path().to_owned();
        drop(kafka);
        assert!(!data.exists());
    }
}
