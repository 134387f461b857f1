//! Rows remembered between batches.
//!
//! They are true as long as nobody else moves the model's offsets, which every commit checks; when
//! somebody did, everything is forgotten.

use std::collections::HashMap;

use uuid::Uuid;

/// Rows in the young half; at the limit it becomes the old half and the old one goes.
const HALF: usize = 8192;

/// What is known of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry<R> {
    Row(R),
    /// There is no row.
    Absent,
    /// Set aside.
    Parked,
}

pub(super) struct Cache<R> {
    young: HashMap<Uuid, Entry<R>>,
    old: HashMap<Uuid, Entry<R>>,
}

impl<R> Default for Cache<R> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<R> Cache<R> {
    pub(super) fn get(&self, id: &Uuid) -> Option<&Entry<R>> {
        self.young.get(id).or_else(|| self.old.get(id))
    }

    pub(super) fn put(&mut self, id: Uuid, entry: Entry<R>) {
        if self.young.len() >= HALF && !self.young.contains_key(&id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: &Uuid) {
        self.young.remove(id);
        self.old.remove(id);
    }

    pub(super) fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_limit_and_keeps_the_latest() {
        let mut cache = Cache::default();
        let id = |n: usize| Uuid::from_u128(n as u128);
        for n in 0..5 * HALF {
            cache.put(id(n), Entry::Row(n));
            assert!(cache.young.len() + cache.old.len() <= 2 * HALF);
        }
        let last = 5 * HALF - 1;
        assert_eq!(cache.get(&id(last)), Some(&Entry::Row(last)));
        assert_eq!(cache.get(&id(last - HALF + 1)), Some(&Entry::Row(last - HALF + 1)));
        assert_eq!(cache.get(&id(0)), None);
        for n in [last, last - HALF + 1] {
            cache.remove(&id(n));
            assert_eq!(cache.get(&id(n)), None);
        }
    }
}
