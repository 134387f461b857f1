//! Who owns the command partitions of each group.
//!
//! Every claim gets a number greater than all before it. The newest claim on a partition holds it;
//! a commit under another number is refused. That is the fence, as Kafka's group generation is there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::{Membership, Partition, Polled};

/// Number of a claim; grows, is never used twice.
pub(crate) type Claim = u64;

/// The owners of all groups.
#[derive(Default)]
pub(crate) struct Owners {
    groups: HashMap<String, Group>,
    last: Claim,
}

#[derive(Default)]
struct Group {
    holders: BTreeMap<Partition, Claim>,
    members: BTreeMap<Claim, Member>,
}

struct Member {
    membership: Membership,
    /// Held, and not told yet: no commit before it has been told.
    gained: Vec<Partition>,
    /// No longer held, and not told yet.
    lost: Vec<Partition>,
    /// A newer claim came under the same instance's name.
    replaced: bool,
}

impl Member {
    fn wants(&self, partition: Partition) -> bool {
        !self.replaced && wants(&self.membership, partition)
    }
}

fn wants(membership: &Membership, partition: Partition) -> bool {
    partition % membership.workers.max(1) == membership.worker
}

impl Group {
    fn give(&mut self, partition: Partition, to: Claim) {
        if let Some(before) = self.holders.insert(partition, to)
            && before != to
            && let Some(member) = self.members.get_mut(&before)
        {
            match member.gained.iter().position(|gained| *gained == partition) {
                // It was never told, or has dropped its belief already.
                Some(index) => drop(member.gained.swap_remove(index)),
                None => member.lost.push(partition),
            }
        }
        if let Some(member) = self.members.get_mut(&to)
            && !member.gained.contains(&partition)
        {
            member.gained.push(partition);
        }
    }

    /// To the newest member whose share it is, or to nobody.
    fn hand_on(&mut self, partition: Partition) {
        let heir = self.members.iter().rev().find(|(_, member)| member.wants(partition)).map(|(claim, _)| *claim);
        match heir {
            Some(heir) => self.give(partition, heir),
            None => drop(self.holders.remove(&partition)),
        }
    }
}

impl Owners {
    /// A new claim on the worker's share of `partitions`. Whoever held them is fenced from now on.
    pub(crate) fn join(&mut self, membership: Membership, partitions: u32) -> Claim {
        self.last += 1;
        let claim = self.last;
        let group = self.groups.entry(membership.group.clone()).or_default();
        for member in group.members.values_mut() {
            let same = membership.instance.is_some() && member.membership.instance == membership.instance;
            member.replaced |= same && member.membership.worker == membership.worker;
        }
        let share: Vec<Partition> = (0..partitions).filter(|partition| wants(&membership, *partition)).collect();
        group.members.insert(claim, Member { membership, gained: Vec::new(), lost: Vec::new(), replaced: false });
        for partition in share {
            group.give(partition, claim);
        }
        claim
    }

    /// The claim ends; its partitions go to older members that still live.
    pub(crate) fn leave(&mut self, group: &str, claim: Claim) {
        let Some(group) = self.groups.get_mut(group) else { return };
        group.members.remove(&claim);
        let held: Vec<Partition> = group.holders.iter().filter(|(_, holder)| **holder == claim).map(|(partition, _)| *partition).collect();
        for partition in held {
            group.hand_on(partition);
        }
    }

    /// What the claim's owner has to be told next, losses first.
    pub(crate) fn news(&mut self, group: &str, claim: Claim) -> Option<Polled> {
        let member = self.groups.get_mut(group)?.members.get_mut(&claim)?;
        let told: fn(Vec<Partition>) -> Polled = if member.lost.is_empty() { Polled::Assigned } else { Polled::Revoked };
        let list = if member.lost.is_empty() { &mut member.gained } else { &mut member.lost };
        let mut partitions = std::mem::take(list);
        partitions.sort_unstable();
        (!partitions.is_empty()).then(|| told(partitions))
    }

    /// Whether another one came under the same instance's name.
    pub(crate) fn replaced(&self, group: &str, claim: Claim) -> bool {
        self.groups.get(group).and_then(|group| group.members.get(&claim)).is_some_and(|member| member.replaced)
    }

    /// Whether a commit under this claim may be written.
    pub(crate) fn holds(&self, group: &str, claim: Claim, partition: Partition) -> bool {
        self.groups.get(group).is_some_and(|group| {
            group.holders.get(&partition) == Some(&claim)
                && group.members.get(&claim).is_some_and(|member| !member.gained.contains(&partition))
        })
    }

    /// The owner no longer knows where the partition stands: it is assigned anew, and until it has been told it cannot commit.
    pub(crate) fn assign_anew(&mut self, group: &str, claim: Claim, partition: Partition) {
        if let Some(group) = self.groups.get_mut(group)
            && group.holders.get(&partition) == Some(&claim)
        {
            group.give(partition, claim);
        }
    }

    /// A claim by nobody in this process.
    pub(crate) fn steal(&mut self, group: &str, partition: Partition) {
        self.last += 1;
        let thief = self.last;
        self.groups.entry(group.to_owned()).or_default().give(partition, thief);
    }

    /// What was stolen goes back to the newest member whose share it is. Nothing happens where a member has claimed
    /// it since: that one holds it and knows.
    pub(crate) fn give_back(&mut self, group: &str, partition: Partition) {
        let group = self.groups.entry(group.to_owned()).or_default();
        let claimed = group.holders.get(&partition).is_some_and(|holder| group.members.contains_key(holder));
        if !claimed {
            group.hand_on(partition);
        }
    }
}

/// Claims by the order they came in, not by number: those that ended have left no trace.
impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: BTreeMap<_, _> = self.groups.iter().collect();
        f.debug_map().entries(groups).finish()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |claim: &Claim| self.members.keys().position(|member| member == claim);
        for (partition, holder) in &self.holders {
            write!(f, "{partition} held by {:?}; ", place(holder))?;
        }
        for Member { membership, gained, lost, replaced } in self.members.values() {
            write!(f, "{:?}/{} gained {gained:?} lost {lost:?} replaced {replaced}; ", membership.instance, membership.worker)?;
        }
        Ok(())
    }
}
