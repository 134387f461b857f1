//! An owner that dies in the middle of a transaction, one that sleeps for too long, and names that are in doubt.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::super::group::Group;
use super::super::transaction::Producer;
use super::*;
use crate::{CommitError, Error};

/// Set in the process that is to be killed: its brokers and prefix.
const DYING: &str = "ATELIER_TEST_DYING_OWNER";

/// Far longer than any test may take: what is visible before it, is so for another reason.
const TRANSACTION_MS: u32 = 900_000;

/// Another process that runs one of the functions below. Dropping kills it.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(function: &str, config: &Config) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the test's own program"))
            .args(["--exact", &format!("kafka::tests::crash::{function}"), "--nocapture"])
            .env(DYING, format!("{} {}", config.brokers, config.prefix))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test's own program starts again");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    fn wait_for(&mut self, text: &str) {
        let said = self.lines.by_ref().map_while(Result::ok).any(|line| line.contains(text));
        assert!(said, "the other process ended before it said: {text}");
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(done.success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dying_config(brokers: String, prefix: String) -> Config {
    Config { brokers, prefix, transaction_timeout_ms: TRANSACTION_MS, ..Config::default() }
}

#[test]
fn the_next_owner_ends_the_open_transaction_of_a_killed_one() {
    let base = config();
    let config = dying_config(base.brokers.clone(), base.prefix.clone());
    let log = Kafka::connect(Config { partitions: 1, ..config.clone() }).expect("connected");
    let mut child = Other::start("dying_owner", &config);
    child.wait_for("the transaction is open");
    drop(child);

    // Its first transaction is there; the second pins the readers below the end.
    let end = log.end(Topic::Events, 0).expect("end");
    assert_eq!(end, 3, "an event, its mark, and the event of the open transaction");
    let mut reader = log.read(Topic::Events, &[(0, 0)]).expect("reader");
    assert_eq!(read_to(reader.as_mut(), 0, 2), ["before"]);

    let mut owner = log.own(membership(Some("mill"))).expect("joined");
    assigned(owner.as_mut(), &[0]);
    let end = log.end(Topic::Events, 0).expect("end");
    assert_eq!(read_to(reader.as_mut(), 0, end), [""; 0], "the open transaction must not be read");
    assert_eq!(log.committed("engine", 0).expect("asked"), 1);
    owner.commit(&events(0, 2, &["after"])).expect("committed");
    let end = log.end(Topic::Events, 0).expect("end");
    assert_eq!(read_to(reader.as_mut(), 0, end), ["after"]);
}

/// Not a test of its own: the process that the test above kills.
#[test]
fn dying_owner() {
    let Ok(place) = std::env::var(DYING) else { return };
    let (brokers, prefix) = place.split_once(' ').expect("brokers and prefix");
    let config = dying_config(brokers.into(), prefix.into());
    let group = Group::join(&config, &membership(Some("mill"))).expect("joined");
    until("the partition is given", || {
        let _ = group.poll(STEP);
        (!group.changes().is_empty()).then_some(())
    });
    let producer = Producer::new(&config, "engine", 0).expect("producer");
    producer.open(PATIENCE).expect("opened");
    let member = group.member().expect("a member");
    let offsets = group.consumed(0, 1).expect("offsets");
    producer.commit(&config, &events(0, 1, &["before"]), &offsets, &member).expect("committed");
    producer.leave_open(&config, &events(0, 2, &["never"]));
    println!("the transaction is open");
    until("killed", || {
        std::thread::sleep(STEP);
        None::<()>
    });
}

#[test]
fn an_owner_that_slept_past_its_session_cannot_commit() {
    let config = config();
    let log = Kafka::connect(Config { partitions: 1, ..config.clone() }).expect("connected");
    let mut child = Other::start("sleeping_owner", &config);
    child.wait_for("committed 20");
    child.signal("-STOP");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0]);
    let consumed = log.committed("engine", 0).expect("asked");
    assert!(consumed >= 20, "{consumed}");
    owner.commit(&events(0, consumed + 1, &["the new owner's"])).expect("committed");

    child.signal("-CONT");
    child.wait_for("lost");
    drop(child);
    owner.commit(&events(0, consumed + 2, &["the new owner's"])).expect("committed");
    assert_eq!(log.committed("engine", 0).expect("asked"), consumed + 2);
    let texts = read_to_end(&log, Topic::Events, 0);
    let consumed = usize::try_from(consumed).expect("small");
    assert_eq!(texts.len(), consumed + 2, "each command once");
    assert!(texts[consumed..].iter().all(|text| text == "the new owner's"), "{:?}", &texts[consumed..]);
}

