//! One member's share of a topic.

use std::sync::Arc;
use std::time::Duration;

use atelier_schemas::Topic;

use super::state::{Shared, State};
use crate::local::{Member, deadline_of, follow_share};
use crate::{Error, Partition, Record, Subscription};

/// See [`Subscription`]. Its drop hands its partitions to the others.
pub(super) struct MemorySubscription {
    shared: Arc<Shared>,
    topic: Topic,
    group: String,
    member: Member,
    positions: Vec<(Partition, u64)>,
    turn: usize,
    paused: bool,
}

impl MemorySubscription {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, group: &str) -> Self {
        let member = shared.change(|state| state.sharing.join(group, topic));
        Self { shared, topic, group: group.to_owned(), member, positions: Vec::new(), turn: 0, paused: false }
    }
}

impl Subscription for MemorySubscription {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        self.turn = self.turn.wrapping_add(1);
        let partitions = self.shared.partitions;
        let Self { topic, group, member, positions, turn, paused, .. } = self;
        let mut take = |state: &mut State| {
            if *paused {
                return Ok(Vec::new());
            }
            let share = state.sharing.share(group, *topic, *member, partitions);
            follow_share(positions, &share, |partition| Ok(state.group_offset(group, *topic, partition)))?;
            state.take(*topic, positions, *turn, max)
        };
        let taken = self.shared.wait(deadline_of(timeout), |state| match take(state) {
            Ok(records) if records.is_empty() => None,
            result => Some(result),
        });
        taken.unwrap_or_else(|| Ok(Vec::new()))
    }

    fn pause(&mut self, paused: bool) -> Result<(), Error> {
        self.paused = paused;
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: u64) -> Result<(), Error> {
        self.shared.change(|state| {
            if !state.sharing.share(&self.group, self.topic, self.member, self.shared.partitions).contains(&partition) {
                return Err(Error::Unavailable(format!(
                    "{}/{partition} went to another member of {}; what was not committed comes again there",
                    self.topic, self.group
                )));
            }
            state.set_group_offset(&self.group, self.topic, partition, next);
            Ok(())
        })
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        self.shared.change(|state| state.sharing.leave(&self.group, self.topic, self.member));
    }
}
