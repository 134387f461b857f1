//! One worker's share of the command partitions: a member of the consumer group with one transactional
//! producer per partition.
//!
//! A partition that the group gives to this worker is claimed before it is reported: the group confirms the membership,
//! the partition's producer is opened (which fences the owner before and ends its open transaction), a record tells where
//! the events end ([`super::barrier`]), and the consumer is set to the first command not consumed. A partition whose commit ended
//! in doubt comes back the same way. The records of a partition that is not claimed are dropped. Those of one that is are
//! handed out one after the other, whatever the consumer gives: a command passed over would never be decided.
//!
//! A worker whose name is gone owns nothing, and finds out who has it: nobody, then it joins again; another process,
//! then it ends.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;

use super::barrier::{Barrier, Floors};
use super::claims::{Claimed, Claims, discard};
use super::config::{ANSWER_WITHIN, Config, MAX_PAYLOAD_BYTES};
use super::group::{Change, Failure, Group};
use super::name::{Disputed, Verdict};
use super::outside::Outside;
use super::record::command;
use super::transaction::{Failed, Producer};
use crate::{CommandRecord, CommitError, Error, Membership, Partition, Polled, Transaction};

/// How long one poll waits while a partition is on its way to us.
const CLAIMING_POLL: Duration = Duration::from_millis(20);

/// A partition that is ours.
struct Owned {
    producer: Producer,
    /// The first command not handed out.
    next: u64,
    /// The consumer gave another one, and could not be set to it again yet.
    astray: bool,
    /// The consumer was set to it again, because it gave another one.
    set_again: bool,
    /// The first command not consumed, as last committed.
    consumed: u64,
    /// The producer must be opened anew before the next transaction.
    renew: bool,
}

/// What a record is that the consumer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The next one.
    Next,
    /// Before or behind it, which says that the consumer is not where it was set to.
    Astray,
    /// Handed out before, on the way back.
    Old,
}

impl Met {
    /// `set_again`: the consumer was set to `next` after it went astray. Where it gives a later one then, nothing lies
    /// between: another program's transaction ended there, or the brokers dropped what was too old.
    fn of(offset: u64, next: u64, set_again: bool) -> Self {
        match offset.cmp(&next) {
            Ordering::Equal => Self::Next,
            Ordering::Greater if set_again => Self::Next,
            Ordering::Less if set_again => Self::Old,
            Ordering::Less | Ordering::Greater => Self::Astray,
        }
    }
}

/// A worker.
pub(super) struct Owner {
    config: Arc<Config>,
    floors: Arc<Floors>,
    membership: Membership,
    group: Group,
    owned: BTreeMap<Partition, Owned>,
    claims: Claims,
    outside: Outside,
    /// To be reported.
    revoked: Vec<Partition>,
    /// Met after records that had to be handed out first.
    failure: Option<Error>,
    /// Its name is gone, and it is not known to whom.
    disputed: Option<Disputed>,
    /// Why this worker has to end.
    in_use: Option<String>,
}

impl Owner {
    pub(super) fn new(config: Arc<Config>, floors: Arc<Floors>, membership: Membership) -> Result<Self, Error> {
        let group = Group::join(&config, &membership)?;
        Ok(Self {
            config,
            floors,
            membership,
            group,
            owned: BTreeMap::new(),
            claims: Claims::default(),
            outside: Outside::default(),
            revoked: Vec::new(),
            failure: None,
            disputed: None,
            in_use: None,
        })
    }

    /// Takes in what the group has changed.
    fn follow(&mut self) {
        for change in self.group.changes() {
            match change {
                Change::Given(partitions) => {
                    for partition in partitions {
                        self.claims.add(partition);
                    }
                }
                Change::Taken(partitions) => {
                    for partition in partitions {
                        if let Some(owned) = self.owned.remove(&partition) {
                            discard(owned.producer);
                            self.revoked.push(partition);
                        }
                        self.claims.remove(partition);
                    }
                }
            }
        }
    }

    /// Gives up what is believed about a partition; it is claimed anew by the next poll.
    fn lose(&mut self, partition: Partition) {
        if let Some(owned) = self.owned.remove(&partition) {
            discard(owned.producer);
            self.claims.add(partition);
        }
    }

    /// Claims what can be claimed now; the rest stays for the next poll.
    fn claim(&mut self) -> Result<Vec<Partition>, Error> {
        let claimed = self.claims.pursue(&self.config, &self.group, &self.membership.group)?;
        let partitions = claimed.iter().map(|claimed| claimed.partition).collect();
        for Claimed { partition, producer, events_end, next } in claimed {
            self.floors.raise(partition, events_end);
            self.owned.insert(partition, Owned { producer, next, astray: false, set_again: false, consumed: next, renew: false });
        }
        Ok(partitions)
    }

