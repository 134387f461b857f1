//! A write-ahead log that is torn or damaged anywhere yields the beginning of what was committed, whole
//! transactions only.

use std::path::Path;

use super::*;

const CHECKPOINTED: u64 = 20;
const COMMITTED: u64 = 50;
const WAL: &str = "log.sqlite-wal";

fn payload(number: u64) -> Vec<u8> {
    // Of different lengths, some longer than a page.
    vec![number as u8; 50 + (number as usize * 397) % 6000]
}

/// A log of which the first 20 transactions are in the file and the others in the write-ahead log, as a crash leaves it.
fn crashed(into: &Path) {
    let dir = folder();
    let log = Embedded::open(dir.path(), 1).unwrap();
    let mut owner = owner(&log);
    for number in 0..COMMITTED {
        if number == CHECKPOINTED {
            meddle(&log, |connection| {
                let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
                assert_eq!(busy, 0);
            });
        }
        owner.commit(&transaction(number, &payload(number))).unwrap();
    }
    copy(dir.path(), into);
}

fn copy(from: &Path, to: &Path) {
    for file in [schema::FILE, WAL] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// Opens a copy whose write-ahead log was changed; returns how many transactions it has.
fn survivors(crashed: &Path, change: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let dir = folder();
    copy(crashed, dir.path());
    let mut wal = std::fs::read(dir.path().join(WAL)).unwrap();
    change(&mut wal);
    std::fs::write(dir.path().join(WAL), wal).unwrap();

    let log = Embedded::open(dir.path(), 1).unwrap();
    let count = log.committed("engine", 0).unwrap();
    for topic in [Topic::Events, Topic::Outcomes] {
        let records = all(&log, topic);
        assert_eq!(records.len() as u64, count, "{topic} and the offset are of one transaction");
        for (number, record) in (0..).zip(&records) {
            assert_eq!((record.offset, &record.payload), (number, &payload(number)));
        }
    }
    owner(&log).commit(&transaction(count, &payload(count))).unwrap();
    assert_eq!(log.end(Topic::Events, 0).unwrap(), count + 1, "it goes on after the last one");
    count
}

#[test]
fn a_torn_write_ahead_log_yields_a_beginning() {
    let dir = folder();
    crashed(dir.path());
    let whole = std::fs::metadata(dir.path().join(WAL)).unwrap().len() as usize;
    assert_eq!(survivors(dir.path(), |_| ()), COMMITTED);
    let mut last = COMMITTED;
    // A prime, so that the cuts fall everywhere in pages and frame headers.
    for cut in (0..whole).rev().step_by(7919) {
        let count = survivors(dir.path(), |wal| wal.truncate(cut));
        assert!((CHECKPOINTED..=last).contains(&count), "cut at {cut} of {whole}: {count} transactions, {last} with more");
        last = count;
    }
    assert_eq!(survivors(dir.path(), Vec::clear), CHECKPOINTED);
}

#[test]
fn a_damaged_write_ahead_log_yields_a_beginning() {
    let dir = folder();
    crashed(dir.path());
    let whole = std::fs::metadata(dir.path().join(WAL)).unwrap().len() as usize;
    let mut fewest = COMMITTED;
    for at in (0..whole).step_by(11_003) {
        let count = survivors(dir.path(), |wal| wal[at] ^= 0x40);
        assert!((CHECKPOINTED..COMMITTED).contains(&count), "damage at {at} of {whole}: {count} transactions");
        fewest = fewest.min(count);
    }
    assert_eq!(fewest, CHECKPOINTED);
}
