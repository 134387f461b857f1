//! How far each partition goes, and who wants to know when it goes further.
//!
//! One lock for all topics: what one transaction wrote becomes visible at once, and nobody sees its
//! outcome without its events.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use atelier_schemas::Topic;

/// Offsets of the next record, by topic and partition.
pub(super) type Next = [Vec<u64>; Topic::ALL.len()];

/// The committed ends of all partitions.
pub(super) struct Heads {
    state: Mutex<State>,
    changed: [Condvar; Topic::ALL.len()],
}

struct State {
    next: Next,
    rings: [u64; Topic::ALL.len()],
}

impl Heads {
    pub(super) fn new(next: Next) -> Self {
        Self { state: Mutex::new(State { next, rings: Default::default() }), changed: Default::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the topic's ends; returns what to give to [`Heads::wait`].
    pub(super) fn look(&self, topic: Topic, into: &mut Vec<u64>) -> u64 {
        let state = self.lock();
        into.clone_from(&state.next[topic as usize]);
        state.rings[topic as usize]
    }

    /// The end of one partition.
    pub(super) fn end(&self, topic: Topic, partition: u32) -> Option<u64> {
        self.lock().next[topic as usize].get(partition as usize).copied()
    }

    /// Makes what was committed visible and wakes those who wait for a topic that grew.
    pub(super) fn publish(&self, next: &Next) {
        let mut state = self.lock();
        let mut grew = [false; Topic::ALL.len()];
        for (index, ends) in next.iter().enumerate() {
            if state.next[index] != *ends {
                state.next[index].clone_from(ends);
                state.rings[index] += 1;
                grew[index] = true;
            }
        }
        drop(state);
        for (index, _) in grew.iter().enumerate().filter(|(_, grew)| **grew) {
            self.changed[index].notify_all();
        }
    }

    /// Wakes those who wait for a topic, for another reason.
    pub(super) fn ring(&self, topic: Topic) {
        self.lock().rings[topic as usize] += 1;
        self.changed[topic as usize].notify_all();
    }

    /// Waits for a change after the look that returned `rings`. `false`: the time is over.
    pub(super) fn wait(&self, topic: Topic, rings: u64, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.rings[topic as usize] == rings {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed[topic as usize].wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
