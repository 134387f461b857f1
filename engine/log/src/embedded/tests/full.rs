//! A disk that is full or does not confirm: nothing half written, and it works again afterwards.

use super::*;
use crate::CommitError;

const FAILING_COMMIT: &str = "
    PRAGMA foreign_keys = ON;
    CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TEMP TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
    CREATE TEMP TRIGGER fail AFTER INSERT ON main.events_0 BEGIN INSERT INTO child VALUES (1); END;";

/// Leaves room for so many more pages.
fn leave_pages(log: &Embedded, pages: i64) {
    meddle(log, move |connection| {
        let now: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let _: i64 = connection.query_row(&format!("PRAGMA max_page_count = {}", now + pages), [], |row| row.get(0)).unwrap();
    });
}

fn run(log: &Embedded, sql: &'static str) {
    meddle(log, move |connection| connection.execute_batch(sql).unwrap());
}

#[test]
fn a_full_disk_refuses_whole_transactions_and_recovers() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    owner.commit(&transaction(0, b"before")).unwrap();
    // Room for one of the two records of the next one.
    leave_pages(&log, 3);
    let large = transaction(1, &vec![1; 10_000]);
    for _ in 0..3 {
        assert!(matches!(owner.commit(&large), Err(CommitError::Refused(Error::Full(_)))));
        assert_eq!(keys(&log, Topic::Events), ["order 0"]);
        assert_eq!(keys(&log, Topic::Outcomes), ["order 0"]);
        assert_eq!(log.committed("engine", 0).unwrap(), 1);
    }
    let refused = block_on(log.append(Topic::Commands, 0, record("large", &vec![1; 50_000])));
    assert!(matches!(refused, Err(Error::Full(_))));
    assert_eq!(append(&log, "small").unwrap(), 0);

    leave_pages(&log, 1_000);
    owner.commit(&large).unwrap();
    assert_eq!(block_on(log.append(Topic::Commands, 0, record("large", &vec![1; 50_000]))).unwrap(), 1);
    drop((owner, log));

    let log = Embedded::open(dir.path(), 1).unwrap();
    assert_eq!(keys(&log, Topic::Events), ["order 0", "order 1"]);
    assert_eq!(keys(&log, Topic::Commands), ["small", "large"]);
    assert_eq!(log.committed("engine", 0).unwrap(), 2);
}

#[test]
fn a_failed_commit_that_can_be_ruled_out_is_refused() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    run(&log, FAILING_COMMIT);
    assert!(matches!(owner.commit(&transaction(0, b"")), Err(CommitError::Refused(Error::Unavailable(_)))));
    assert_eq!((log.end(Topic::Events, 0).unwrap(), log.committed("engine", 0).unwrap()), (0, 0));
    run(&log, "DROP TRIGGER fail");
    owner.commit(&transaction(0, b"")).unwrap();
    assert_eq!(keys(&log, Topic::Events), ["order 0"]);
}

#[test]
fn a_failed_commit_that_cannot_be_ruled_out_is_lost_and_assigned_anew() {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    run(&log, FAILING_COMMIT);
    run(&log, "CREATE TEMP TRIGGER unsealed BEFORE UPDATE ON main.seal BEGIN SELECT RAISE(ABORT, 'on purpose'); END");
    assert!(matches!(owner.commit(&transaction(0, b"")), Err(CommitError::Lost(_))));
    run(&log, "DROP TRIGGER fail; DROP TRIGGER unsealed");
    assert!(matches!(owner.commit(&transaction(0, b"")), Err(CommitError::Lost(_))), "not before it knows where it stands");
    assert!(matches!(owner.poll(1, LONG).unwrap(), Polled::Assigned(partitions) if partitions == [0]));
    owner.commit(&transaction(0, b"")).unwrap();
    assert_eq!(keys(&log, Topic::Events), ["order 0"]);
}
