//! How far a run goes.

use atelier_log::{Error, Log};
use atelier_schemas::Topic;

use super::books::Offsets;

/// How far a run reads a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    /// The commands below are decided for certain: their owner has committed past them.
    pub(super) decided: u64,
    pub(super) of: Offsets,
}

/// The ends of every partition now.
///
/// They are taken along the flow: whatever a command, an outcome or an event below its end has caused lies
/// below the ends taken after it. What is newer than its cause's end is left to the next run.
pub(super) fn now(log: &dyn Log) -> Result<Vec<End>, Error> {
    let mut ends = vec![End::default(); log.partitions() as usize];
    for (partition, end) in (0..).zip(&mut ends) {
        end.decided = log.committed(atelier_runtime::GROUP, partition)?;
    }
    for topic in [Topic::Commands, Topic::Outcomes, Topic::Events, Topic::PricingJobs] {
        for (partition, end) in (0..).zip(&mut ends) {
            *end.of.of_mut(topic) = log.end(topic, partition)?;
        }
    }
    Ok(ends)
}

impl Offsets {
    /// Of one topic.
    pub(super) fn of(&self, topic: Topic) -> u64 {
        match topic {
            Topic::Commands => self.commands,
            Topic::Outcomes => self.outcomes,
            Topic::Events => self.events,
            Topic::PricingJobs => self.pricing_jobs,
        }
    }

    /// Neither is passed.
    pub(super) fn at_most(self, other: Self) -> Self {
        Self {
            commands: self.commands.min(other.commands),
            outcomes: self.outcomes.min(other.outcomes),
            events: self.events.min(other.events),
            pricing_jobs: self.pricing_jobs.min(other.pricing_jobs),
        }
    }

    fn of_mut(&mut self, topic: Topic) -> &mut u64 {
        match topic {
            Topic::Commands => &mut self.commands,
            Topic::Outcomes => &mut self.outcomes,
            Topic::Events => &mut self.events,
            Topic::PricingJobs => &mut self.pricing_jobs,
        }
    }
}
