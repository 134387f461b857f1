//! A log with many open orders, for the cases about deadlines.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use atelier_log::embedded::Embedded;
use atelier_log::{Log, Membership, Polled};
use atelier_runtime::Clock;
use uuid::Uuid;

use crate::harness::Outcome;
use crate::life;

/// Open orders.
pub(super) const OPEN: usize = 100_000;
const BATCH: usize = 1000;
const SALT: u64 = 23;

/// The time.
pub(super) fn clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64))
}

/// Order `number` of those that stand there.
pub(super) fn order(number: usize) -> Uuid {
    life::id(number as u64, SALT)
}

/// An embedded log of one partition with [`OPEN`] orders that were just begun.
pub(super) fn log(folder: &Path) -> Outcome<Arc<Embedded>> {
    let log = Embedded::open(&folder.join("log"), 1)?;
    let mut owner = log.own(Membership { group: atelier_runtime::GROUP.into(), instance: None, worker: 0, workers: 1 })?;
    while !matches!(owner.poll(1, std::time::Duration::from_secs(30))?, Polled::Assigned(_)) {}
    let mut state = life::state(0, 1, folder)?;
    let orders: Vec<Uuid> = (0..OPEN).map(order).collect();
    let now = clock()();
    let mut offset = 0;
    for orders in orders.chunks(BATCH) {
        let records: Vec<_> = life::wave(orders, 0..1).zip(offset..).map(|(command, offset)| life::as_read(&command, 0, offset)).collect();
        offset += records.len() as u64;
        let mut transaction = state.decide(records, now)?;
        // Nothing was appended, so nothing is consumed.
        transaction.next_command = 0;
        owner.commit(&transaction)?;
    }
    drop(owner);
    Ok(Arc::new(log))
}
