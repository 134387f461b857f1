//! What was confirmed is there after the process has ended.

use atelier_schemas::Topic;

use crate::drivers::{Worker, append, decided, keys, read_all, receive, until_committed};
use crate::subject::Subject;

pub(crate) fn what_was_confirmed_survives(subject: &dyn Subject) {
    let mut log = subject.open();
    let mut next = 0;
    for round in 0..3 {
        let command = append(&*log, Topic::Commands, 0, &format!("command {round}"));
        let mut worker = Worker::alone(&*log, "a");
        worker.until_commands(1);
        assert_eq!(worker.commands[0].offset, command, "those before are consumed");
        next = command + 1;
        worker.commit(&decided(&format!("event {round}"), next));
        drop(worker);
        log = subject.reopen(log);
        until_committed(&*log, 0, next);
    }
    assert_eq!(keys(&read_all(&*log, Topic::Commands)), ["command 0", "command 1", "command 2"]);
    assert_eq!(keys(&read_all(&*log, Topic::Events)), ["event 0", "event 1", "event 2"]);
    assert!(log.end(Topic::Commands, 0).expect("the log answers") >= next);
}

pub(crate) fn a_group_goes_on_where_it_stopped(subject: &dyn Subject) {
    let log = subject.open();
    let offsets: Vec<_> = (0..4).map(|number| append(&*log, Topic::PricingJobs, 1, &number.to_string())).collect();
    let mut before = log.subscribe(Topic::PricingJobs, "pricing").expect("the log answers");
    receive(&mut *before, 4);
    before.commit(1, offsets[2]).expect("the log answers");
    drop(before);
    let log = subject.reopen(log);
    let mut after = log.subscribe(Topic::PricingJobs, "pricing").expect("the log answers");
    assert_eq!(keys(&receive(&mut *after, 2)), ["2", "3"]);
}

pub(crate) fn an_offset_is_valid_after_a_restart(subject: &dyn Subject) {
    let log = subject.open();
    append(&*log, Topic::Events, 2, "before");
    let offset = append(&*log, Topic::Events, 2, "read from here");
    let log = subject.reopen(log);
    append(&*log, Topic::Events, 2, "after");
    let mut reader = log.read(Topic::Events, &[(2, offset)]).expect("the log answers");
    assert_eq!(keys(&crate::drivers::read(&mut *reader, 2)), ["read from here", "after"]);
}
