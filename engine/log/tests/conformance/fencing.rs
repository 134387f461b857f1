//! Of two owners of a partition the older one cannot commit, whatever it believes.

use atelier_log::Transaction;
use atelier_schemas::Topic;

use crate::drivers::{Worker, append, decided, is_lost, keys, read_all, until_committed};
use crate::subject::Subject;

pub(crate) fn a_stale_owner_cannot_commit(subject: &dyn Subject) {
    let log = subject.open();
    let command = append(&*log, Topic::Commands, 0, "command");
    let mut stale = Worker::alone(&*log, "a");
    stale.until_commands(1);
    // The same name, as after a long pause of the first process.
    let mut new = Worker::alone(&*log, "a");
    let refused = stale.try_commit(&decided("stale", command + 1));
    assert!(is_lost(&refused), "{refused:?}");

    new.until_commands(1);
    assert_eq!(new.keys(), ["command"], "the stale one has consumed nothing");
    new.commit(&decided("new", command + 1));
    let again = stale.try_commit(&decided("stale again", command + 1));
    assert!(is_lost(&again), "{again:?}");
    new.commit(&decided("sentinel", command + 1));
    assert_eq!(keys(&read_all(&*log, Topic::Events)), ["new", "sentinel"]);
}

pub(crate) fn a_stale_owner_learns_that_it_is(subject: &dyn Subject) {
    let log = subject.open();
    let mut stale = Worker::alone(&*log, "a");
    let mut new = Worker::alone(&*log, "a");
    let command = append(&*log, Topic::Commands, 0, "for the new one");
    stale.until("it knows", |stale| stale.held.is_empty() || stale.replaced);
    // Both may have been handed it: the brokers give it to whoever asks, and tell of the new one with the next heartbeat.
    let refused = stale.try_commit(&decided("stale", command + 1));
    assert!(is_lost(&refused), "{refused:?}");
    new.until_commands(1);
    new.commit(&decided("new", command + 1));
    assert_eq!(keys(&read_all(&*log, Topic::Events)), ["new"]);
}

pub(crate) fn timers_alone_are_fenced_too(subject: &dyn Subject) {
    let log = subject.open();
    let command = append(&*log, Topic::Commands, 0, "command");
    let mut stale = Worker::alone(&*log, "a");
    stale.commit(&decided("a timer of the first owner", 0));
    let mut new = Worker::alone(&*log, "a");
    let refused = stale.try_commit(&decided("a timer of the stale owner", 0));
    assert!(is_lost(&refused), "{refused:?}");
    let empty = stale.try_commit(&Transaction { partition: 0, records: Vec::new(), next_command: command + 1 });
    assert!(is_lost(&empty), "{empty:?}");

    new.commit(&decided("a timer of the new owner", 0));
    until_committed(&*log, 0, 0);
    assert_eq!(keys(&read_all(&*log, Topic::Events)), ["a timer of the first owner", "a timer of the new owner"]);
}

pub(crate) fn nothing_of_a_stale_owner_follows_a_newer_claim(subject: &dyn Subject) {
    let log = subject.open();
    let mut owner = Worker::alone(&*log, "a");
    // The stale owner never stops trying while newer ones come.
    for round in 0..3_u8 {
        let mut newer = Worker::alone(&*log, "a");
        newer.commit(&decided(&format!("claim {round}"), 0));
        std::thread::scope(|scope| {
            let stale = scope.spawn(|| owner.try_commit(&decided("stale", 0)));
            newer.commit(&decided(&format!("work {round}"), 0));
            let refused = stale.join().expect("it does not panic");
            assert!(is_lost(&refused), "{refused:?}");
        });
        owner = newer;
    }
    let events = read_all(&*log, Topic::Events);
    assert_eq!(keys(&events), ["claim 0", "work 0", "claim 1", "work 1", "claim 2", "work 2"]);
}
