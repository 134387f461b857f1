//! The partitions that the group gave to a worker and that are not yet its own.
//!
//! See [`super::owner`] for the steps. Each may fail while a broker is away; what was reached stays, and
//! the next pursuit goes on from there.

use std::collections::BTreeMap;

use super::barrier::Barrier;
use super::config::{ANSWER_WITHIN, Config};
use super::group::Group;
use super::transaction::Producer;
use crate::{Error, Partition};

#[derive(Default)]
struct Claim {
    producer: Option<Producer>,
    /// Once the producer is open: behind whatever the owners before have written.
    events_end: Option<u64>,
}

/// A partition that is now ours.
pub(super) struct Claimed {
    pub(super) partition: Partition,
    pub(super) producer: Producer,
    /// Behind whatever the owners before have written; see [`super::barrier`].
    pub(super) events_end: u64,
    /// The first command not consumed.
    pub(super) next: u64,
}

/// Claims in progress.
#[derive(Default)]
pub(super) struct Claims {
    by_partition: BTreeMap<Partition, Claim>,
}

impl Claims {
    pub(super) fn add(&mut self, partition: Partition) {
        self.by_partition.insert(partition, Claim::default());
    }

    pub(super) fn remove(&mut self, partition: Partition) {
        if let Some(producer) = self.by_partition.remove(&partition).and_then(|claim| claim.producer) {
            discard(producer);
        }
    }

    pub(super) fn clear(&mut self) {
        std::mem::take(&mut self.by_partition).into_values().filter_map(|claim| claim.producer).for_each(discard);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_partition.is_empty()
    }

    /// Takes every claim as far as it goes now, and returns those that are through.
    ///
    /// # Errors
    /// None is through and one has failed.
    pub(super) fn pursue(&mut self, config: &Config, group: &Group, name: &str) -> Result<Vec<Claimed>, Error> {
        if self.by_partition.is_empty() || !group.confirms()? {
            return Ok(Vec::new());
        }
        for (partition, claim) in &mut self.by_partition {
            if claim.producer.is_none() {
                *claim = Claim { producer: Some(Producer::new(config, name, *partition)?), events_end: None };
            }
        }
        let mut failure = self.open(config, name);
        let mut claimed = Vec::new();
        let open: Vec<(Partition, u64)> =
            self.by_partition.iter().filter_map(|(partition, claim)| Some((*partition, claim.events_end?))).collect();
        for (partition, events_end) in open {
            // After the fence, so that no older owner can move it any more.
            let next = group.next_command(config, partition).and_then(|next| group.go_to(partition, next).map(|()| next));
            match next {
                Ok(next) => {
                    if let Some(producer) = self.by_partition.remove(&partition).and_then(|claim| claim.producer) {
                        producer.take_disturbed();
                        claimed.push(Claimed { partition, producer, events_end, next });
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if claimed.is_empty() => Err(error),
            _ => Ok(claimed),
        }
    }

    /// Opens the producers side by side: ending the open transaction of a dead owner takes half a second
    /// each. Returns the last failure. One that could not be opened is thrown away: it may be waiting for a coordinator
    /// that is none any more.
    fn open(&mut self, config: &Config, group: &str) -> Option<Error> {
        let mut failures = Vec::new();
        std::thread::scope(|scope| {
            let mut opening = Vec::new();
            for (partition, Claim { producer, events_end }) in &mut self.by_partition {
                if let Some(producer) = producer
                    && events_end.is_none()
                {
                    let partition = *partition;
                    let open = move || {
                        let barrier = std::thread::scope(|scope| {
                            let barrier = scope.spawn(|| Barrier::open(config, group, partition));
                            producer.open(ANSWER_WITHIN).map_err(|failure| failure.text)?;
                            barrier.join().map_err(|_| "a thread panicked".to_owned())?
                        })?;
                        // After the fence, so that no older owner writes behind it.
                        barrier.end()
                    };
                    opening.push((partition, events_end, scope.spawn(open)));
                }
            }
            for (partition, events_end, thread) in opening {
                match thread.join() {
                    Ok(Ok(end)) => *events_end = Some(end),
                    Ok(Err(reason)) => failures.push((partition, reason)),
                    Err(_) => failures.push((partition, "its thread panicked".into())),
                }
            }
        });
        for (partition, _) in &failures {
            self.remove(*partition);
            self.add(*partition);
        }
        let (partition, reason) = failures.pop()?;
        Some(Error::Unavailable(format!("partition {partition} cannot be claimed: {reason}")))
    }
}

/// Drops a client on a thread of its own: a producer's threads take a tenth of a second to end, and a member that cannot
/// leave its group takes seconds.
pub(super) fn discard<C: Send + 'static>(client: C) {
    if let Err(error) = std::thread::Builder::new().name("client-end".into()).spawn(move || drop(client)) {
        tracing::debug!(%error, "a client was dropped in place");
    }
}
