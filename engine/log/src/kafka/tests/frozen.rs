//! A broker that stood still while another one was elected.

use rdkafka::consumer::Consumer;

use super::*;

/// The node that leads the events, as `log` knows it.
fn leader(log: &Kafka) -> Option<usize> {
    let name = log.config.topic(Topic::Events);
    let metadata = log.ends.fetch_metadata(Some(&name), STEP * 100).ok()?;
    let partition = metadata.topics().first()?.partitions().first()?;
    usize::try_from(partition.leader()).ok()?.checked_sub(1)
}

/// It goes on as if it still led, until it hears otherwise. Whoever takes a partition over in that moment and believes it
/// decides without the events of the meantime.
#[test]
fn a_new_owner_does_not_believe_a_former_leader() {
    let ports = [(); 3].map(|()| atelier_support::Ports::free());
    let cluster = atelier_support::Cluster::start(ports, ports);
    let config = Config { brokers: cluster.bootstrap(), partitions: 1, replication: Some(3), ..config() };
    let log = until("three nodes know each other", || Kafka::connect(config.clone()).ok());
    let other = until("a second process is there", || Kafka::connect(config.clone()).ok());
    assert_eq!(log.end(Topic::Events, 0).expect("asked"), 0);
    let former = until("somebody leads", || leader(&log));

    cluster.freeze(former);
    let written = until("another one leads", || super::super::context::wait(other.append(Topic::Events, 0, new_record("meantime"))).ok());
    let mut owner = until("it joins", || log.own(membership(None)).ok());
    until("the partition is assigned", || matches!(owner.poll(100, STEP), Ok(Polled::Assigned(_))).then_some(()));

    let end = std::thread::scope(|scope| {
        // The question lies at the former leader when it goes on.
        let asked = scope.spawn(|| log.end(Topic::Events, 0));
        std::thread::sleep(STEP);
        cluster.thaw(former);
        asked.join().expect("asked")
    });
    assert!(end.as_ref().is_ok_and(|end| *end > written), "{end:?}, and a record lies at {written}");
}
