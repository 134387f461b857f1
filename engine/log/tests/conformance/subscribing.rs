//! A group works off a topic: shared, at least once, pausable.

use std::collections::BTreeSet;

use atelier_log::{Log, Subscription};
use atelier_schemas::Topic;

use crate::drivers::{SHORT, append, keys, read, receive, tolerate, until};
use crate::subject::{PARTITIONS, Subject};

fn subscribe(log: &dyn Log) -> Box<dyn Subscription> {
    log.subscribe(Topic::PricingJobs, "pricing").expect("the log answers")
}

pub(crate) fn what_was_not_committed_comes_again(subject: &dyn Subject) {
    let log = subject.open();
    let offsets: Vec<_> = (0..4).map(|number| append(&*log, Topic::PricingJobs, 0, &number.to_string())).collect();
    let mut first = subscribe(&*log);
    assert_eq!(keys(&receive(&mut *first, 4)), ["0", "1", "2", "3"]);
    drop(first);
    let mut second = subscribe(&*log);
    assert_eq!(keys(&receive(&mut *second, 4)), ["0", "1", "2", "3"], "nothing was committed");
    second.commit(0, offsets[2] + 1).expect("the log answers");
    drop(second);
    let mut third = subscribe(&*log);
    assert_eq!(keys(&receive(&mut *third, 1)), ["3"]);
    let mut other_group = log.subscribe(Topic::PricingJobs, "audit").expect("the log answers");
    assert_eq!(receive(&mut *other_group, 4).len(), 4);
}

pub(crate) fn members_share_and_the_rest_inherits(subject: &dyn Subject) {
    let log = subject.open();
    let mut one = subscribe(&*log);
    let mut other = subscribe(&*log);
    let (mut of_one, mut of_other) = (BTreeSet::new(), BTreeSet::new());
    let mut number = 0;
    // Both get some: the group has settled.
    until("both members get jobs", || {
        for partition in 0..3 {
            append(&*log, Topic::PricingJobs, partition, &number.to_string());
            number += 1;
        }
        of_one.extend(tolerate(one.poll(100, SHORT)).into_iter().map(|job| job.partition));
        of_other.extend(tolerate(other.poll(100, SHORT)).into_iter().map(|job| job.partition));
        (!of_one.is_empty() && !of_other.is_empty()).then_some(())
    });
    drop(other);
    // Nothing was committed, so the one that stays gets all of the other's partitions from the beginning.
    let mut inherited = BTreeSet::new();
    until("the rest has come to the one that stays", || {
        inherited.extend(tolerate(one.poll(100, SHORT)).into_iter().map(|job| job.partition));
        of_other.is_subset(&inherited).then_some(())
    });
}

pub(crate) fn a_partition_that_left_during_a_pause_and_comes_back_after_it_is_read(subject: &dyn Subject) {
    let log = subject.open();
    let mut one = subscribe(&*log);
    let mut seen = BTreeSet::new();
    for partition in 0..PARTITIONS {
        append(&*log, Topic::PricingJobs, partition, "first");
    }
    until("one member has every partition", || {
        seen.extend(tolerate(one.poll(100, SHORT)).into_iter().map(|job| job.partition));
        (seen.len() == PARTITIONS as usize).then_some(())
    });
    one.pause(true).expect("the log answers");
    let mut other = subscribe(&*log);
    let mut of_other = BTreeSet::new();
    until("the other one has a share", || {
        assert!(tolerate(one.poll(100, SHORT)).is_empty(), "it is paused");
        of_other.extend(tolerate(other.poll(100, SHORT)).into_iter().map(|job| job.partition));
        (!of_other.is_empty()).then_some(())
    });
    one.pause(false).expect("the log answers");
    drop(other);
    let mut again = BTreeSet::new();
    until("every partition is read by the one that stays", || {
        for partition in 0..PARTITIONS {
            append(&*log, Topic::PricingJobs, partition, "second");
        }
        again.extend(tolerate(one.poll(100, SHORT)).into_iter().filter(|job| job.key == "second").map(|job| job.partition));
        (again.len() == PARTITIONS as usize).then_some(())
    });
}

pub(crate) fn a_paused_subscription_returns_nothing(subject: &dyn Subject) {
    let log = subject.open();
    let first = append(&*log, Topic::PricingJobs, 0, "first");
    let mut subscription = subscribe(&*log);
    assert_eq!(keys(&receive(&mut *subscription, 1)), ["first"]);
    subscription.pause(true).expect("the log answers");
    append(&*log, Topic::PricingJobs, 0, "second");
    // It is there for whoever is not paused.
    let mut reader = log.read(Topic::PricingJobs, &[(0, first + 1)]).expect("the log answers");
    assert_eq!(keys(&read(&mut *reader, 1)), ["second"]);
    for _ in 0..5 {
        assert!(tolerate(subscription.poll(10, SHORT)).is_empty());
    }
    // What was returned before can be committed meanwhile.
    subscription.commit(0, first + 1).expect("the log answers");
    subscription.pause(false).expect("the log answers");
    assert_eq!(keys(&receive(&mut *subscription, 1)), ["second"]);
}