/// Not a test of its own: the process that the test above stops.
#[test]
fn sleeping_owner() {
    let Ok(place) = std::env::var(DYING) else { return };
    let (brokers, prefix) = place.split_once(' ').expect("brokers and prefix");
    let log = Kafka::connect(Config { brokers: brokers.into(), prefix: prefix.into(), ..Config::default() }).expect("connected");
    let mut owner = log.own(membership(None)).expect("joined");
    assigned(owner.as_mut(), &[0]);
    for next in 1.. {
        match owner.commit(&events(0, next, &["the old owner's"])) {
            Ok(()) => println!("committed {next}"),
            Err(CommitError::Lost(_)) => break,
            Err(CommitError::Refused(error)) => panic!("{error}"),
        }
    }
    println!("lost");
    // Stays in the group as best it can, so that it would be seen if it fenced the new owner.
    until("killed", || {
        let _ = owner.poll(10, STEP);
        None::<()>
    });
}

/// A member that owns nothing is not told that its session ran out. Asleep again and again it also wakes up in
/// mid-join, which is where it shuts itself out.
#[test]
fn a_member_that_owns_nothing_and_slept_past_its_session_goes_on() {
    let config = config();
    let log = Kafka::connect(Config { partitions: 1, ..config.clone() }).expect("connected");
    let mut owner = log.own(membership(Some("owner"))).expect("joined");
    assigned(owner.as_mut(), &[0]);
    let mut idle = Other::start("idle_member", &config);
    idle.wait_for("polled");
    let session = Duration::from_millis(config.session_timeout_ms.into());
    for asleep in [session * 3 / 2, session * 2] {
        idle.signal("-STOP");
        let wakes = Instant::now() + asleep;
        until("its session is over", || {
            let _ = owner.poll(10, STEP);
            (Instant::now() >= wakes).then_some(())
        });
        idle.signal("-CONT");
        idle.wait_for("polled");
    }
    drop(owner);
    idle.wait_for("has [0]");
}

/// Not a test of its own: the process that the test above stops.
#[test]
fn idle_member() {
    let Ok(place) = std::env::var(DYING) else { return };
    let (brokers, prefix) = place.split_once(' ').expect("brokers and prefix");
    let log = Kafka::connect(Config { brokers: brokers.into(), prefix: prefix.into(), ..Config::default() }).expect("connected");
    let mut owner = log.own(membership(Some("mill"))).expect("joined");
    loop {
        match owner.poll(10, Duration::from_millis(500)) {
            Ok(Polled::Assigned(partitions)) => println!("has {partitions:?}"),
            Ok(_) => println!("polled"),
            Err(Error::Unavailable(_)) => {}
            Err(error) => {
                println!("ended: {error}");
                return;
            }
        }
    }
}

/// Whoever has the name lives no more: there is nobody to give way to.
#[test]
fn a_member_whose_name_was_taken_by_a_process_that_died_goes_on() {
    let config = config();
    let log = Kafka::connect(Config { partitions: 1, ..config.clone() }).expect("connected");
    let mut owner = log.own(membership(Some("mill"))).expect("joined");
    assigned(owner.as_mut(), &[0]);
    let mut other = Other::start("idle_member", &config);
    other.wait_for("has [0]");
    drop(other);
    until("it has its partition again", || match owner.poll(10, STEP) {
        Ok(Polled::Assigned(partitions)) => {
            assert_eq!(partitions, [0]);
            Some(())
        }
        Ok(_) | Err(Error::Unavailable(_)) => None,
        Err(error) => panic!("{error}"),
    });
    owner.commit(&events(0, 1, &["goes on"])).expect("committed");
}

/// A process that owns nothing is told too, by a real process of its name that goes on living.
#[test]
fn a_member_that_owns_nothing_ends_when_a_living_process_has_its_name() {
    let config = config();
    let log = Kafka::connect(Config { partitions: 1, ..config.clone() }).expect("connected");
    let mut owner = log.own(membership(Some("owner"))).expect("joined");
    assigned(owner.as_mut(), &[0]);
    let mut first = Other::start("idle_member", &config);
    first.wait_for("polled");
    let mut second = Other::start("idle_member", &config);
    second.wait_for("polled");
    first.wait_for("ended: ");
    drop(owner);
    second.wait_for("has [0]");
}
