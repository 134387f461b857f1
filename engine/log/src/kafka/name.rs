//! Who has a worker's name, when the group says that it is no longer this worker.
//!
//! The group refuses a member whose instance id has joined again meanwhile. That was another process of the same
//! name, or this one: a member whose session ran out joins anew, and where an answer to that is lost it joins twice
//! and shuts itself out. The error is the same, and the member ids say nothing, because this process never got the
//! last one. What tells the two apart is what follows. Another process sends heartbeats and keeps the name; a member
//! that nobody lives in is dropped by the group once its session is over. So the group is asked, until the name is
//! free or has been kept for too long while the group was at rest; a group that never rests leaves it open. Meanwhile
//! this worker owns nothing.

use std::time::{Duration, Instant};

use super::config::{Config, create};
use super::context::Plain;
use super::native;
use super::{Client, quieten};
use crate::{Error, Membership};

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// For an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The name under which a worker joins; `None` when its process has none.
pub(super) fn instance_id(membership: &Membership) -> Option<String> {
    membership.instance.as_ref().map(|instance| format!("{instance}-{}", membership.worker))
}

/// What is known of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Unknown,
    /// Nobody has it.
    Free,
    /// Another process.
    Taken,
}

/// A member seen under the name, since when the group has been at rest.
#[derive(Debug)]
struct Kept {
    member: String,
    since: Instant,
}

/// What is to be found out.
#[derive(Debug)]
struct Doubt {
    /// A member without a process is gone so long after the group came to rest.
    longest: Duration,
    kept: Option<Kept>,
}

impl Doubt {
    /// Takes in which member the group has under the name at `now`. While the group rebalances nobody's session
    /// runs out, so every rebalance begins the time anew.
    fn judge(&mut self, member: Option<&str>, settled: bool, now: Instant) -> Verdict {
        let Some(member) = member else { return Verdict::Free };
        match &self.kept {
            _ if !settled => self.kept = None,
            Some(kept) if kept.member == member => {
                if now.duration_since(kept.since) > self.longest {
                    return Verdict::Taken;
                }
            }
            _ => self.kept = Some(Kept { member: member.to_owned(), since: now }),
        }
        Verdict::Unknown
    }
}

/// A name whose holder is being found out.
pub(super) struct Disputed {
    client: Client,
    group: String,
    instance: String,
    doubt: Doubt,
    ask_at: Instant,
}

impl Disputed {
    /// The name of `membership`; `None` when it has none of its own.
    ///
    /// # Errors
    /// [`Error::Mismatch`]: the client cannot be made.
    pub(super) fn new(config: &Config, membership: &Membership) -> Result<Option<Self>, Error> {
        let Some(instance) = instance_id(membership) else { return Ok(None) };
        // A client of its own: the member's one can do nothing more.
        let client = create(&config.consumer(&membership.group), Plain::default())?;
        let session = Duration::from_millis(config.session_timeout_ms.into());
        let doubt = Doubt { longest: session * 2, kept: None };
        Ok(Some(Self { client, group: config.group(&membership.group), instance, doubt, ask_at: Instant::now() }))
    }

    /// Asks the group, if it is time to.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: no answer; it is asked again.
    pub(super) fn look(&mut self) -> Result<Verdict, Error> {
        if Instant::now() < self.ask_at {
            return Ok(Verdict::Unknown);
        }
        let described = native::describe(&self.client, &self.group, ANSWER_WITHIN);
        quieten(&self.client);
        let now = Instant::now();
        self.ask_at = now + ASK_EVERY;
        let members = described
            .map_err(|reason| Error::Unavailable(format!("who is {} in the group {} is not known: {reason}", self.instance, self.group)))?;
        let member = members.by_instance.iter().find(|(instance, _)| *instance == self.instance).map(|(_, member)| member.as_str());
        Ok(self.doubt.judge(member, members.settled, now))
    }

    /// How long there is nothing to ask.
    pub(super) fn pause(&self) -> Duration {
        self.ask_at.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(12);

    fn doubt() -> (Doubt, Instant) {
        (Doubt { longest: LONGEST, kept: None }, Instant::now())
    }

    #[test]
    fn a_name_that_nobody_has_is_free() {
        let (mut doubt, start) = doubt();
        assert_eq!(doubt.judge(Some("a"), true, start), Verdict::Unknown);
        assert_eq!(doubt.judge(None, true, start + LONGEST * 2), Verdict::Free, "its member is gone, however long that took");
    }

    #[test]
    fn a_name_that_is_kept_for_longer_than_a_dead_member_could_is_taken() {
        let (mut doubt, start) = doubt();
        assert_eq!(doubt.judge(Some("a"), true, start), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("a"), true, start + LONGEST), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("a"), true, start + LONGEST + Duration::from_millis(1)), Verdict::Taken);
    }

    #[test]
    fn neither_a_rebalance_nor_another_member_counts_as_having_been_kept() {
        let (mut doubt, start) = doubt();
        assert_eq!(doubt.judge(Some("a"), true, start), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("a"), false, start + LONGEST), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("a"), true, start + LONGEST * 2), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("b"), true, start + LONGEST * 3), Verdict::Unknown);
        assert_eq!(doubt.judge(Some("b"), true, start + LONGEST * 5), Verdict::Taken);
    }
}
