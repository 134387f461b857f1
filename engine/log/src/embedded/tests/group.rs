//! Group commit: what goes together, what does not, and the limit of the queue.

use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::{Appending, CommitError};

/// Holds the writer before its next group until the sender is dropped.
fn hold(log: &Embedded) -> mpsc::Sender<()> {
    let (gate, wait) = mpsc::channel();
    let (reached, at_gate) = mpsc::channel();
    let request = Request::Meddle(Box::new(move |_| {
        reached.send(()).unwrap();
        let _ = wait.recv_timeout(LONG);
    }));
    assert!(log.handle.as_ref().unwrap().core.queue.try_push(request).is_ok());
    at_gate.recv_timeout(LONG).unwrap();
    gate
}

/// Waits until so many requests wait for the writer.
fn until_waiting(log: &Embedded, count: usize) {
    let queue = &log.handle.as_ref().unwrap().core.queue;
    let deadline = std::time::Instant::now() + LONG;
    while queue.waiting() < count {
        assert!(std::time::Instant::now() < deadline, "{} requests wait, not {count}", queue.waiting());
        std::thread::yield_now();
    }
}

fn is_pending(future: &mut Appending) -> bool {
    matches!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[test]
fn a_fenced_owner_in_a_group_costs_the_others_nothing() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut old = owner(&log);
    let mut new = owner(&log);
    let gate = hold(&log);
    let before = log.append(Topic::Commands, 0, record("before", b""));
    let stale = std::thread::spawn(move || old.commit(&transaction(0, b"stale")));
    until_waiting(&log, 2);
    let valid = std::thread::spawn(move || new.commit(&transaction(0, b"valid")));
    until_waiting(&log, 3);
    let after = log.append(Topic::Commands, 0, record("after", b""));
    drop(gate);
    assert!(matches!(stale.join().unwrap(), Err(CommitError::Lost(_))));
    valid.join().unwrap().unwrap();
    assert_eq!((block_on(before).unwrap(), block_on(after).unwrap()), (0, 1));
    let payloads: Vec<_> = all(&log, Topic::Events).into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads, [b"valid".to_vec()]);
}

#[test]
fn a_commit_that_waits_when_a_newer_owner_joins_is_fenced() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut old = owner(&log);
    let gate = hold(&log);
    let stale = std::thread::spawn(move || old.commit(&transaction(0, b"stale")));
    until_waiting(&log, 1);
    std::thread::scope(|scope| {
        let joined = scope.spawn(|| owner(&log));
        until_waiting(&log, 2);
        drop(gate);
        let mut new = joined.join().unwrap();
        assert!(matches!(stale.join().unwrap(), Err(CommitError::Lost(_))));
        new.commit(&transaction(0, b"new")).unwrap();
    });
    assert_eq!(all(&log, Topic::Events).len(), 1);
    assert_eq!(all(&log, Topic::Events)[0].payload, b"new");
}

#[test]
fn at_the_limit_of_the_queue_an_append_waits_its_turn() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let gate = hold(&log);
    let large = vec![7; log.max_payload_bytes()];
    // 32 MiB of room, a megabyte each.
    let mut appends: Vec<Appending> = (0..40).map(|n| log.append(Topic::Commands, 0, record(&n.to_string(), &large))).collect();
    assert!(appends.iter_mut().all(is_pending));
    let waiting = log.handle.as_ref().unwrap().core.queue.waiting();
    assert!((1..40).contains(&waiting), "{waiting} of 40 megabytes have entered");
    drop(gate);
    for (index, append) in appends.into_iter().enumerate() {
        assert_eq!(block_on(append).unwrap(), index as u64);
    }
    assert_eq!(all(&log, Topic::Commands).len(), 40);
}

#[test]
fn what_was_queued_is_written_when_the_log_is_dropped() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let gate = hold(&log);
    let appends: Vec<_> = (0..10).map(|n| log.append(Topic::Commands, 0, record(&n.to_string(), b""))).collect();
    drop(gate);
    drop(log);
    for (index, append) in appends.into_iter().enumerate() {
        assert_eq!(block_on(append).unwrap(), index as u64);
    }
    assert_eq!(all(&Embedded::open(dir.path(), 1).unwrap(), Topic::Commands).len(), 10);
}

#[test]
fn a_writer_that_dies_leaves_nobody_waiting() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    let request = Request::Meddle(Box::new(|_| std::panic::panic_any("on purpose")));
    assert!(log.handle.as_ref().unwrap().core.queue.try_push(request).is_ok());
    assert!(matches!(append(&log, "late"), Err(Error::Unavailable(_))));
    assert!(matches!(owner.commit(&transaction(0, b"")), Err(CommitError::Lost(_))));
}

#[test]
fn an_offset_beyond_the_disk_is_refused_alone() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    let wrong = Transaction { next_command: u64::MAX, ..transaction(0, b"") };
    assert!(matches!(owner.commit(&wrong), Err(CommitError::Refused(Error::Mismatch(_)))));
    let elsewhere = Transaction { records: vec![(Topic::Events, 9, record("lost", b""))], ..transaction(0, b"") };
    assert!(matches!(owner.commit(&elsewhere), Err(CommitError::Refused(Error::Mismatch(_)))));
    owner.commit(&transaction(0, b"")).unwrap();
}

#[test]
fn an_owner_that_waits_is_told_at_once_that_a_newer_one_joined() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut old = owner(&log);
    let waiting = std::thread::spawn(move || old.poll(1, LONG).unwrap());
    let _new = owner(&log);
    assert!(matches!(waiting.join().unwrap(), Polled::Revoked(partitions) if partitions == [0]));
}
