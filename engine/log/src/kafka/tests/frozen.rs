//! A broker that stood still while another one was elected. It goes on as if it still led, until it hears otherwise.
//! Whoever restores a partition in that moment and believes it decides without the events of the meantime.

use atelier_support::{Cluster, Ports};
use rdkafka::consumer::Consumer;

use super::*;

/// Three nodes, and a log with one partition that two processes have found.
fn house() -> (Cluster, Kafka, Kafka) {
    let ports = [(); 3].map(|()| Ports::free());
    let cluster = Cluster::start(ports, ports);
    let config = Config { brokers: cluster.bootstrap(), partitions: 1, replication: Some(3), ..config() };
    let [log, other] = [(); 2].map(|()| until("three nodes know each other", || Kafka::connect(config.clone()).ok()));
    (cluster, log, other)
}

/// The node that leads the events, as `log` knows it from here on.
fn leader(log: &Kafka) -> usize {
    let name = log.config.topic(Topic::Events);
    let leader = || {
        let metadata = log.ends.fetch_metadata(Some(&name), STEP * 100).ok()?;
        usize::try_from(metadata.topics().first()?.partitions().first()?.leader()).ok()?.checked_sub(1)
    };
    until("somebody leads", leader)
}

/// Writes an event as soon as somebody takes it.
fn write_meantime(log: &Kafka) -> u64 {
    until("another one leads", || super::super::context::wait(log.append(Topic::Events, 0, new_record("meantime"))).ok())
}

fn own(log: &Kafka) -> Box<dyn Owner> {
    let mut owner = until("it joins", || log.own(membership(None)).ok());
    until("the partition is assigned", || matches!(owner.poll(100, STEP), Ok(Polled::Assigned(_))).then_some(()));
    owner
}

/// Asks for the end so that the question lies at the former leader when that goes on.
fn end_while_it_goes_on(log: &Kafka, cluster: &Cluster, former: usize) -> u64 {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| until("the end is told", || log.end(Topic::Events, 0).ok()));
        std::thread::sleep(STEP);
        cluster.thaw(former);
        asked.join().expect("asked")
    })
}

#[test]
fn a_new_owner_does_not_believe_a_former_leader() {
    let (cluster, log, other) = house();
    let former = leader(&log);
    assert_eq!(log.end(Topic::Events, 0).expect("asked"), 0);
    cluster.freeze(former);
    let written = write_meantime(&other);
    let _owner = own(&log);
    let end = end_while_it_goes_on(&log, &cluster, former);
    assert!(end > written, "{end}, and a record lies at {written}");
}

#[test]
fn an_owner_that_asks_the_leader_does_not_believe_a_former_one() {
    let (cluster, log, other) = house();
    let mut owner = own(&log);
    let former = leader(&log);
    cluster.freeze(former);
    let written = write_meantime(&other);
    until("the leader has told", || owner.ask_leader(0).ok());
    let end = end_while_it_goes_on(&log, &cluster, former);
    assert!(end > written, "{end}, and a record lies at {written}");
}
