//! How many requests of one partner are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The requests under way in one process, by partner. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    partner: String,
}

impl Places {
    /// A place for one more request of the partner, unless it has `limit` already.
    pub fn take(&self, partner: &str, limit: usize) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(partner).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        taken.insert(partner.to_owned(), count + 1);
        Some(Place { places: self.clone(), partner: partner.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.partner) {
            Some(count) if *count > 1 => *count -= 1,
            // Only partners with requests under way are remembered.
            _ => drop(taken.remove(&self.partner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Places::default();
        let first = places.take("acme", 2).expect("one");
        let _second = places.take("acme", 2).expect("two");
        assert!(places.take("acme", 2).is_none());
        assert!(places.take("other", 2).is_some(), "another partner's are its own");
        drop(first);
        assert!(places.take("acme", 2).is_some());
        drop(_second);
        assert!(places.taken.lock().expect("nobody panicked").is_empty());
    }
}