    /// Waits for commands of the partitions that are ours.
    fn take(&mut self, max: usize, timeout: Duration) -> Result<Vec<CommandRecord>, Error> {
        let mut records = Vec::new();
        let mut wait = timeout;
        while records.len() < max {
            match self.group.poll(wait) {
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition().unsigned_abs(), message.offset().unsigned_abs());
                    if let Some(owned) = self.owned.get_mut(&partition) {
                        match Met::of(offset, owned.next, owned.set_again) {
                            Met::Next => {
                                (owned.next, owned.astray, owned.set_again) = (offset + 1, false, false);
                                self.outside.forget();
                                records.push(command(&message));
                            }
                            Met::Astray => {
                                tracing::warn!(
                                    partition,
                                    offset,
                                    next = owned.next,
                                    "the consumer went astray; it is set to the next command again"
                                );
                                match self.group.go_to(partition, owned.next) {
                                    Ok(()) => (owned.astray, owned.set_again) = (false, true),
                                    // Whatever comes is not the next one either.
                                    Err(error) => (owned.astray, self.failure) = (true, Some(error)),
                                }
                            }
                            Met::Old => {}
                        }
                    }
                }
                Some(Err(error)) => {
                    if let Some(failure) = self.group.failure_of(&error) {
                        self.failed(failure)?;
                        break;
                    }
                }
                // Nothing is there, or the group has changed: a poll that takes that in brings no record.
                None => break,
            }
            wait = Duration::ZERO;
        }
        // What was taken away meanwhile is decided by somebody else.
        self.follow();
        records.retain(|record| self.owned.contains_key(&record.partition));
        Ok(records)
    }

    fn failed(&mut self, failure: Failure) -> Result<(), Error> {
        match failure {
            Failure::Error(error) => self.failure = Some(error),
            Failure::Outside => {
                let confirmed = self.owned.iter().any(|(partition, owned)| self.group.is_outside(*partition, owned.next));
                if self.outside.believed(confirmed, Instant::now()) {
                    self.failure = Some(self.group.outside());
                } else {
                    self.rejoin()?;
                    self.failure =
                        Some(Error::Unavailable("a broker says that the next command does not exist; it is asked who leads".into()));
                }
            }
            Failure::Ended(reason) => {
                self.rejoin()?;
                self.failure = Some(Error::Unavailable(reason));
            }
            Failure::NameGone => match Disputed::new(&self.config, &self.membership)? {
                Some(disputed) => {
                    tracing::warn!(
                        "{} is out of its group; it waits until it is known whether another process has its name",
                        self.group.name()
                    );
                    self.give_up();
                    // It was about a partition that is given up.
                    self.failure = None;
                    self.disputed = Some(disputed);
                }
                None => self.rejoin()?,
            },
        }
        Ok(())
    }

    /// Owns nothing from here on.
    fn give_up(&mut self) {
        for (partition, owned) in std::mem::take(&mut self.owned) {
            discard(owned.producer);
            self.revoked.push(partition);
        }
        self.claims.clear();
    }

    /// Starts over with a new member, because the old one can do nothing more.
    fn rejoin(&mut self) -> Result<(), Error> {
        self.give_up();
        let group = Group::join(&self.config, &self.membership)?;
        discard(std::mem::replace(&mut self.group, group));
        Ok(())
    }

    /// Acts on what is known of who has this worker's name; waits for `pause` where that is nothing.
    fn found(&mut self, verdict: Verdict, pause: Duration) -> Result<Polled, Error> {
        match verdict {
            Verdict::Unknown => std::thread::sleep(pause),
            Verdict::Free => {
                tracing::info!("nobody else has the name of {}; it joins again", self.group.name());
                self.rejoin()?;
                self.disputed = None;
            }
            Verdict::Taken => {
                let reason = format!(
                    "another process uses the same --instance and has taken the place of {}; give each process a name of its own",
                    self.group.name()
                );
                self.in_use = Some(reason.clone());
                return Err(Error::InUse(reason));
            }
        }
        Ok(Polled::Idle)
    }

    /// Opens the partition's producer anew in place. The state built on the log stays valid if nobody else
    /// has moved the consumed offset.
    fn renew(&mut self, partition: Partition) -> Result<(), CommitError> {
        if !self.group.confirms()? {
            return Err(CommitError::Lost(format!(
                "the group no longer counts this worker in; partition {partition} may have another owner"
            )));
        }
        let producer = Producer::new(&self.config, &self.membership.group, partition)?;
        producer
            .open(ANSWER_WITHIN)
            .map_err(|failure| Error::Unavailable(format!("the producer of partition {partition} cannot be opened: {}", failure.text)))?;
        let next = self.group.next_command(&self.config, partition)?;
        match self.owned.get_mut(&partition) {
            Some(owned) if owned.consumed == next => {
                producer.take_disturbed();
                discard(std::mem::replace(&mut owned.producer, producer));
                owned.renew = false;
                Ok(())
            }
            _ => Err(CommitError::Lost(format!("partition {partition} was moved to command {next} by another owner"))),
        }
    }

    fn write(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let partition = transaction.partition;
        let not_ours = || CommitError::Lost(format!("partition {partition} is not assigned to this worker"));
        let owned = self.owned.get_mut(&partition).ok_or_else(not_ours)?;
        // Built on an older answer than the one this claim got after its fence: those commands are decided.
        if transaction.next_command < owned.consumed {
            let (next, consumed) = (transaction.next_command, owned.consumed);
            return Err(CommitError::Lost(format!(
                "partition {partition}: built on command {next}, and those before {consumed} are consumed"
            )));
        }
        owned.renew |= owned.producer.take_disturbed();
        if owned.renew {
            self.renew(partition)?;
        }
        let member = self.group.member().ok_or_else(|| CommitError::Lost("this worker is not in its group at the moment".into()))?;
        let offsets = self.group.consumed(partition, transaction.next_command).map_err(|error| Error::Unavailable(error.to_string()))?;
        let owned = self.owned.get_mut(&partition).ok_or_else(not_ours)?;
        match owned.producer.commit(&self.config, transaction, &offsets, &member) {
            Ok(()) => {
                owned.consumed = transaction.next_command;
                Ok(())
            }
            Err(Failed::Refused(error)) => Err(error.into()),
            Err(Failed::Fenced(reason) | Failed::Unknown(reason)) => Err(CommitError::Lost(format!("partition {partition}: {reason}"))),
        }
    }
}

