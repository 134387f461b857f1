//! One member's share of a topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_schemas::Topic;

use super::handle::Handle;
use super::owner::check_offset;
use super::queue::Request;
use super::scan::Scan;
use crate::local::{Member, deadline_of, follow_share};
use crate::{Error, Partition, Record, Subscription};

/// See [`Subscription`]. Its drop hands its partitions to the others.
pub(super) struct EmbeddedSubscription {
    handle: Arc<Handle>,
    scan: Scan,
    topic: Topic,
    group: Arc<str>,
    member: Member,
    positions: Vec<(Partition, u64)>,
    paused: bool,
}

impl EmbeddedSubscription {
    pub(super) fn new(handle: Arc<Handle>, scan: Scan, topic: Topic, group: &str) -> Self {
        let member = handle.core.sharing().join(group, topic);
        handle.core.heads.ring(topic);
        Self { handle, scan, topic, group: group.into(), member, positions: Vec::new(), paused: false }
    }

    fn share(&self) -> Vec<Partition> {
        self.handle.core.sharing().share(&self.group, self.topic, self.member, self.handle.partitions)
    }
}

impl Subscription for EmbeddedSubscription {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Vec<Record>, Error> {
        let deadline = deadline_of(timeout);
        if self.paused {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            return Ok(Vec::new());
        }
        loop {
            self.scan.look()?;
            let share = self.share();
            follow_share(&mut self.positions, &share, |partition| self.scan.group_offset(&self.group, partition))?;
            let records = self.scan.take(&mut self.positions, max.max(1))?;
            if !records.is_empty() || !self.scan.wait(deadline) {
                return Ok(records);
            }
        }
    }

    fn pause(&mut self, paused: bool) -> Result<(), Error> {
        self.paused = paused;
        Ok(())
    }

    fn commit(&mut self, partition: Partition, next: u64) -> Result<(), Error> {
        check_offset(next)?;
        if !self.share().contains(&partition) {
            return Err(Error::Unavailable(format!(
                "{}/{partition} went to another member of {}; what was not committed comes again there",
                self.topic, self.group
            )));
        }
        self.handle.ask(|reply| Request::Offset { group: self.group.clone(), topic: self.topic, partition, next, reply })?
    }
}

impl Drop for EmbeddedSubscription {
    fn drop(&mut self) {
        self.handle.core.sharing().leave(&self.group, self.topic, self.member);
        self.handle.core.heads.ring(self.topic);
    }
}
