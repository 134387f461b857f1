//! All of the log, under one lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use atelier_schemas::{TimeMs, Topic};

use super::Fault;
use crate::local::{MAX_BATCH_BYTES, Owners, Sharing, past_the_end};
use crate::{Error, NewRecord, Partition, Record};

/// What the clones share.
pub(super) struct Shared {
    pub(super) partitions: u32,
    pub(super) clock: Arc<AtomicI64>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What the lock guards.
pub(super) struct State {
    /// By topic and partition; the index is the offset.
    records: [Vec<Vec<Record>>; Topic::ALL.len()],
    /// By group, topic and partition.
    offsets: HashMap<(String, Topic, Partition), u64>,
    pub(super) owners: Owners,
    pub(super) sharing: Sharing,
    pub(super) faults: VecDeque<Fault>,
}

impl Shared {
    pub(super) fn new(partitions: u32, clock: Arc<AtomicI64>) -> Self {
        let state = State {
            records: Topic::ALL.map(|_| vec![Vec::new(); partitions as usize]),
            offsets: HashMap::new(),
            owners: Owners::default(),
            sharing: Sharing::default(),
            faults: VecDeque::new(),
        };
        Self { partitions, clock, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> TimeMs {
        self.clock.load(Ordering::SeqCst)
    }

    /// Changes the state and wakes everybody who waits.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Asks after every change until there is an answer or the time is over.
    pub(super) fn wait<T>(&self, deadline: Instant, mut ask: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = ask(&mut state) {
                return Some(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// Takes the first fault of this kind.
    pub(super) fn fault(&mut self, kind: fn(Fault) -> bool) -> Option<Fault> {
        let index = self.faults.iter().position(|fault| kind(*fault))?;
        self.faults.remove(index)
    }

    /// Appends; returns the offset.
    pub(super) fn write(&mut self, topic: Topic, partition: Partition, time: TimeMs, record: NewRecord) -> u64 {
        let records = &mut self.records[topic as usize][partition as usize];
        let offset = records.len() as u64;
        let NewRecord { key, kind, traceparent, payload } = record;
        records.push(Record { topic, partition, offset, time, key, kind: kind.to_owned(), traceparent, payload });
        offset
    }

    pub(super) fn end(&self, topic: Topic, partition: Partition) -> u64 {
        self.records[topic as usize][partition as usize].len() as u64
    }

    pub(super) fn group_offset(&self, group: &str, topic: Topic, partition: Partition) -> u64 {
        self.offsets.get(&(group.to_owned(), topic, partition)).copied().unwrap_or(0)
    }

    pub(super) fn set_group_offset(&mut self, group: &str, topic: Topic, partition: Partition, next: u64) {
        self.offsets.insert((group.to_owned(), topic, partition), next);
    }

    pub(super) fn standing(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for record in self.records.iter().flatten().flatten() {
            let Record { topic, partition, offset, time, key, kind, traceparent, payload } = record;
            (*topic as usize, partition, offset, time, key, kind, traceparent, payload).hash(&mut hasher);
        }
        let counts: Vec<usize> = self.records.iter().flatten().map(Vec::len).collect();
        let offsets: BTreeMap<_, _> =
            self.offsets.iter().map(|((group, topic, partition), next)| ((group, *topic as usize, partition), next)).collect();
        format!("{counts:?} {:016x} {offsets:?} {:?} {:?}", hasher.finish(), self.owners, self.faults)
    }

    /// Takes what is there from the positions on, `turn` first, and moves them.
    pub(super) fn take(&self, topic: Topic, positions: &mut [(Partition, u64)], turn: usize, max: usize) -> Result<Vec<Record>, Error> {
        for (partition, position) in positions.iter() {
            let end = self.end(topic, *partition);
            if *position > end {
                return Err(past_the_end(topic, *partition, *position, end));
            }
        }
        let mut taken: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let count = positions.len();
        for step in 0..count {
            let (partition, position) = &mut positions[(turn.wrapping_add(step)) % count];
            for record in &self.records[topic as usize][*partition as usize][*position as usize..] {
                if taken.len() >= max.max(1) || bytes >= MAX_BATCH_BYTES {
                    return Ok(taken);
                }
                bytes += record.payload.len();
                taken.push(record.clone());
                *position += 1;
            }
        }
        Ok(taken)
    }
}