impl crate::Owner for Owner {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Polled, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if let Some(reason) = &self.in_use {
                return Err(Error::InUse(reason.clone()));
            }
            self.follow();
            if self.disputed.is_none()
                && let Some(reason) = self.group.apart()
            {
                tracing::warn!("{reason}; it starts over with a new client");
                self.rejoin()?;
                self.failure = Some(Error::Unavailable(reason));
            }
            if !self.revoked.is_empty() {
                return Ok(Polled::Revoked(std::mem::take(&mut self.revoked)));
            }
            if let Some(disputed) = &mut self.disputed {
                let verdict = disputed.look()?;
                let pause = disputed.pause().min(deadline.saturating_duration_since(Instant::now()));
                return self.found(verdict, pause);
            }
            match self.claim() {
                Ok(claimed) if claimed.is_empty() => {}
                Ok(claimed) => return Ok(Polled::Assigned(claimed)),
                // The other partitions go on, and the group must be heard either way.
                Err(failure) => self.failure = Some(failure),
            }
            let mut wait = deadline.saturating_duration_since(Instant::now());
            if !self.claims.is_empty() {
                wait = wait.min(CLAIMING_POLL);
            }
            let records = self.take(max, wait)?;
            if !records.is_empty() {
                return Ok(Polled::Commands(records));
            }
            if Instant::now() >= deadline && self.failure.is_none() && self.revoked.is_empty() {
                return Ok(Polled::Idle);
            }
        }
    }

    fn position(&self, partition: Partition) -> u64 {
        let Some(owned) = self.owned.get(&partition) else { return 0 };
        // The consumer may be further than the last command, as the end of another program's transaction takes an offset and
        // is never handed out. Where it went astray it has not passed what lies between.
        let passed = if owned.astray { None } else { self.group.position(partition) };
        owned.next.max(passed.unwrap_or(0))
    }

    fn ask_leader(&mut self, partition: Partition) -> Result<(), Error> {
        let end = Barrier::open(&self.config, &self.membership.group, partition).and_then(Barrier::end);
        let end =
            end.map_err(|reason| Error::Unavailable(format!("nobody says where the events of partition {partition} end: {reason}")))?;
        self.floors.raise(partition, end);
        Ok(())
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        if let Some((_, _, record)) = transaction.records.iter().find(|(_, _, record)| record.payload.len() > MAX_PAYLOAD_BYTES) {
            let (key, bytes) = (record.key.clone(), record.payload.len());
            return Err(Error::TooLarge { key, bytes, limit: MAX_PAYLOAD_BYTES }.into());
        }
        let result = self.write(transaction);
        if matches!(result, Err(CommitError::Lost(_))) {
            self.lose(transaction.partition);
        }
        result
    }
}

impl Drop for Owner {
    /// The group is left next, so that others go on while the producers clear up.
    fn drop(&mut self) {
        self.claims.clear();
        std::mem::take(&mut self.owned).into_values().for_each(|owned| discard(owned.producer));
    }
}

#[cfg(test)]
mod tests {
    use super::Met;

    #[test]
    fn no_command_is_passed_over_and_none_comes_twice() {
        assert_eq!(Met::of(7, 7, false), Met::Next);
        assert_eq!(Met::of(8, 7, false), Met::Astray, "7 is still to come");
        assert_eq!(Met::of(8, 7, true), Met::Next, "there is no 7");
        assert_eq!(Met::of(0, 7, false), Met::Astray, "all before 7 would follow");
        assert_eq!(Met::of(6, 7, true), Met::Old);
    }
}
