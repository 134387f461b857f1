//! Whoever waits at the end gets what comes, from the poll that waits.

use std::sync::mpsc;

use atelier_schemas::Topic;

use crate::drivers::{LONG, Worker, append, decided, keys};
use crate::subject::Subject;

pub(crate) fn a_reader_that_waits_gets_what_is_appended(subject: &dyn Subject) {
    let log = subject.open();
    let mut reader = log.read(Topic::Commands, &[(0, 0), (1, 0), (2, 0)]).expect("the log answers");
    std::thread::scope(|scope| {
        let (about_to_wait, gate) = mpsc::channel();
        let follower = scope.spawn(move || {
            about_to_wait.send(()).expect("the test waits for it");
            reader.poll(10, LONG).expect("the log answers")
        });
        gate.recv().expect("the follower is there");
        append(&*log, Topic::Commands, 2, "news");
        assert_eq!(keys(&follower.join().expect("it does not panic")), ["news"]);
    });
}

pub(crate) fn a_reader_that_waits_gets_what_is_committed(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = Worker::alone(&*log, "a");
    let mut reader = log.read(Topic::Events, &[(0, 0)]).expect("the log answers");
    std::thread::scope(|scope| {
        let (about_to_wait, gate) = mpsc::channel();
        let follower = scope.spawn(move || {
            about_to_wait.send(()).expect("the test waits for it");
            reader.poll(10, LONG).expect("the log answers")
        });
        gate.recv().expect("the follower is there");
        worker.commit(&decided("news", 0));
        assert_eq!(keys(&follower.join().expect("it does not panic")), ["news"]);
    });
}

pub(crate) fn an_owner_that_waits_gets_the_command(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = Worker::alone(&*log, "a");
    std::thread::scope(|scope| {
        let (about_to_wait, gate) = mpsc::channel();
        let owner = scope.spawn(move || {
            about_to_wait.send(()).expect("the test waits for it");
            worker.step(10, LONG);
            worker
        });
        gate.recv().expect("the owner is there");
        append(&*log, Topic::Commands, 1, "news");
        assert_eq!(owner.join().expect("it does not panic").keys(), ["news"]);
    });
}

pub(crate) fn a_subscription_that_waits_gets_the_record(subject: &dyn Subject) {
    let log = subject.open();
    append(&*log, Topic::PricingJobs, 1, "first");
    let mut subscription = log.subscribe(Topic::PricingJobs, "pricing").expect("the log answers");
    crate::drivers::receive(&mut *subscription, 1);
    std::thread::scope(|scope| {
        let (about_to_wait, gate) = mpsc::channel();
        let follower = scope.spawn(move || {
            about_to_wait.send(()).expect("the test waits for it");
            subscription.poll(10, LONG).expect("the log answers")
        });
        gate.recv().expect("the follower is there");
        append(&*log, Topic::PricingJobs, 0, "news");
        assert_eq!(keys(&follower.join().expect("it does not panic")), ["news"]);
    });
}
