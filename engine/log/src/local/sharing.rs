//! Which subscription of a group reads which partitions of a topic: an even, fixed split among those that live.

use std::collections::HashMap;

use atelier_schemas::Topic;

use crate::{Error, Partition};

/// Number of a subscription.
pub(crate) type Member = u64;

/// The subscriptions of all groups.
#[derive(Default)]
pub(crate) struct Sharing {
    members: HashMap<(String, Topic), Vec<Member>>,
    last: Member,
}

impl Sharing {
    /// A new member; the split changes.
    pub(crate) fn join(&mut self, group: &str, topic: Topic) -> Member {
        self.last += 1;
        self.members.entry((group.to_owned(), topic)).or_default().push(self.last);
        self.last
    }

    /// The member is gone; the split changes.
    pub(crate) fn leave(&mut self, group: &str, topic: Topic, member: Member) {
        if let Some(members) = self.members.get_mut(&(group.to_owned(), topic)) {
            members.retain(|other| *other != member);
        }
    }

    /// The member's partitions, in order.
    pub(crate) fn share(&self, group: &str, topic: Topic, member: Member, partitions: u32) -> Vec<Partition> {
        let Some(members) = self.members.get(&(group.to_owned(), topic)) else { return Vec::new() };
        let Some(index) = members.iter().position(|other| *other == member) else { return Vec::new() };
        (0..partitions).filter(|partition| *partition as usize % members.len() == index).collect()
    }
}

/// Follows a change of the share: what stays keeps its position, what is new starts from the group's offset.
///
/// # Errors
/// Those of `committed`; the positions are unchanged then.
pub(crate) fn follow_share(
    positions: &mut Vec<(Partition, u64)>,
    share: &[Partition],
    mut committed: impl FnMut(Partition) -> Result<u64, Error>,
) -> Result<(), Error> {
    if positions.iter().map(|(partition, _)| partition).eq(share) {
        return Ok(());
    }
    let mut next = Vec::with_capacity(share.len());
    for partition in share {
        let kept = positions.iter().find(|(held, _)| held == partition).map(|(_, position)| *position);
        next.push((*partition, kept.map_or_else(|| committed(*partition), Ok)?));
    }
    *positions = next;
    Ok(())
}
