//! Which offsets may be committed: those before the first claim that is not yet decided.
//!
//! Jobs are claimed side by side and decided in any order, but a partition has one committed offset.
//! Committing past an undecided claim would lose its job when the worker dies.

use std::collections::{BTreeMap, HashMap};

use atelier_log::Partition;

/// How often a commit that failed is tried again before it is left to the next one. What is not
/// committed comes again and is refused; a partition that moved away must not be asked about for ever.
const MAX_COMMIT_TRIES: u32 = 50;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Granted or refused.
    Decided,
    /// Nobody knows, and this worker ends without finding out: the job has to come again, to another.
    Unknown,
}

#[derive(Default)]
struct Share {
    /// Claims under way and those behind them: the fate once it is known.
    open: BTreeMap<u64, Option<Fate>>,
    /// What can be committed and is not yet.
    ready: Option<u64>,
    /// Committed before; nothing below is taken again.
    committed: u64,
    tries: u32,
}

/// Per partition; at most as many claims as the worker has slots.
#[derive(Default)]
pub struct Claims {
    shares: HashMap<Partition, Share>,
}

impl Claims {
    /// Takes note of a job. `false`: it is under way already, or done with.
    pub fn open(&mut self, partition: Partition, offset: u64) -> bool {
        let share = self.shares.entry(partition).or_default();
        if offset < share.committed.max(share.ready.unwrap_or(0)) || share.open.contains_key(&offset) {
            return false;
        }
        share.open.insert(offset, None);
        true
    }

    /// The claim's fate is known.
    pub fn close(&mut self, partition: Partition, offset: u64, fate: Fate) {
        let Some(share) = self.shares.get_mut(&partition) else { return };
        if let Some(open) = share.open.get_mut(&offset) {
            *open = Some(fate);
        }
        while let Some(first) = share.open.first_entry().filter(|first| *first.get() == Some(Fate::Decided)) {
            share.ready = Some(first.key() + 1);
            share.tries = 0;
            first.remove();
        }
    }

    /// What to commit now.
    pub fn ready(&self) -> Vec<(Partition, u64)> {
        self.shares.iter().filter_map(|(partition, share)| Some((*partition, share.ready?))).collect()
    }

    /// The group's offset of the partition is `next` now.
    pub fn committed(&mut self, partition: Partition, next: u64) {
        if let Some(share) = self.shares.get_mut(&partition) {
            share.committed = share.committed.max(next);
            share.ready = share.ready.filter(|ready| *ready > next);
        }
    }

    /// The log did not take the commit. `true` the first time, when it is worth a line in the log.
    pub fn commit_failed(&mut self, partition: Partition) -> bool {
        let Some(share) = self.shares.get_mut(&partition) else { return false };
        share.tries += 1;
        if share.tries >= MAX_COMMIT_TRIES {
            share.ready = None;
        }
        share.tries == 1
    }

    /// No claim is under way: every fate is known.
    pub fn is_settled(&self) -> bool {
        self.shares.values().all(|share| share.open.values().all(Option::is_some))
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Fate};

    #[test]
    fn only_the_decided_prefix_is_ready() {
        let mut claims = Claims::default();
        // Offsets may have holes.
        for offset in [3, 7, 8] {
            assert!(claims.open(0, offset));
        }
        assert!(claims.open(1, 0));
        claims.close(0, 7, Fate::Decided);
        assert_eq!(claims.ready(), []);
        claims.close(0, 3, Fate::Decided);
        assert_eq!(claims.ready(), [(0, 8)]);
        claims.committed(0, 8);
        assert_eq!(claims.ready(), []);
        claims.close(0, 8, Fate::Decided);
        assert_eq!(claims.ready(), [(0, 9)]);
        assert!(!claims.is_settled());
        claims.close(1, 0, Fate::Unknown);
        assert!(claims.is_settled());
    }

    #[test]
    fn an_unknown_claim_holds_back_what_follows() {
        let mut claims = Claims::default();
        assert!(claims.open(0, 1) && claims.open(0, 2));
        claims.close(0, 1, Fate::Unknown);
        claims.close(0, 2, Fate::Decided);
        assert_eq!(claims.ready(), []);
        assert!(claims.is_settled(), "nothing more will be known of it");
    }

    #[test]
    fn what_is_under_way_or_done_is_not_taken_twice() {
        let mut claims = Claims::default();
        assert!(claims.open(0, 5));
        assert!(!claims.open(0, 5));
        claims.close(0, 5, Fate::Decided);
        assert!(!claims.open(0, 5), "ready to be committed");
        claims.committed(0, 6);
        assert!(!claims.open(0, 5), "committed");
        assert!(claims.open(0, 6));
    }

    #[test]
    fn a_commit_that_keeps_failing_is_left_to_the_next() {
        let mut claims = Claims::default();
        claims.open(0, 1);
        claims.close(0, 1, Fate::Decided);
        assert!(claims.commit_failed(0));
        for _ in 0..super::MAX_COMMIT_TRIES {
            assert!(!claims.commit_failed(0));
        }
        assert_eq!(claims.ready(), []);
        claims.open(0, 2);
        claims.close(0, 2, Fate::Decided);
        assert_eq!(claims.ready(), [(0, 3)]);
    }
}
