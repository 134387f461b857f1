//! Three nodes, each broker and controller: replication 3, of which 2 have to confirm.

use std::path::{Path, PathBuf};

use super::node::{Jvm, Node};
use crate::scratch::free_port;

/// Three of them and the rest of a test share a machine.
const HEAP_MIB: u32 = 400;

/// Where one node is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// By clients.
    pub client: u16,
    /// By the other brokers.
    pub peer: u16,
    /// By the controllers' quorum.
    pub controller: u16,
}

impl Ports {
    /// Ports nobody listens on.
    pub fn free() -> Self {
        Self { client: free_port(), peer: free_port(), controller: free_port() }
    }
}

/// Three nodes on loopback. Dropping ends them and removes their data.
pub struct Cluster {
    nodes: Vec<Node>,
    seen: [Ports; 3],
}

impl Cluster {
    /// Nodes of a cluster.
    pub const NODES: usize = 3;

    /// Starts the nodes; returns when all answer. They listen at `real` and tell everybody to look for them at
    /// `seen`: the same ports, or those of something that stands in between and is there already.
    ///
    /// # Panics
    /// When Java or the jars are missing (`tests/support/install` gets them), or one does not come up.
    pub fn start(real: [Ports; 3], seen: [Ports; 3]) -> Self {
        let nodes: Vec<Node> = (0..Self::NODES)
            .map(|index| Node::new(real[index].client, HEAP_MIB, Jvm::Short, |data| properties(index, real[index], &seen, data)))
            .collect();
        nodes.iter().for_each(Node::launch);
        nodes.iter().for_each(Node::wait);
        Self { nodes, seen }
    }

    /// `host:port,host:port,host:port`, as a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.seen.map(|ports| format!("127.0.0.1:{}", ports.client)).join(",")
    }

    /// What a node prints.
    pub fn log_file(&self, node: usize) -> PathBuf {
        self.nodes[node].log_file()
    }

    /// SIGKILL. The data stays for [`Cluster::restart`].
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// SIGSTOP: it answers nobody, and does not know it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self, node: usize) {
        self.nodes[node].signal("-STOP");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self, node: usize) {
        self.nodes[node].signal("-CONT");
    }

    /// Kills a node if it runs, and starts it again; returns when it answers.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self, node: usize) {
        self.nodes[node].kill();
        self.nodes[node].launch();
        self.nodes[node].wait();
    }
}

fn properties(index: usize, real: Ports, seen: &[Ports; 3], data: &Path) -> String {
    let voters: Vec<String> =
        seen.iter().enumerate().map(|(index, ports)| format!("{}@127.0.0.1:{}", index + 1, ports.controller)).collect();
    format!(
        "process.roles=broker,controller
node.id={}
controller.quorum.voters={}
listeners=CLIENT://127.0.0.1:{},PEER://127.0.0.1:{},CONTROLLER://127.0.0.1:{}
advertised.listeners=CLIENT://127.0.0.1:{},PEER://127.0.0.1:{}
listener.security.protocol.map=CLIENT:PLAINTEXT,PEER:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PEER
log.dirs={}
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
unclean.leader.election.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.retention.hours=-1
",
        index + 1,
        voters.join(","),
        real.client,
        real.peer,
        real.controller,
        seen[index].client,
        seen[index].peer,
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::node::answers;

    #[test]
    fn a_node_dies_and_comes_back() {
        let real = [Ports::free(), Ports::free(), Ports::free()];
        let cluster = Cluster::start(real, real);
        assert_eq!(cluster.bootstrap().split(',').count(), Cluster::NODES);
        cluster.kill(1);
        assert!(answers(real[1].client).is_err(), "it answers after its death");
        assert!(answers(real[0].client).unwrap() && answers(real[2].client).unwrap());
        cluster.restart(1);
        assert!(answers(real[1].client).unwrap());
    }
}
