//! A partition of the log against itself: commands, their outcomes, and the events those speak of, three
//! streams in the same order, merged.

use std::sync::atomic::AtomicU64;

use atelier_log::{Log, Partition, Record};
use atelier_schemas::{CommandBrief, EventBrief, Framed, Outcome, OutcomeResult, Topic, Unreadable, partition_of};
use uuid::Uuid;

use super::answers::{STRETCH, check_of};
use super::books::{Books, News};
use super::ends::End;
use super::ledger::{Cause, Ledger};
use super::problem::Problem;
use super::stream::{Stream, place};
use crate::Failure;

/// Orders and problems kept in memory before they are written; bounds the memory of a pass.
const KEPT_ORDERS: usize = 200_000;
const KEPT_PROBLEMS: usize = 10_000;
/// So far is looked for an event that is not where it should be.
const LOOK_AHEAD: usize = 1000;

/// What a pass leaves beside the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Commands without an outcome so far, at the end of the log.
    pub(super) undecided: u64,
}

/// Audits what is new in a partition, up to `end`, and writes it to the books.
///
/// The books stand between two commands whenever they are written, so a run that was broken off goes on
/// from there as if it had not been.
pub(super) fn audit(log: &dyn Log, partition: Partition, end: End, books: &Books, progress: &AtomicU64) -> Result<Passed, Failure> {
    let summary = books.summary(partition)?;
    let from = summary.next;
    let partitions = log.partitions();
    let id = move |record: &Record| command_id(record, partitions);
    let mut pass = Pass {
        log,
        partition,
        end,
        commands: Stream::open(log, (Topic::Commands, partition), (from.commands, end.of.commands), id, progress)?,
        outcomes: Stream::open(log, (Topic::Outcomes, partition), (from.outcomes, end.of.outcomes), outcome, progress)?,
        events: Stream::open(log, (Topic::Events, partition), (from.events, end.of.events), event, progress)?,
        ledger: Ledger { books, summary, news: News::default() },
    };
    pass.run(books)
}

/// Which command it is; `None` for what the engine refuses as unreadable: no command, or not one in its place.
pub(super) fn command_id(record: &Record, partitions: u32) -> Option<Uuid> {
    let command = CommandBrief::decode(&record.payload).ok()?;
    let in_place = record.key == *command.order_id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())
        && partition_of(&command.order_id, partitions) == record.partition;
    in_place.then_some(command.command_id)
}

fn outcome(record: &Record) -> Result<Outcome, Unreadable> {
    Outcome::decode(&record.payload)
}

pub(super) fn event(record: &Record) -> Result<EventBrief, Unreadable> {
    EventBrief::decode(&record.payload)
}

struct Pass<'a> {
    log: &'a dyn Log,
    partition: Partition,
    end: End,
    commands: Stream<'a, Option<Uuid>>,
    outcomes: Stream<'a, Result<Outcome, Unreadable>>,
    events: Stream<'a, Result<EventBrief, Unreadable>>,
    ledger: Ledger<'a>,
}

impl Pass<'_> {
    fn run(&mut self, books: &Books) -> Result<Passed, Failure> {
        let mut passed = Passed::default();
        while let Some((command, _)) = self.commands.peek()? {
            let offset = command.offset;
            let answer = self.answer_to(offset)?;
            if answer.is_none() && offset >= self.end.decided && self.outcomes.is_over()? {
                // From here on nothing is decided: the next run begins here.
                passed.undecided = self.count_undecided(offset)?;
                break;
            }
            let Some((command, id)) = self.commands.next()? else { break };
            self.ledger.summary.counts.commands += 1;
            match answer {
                Some(outcome) => self.answered(&command, id, &outcome)?,
                None => self.unanswered(&command, id)?,
            }
            self.ledger.summary.next.commands = command.offset + 1;
            if self.ledger.news.orders.len() >= KEPT_ORDERS || self.ledger.news.problems.len() >= KEPT_PROBLEMS {
                self.write(books)?;
            }
        }
        if passed.undecided == 0 {
            self.ledger.summary.next.commands = self.commands.position();
        }
        self.rest()?;
        self.write(books)?;
        Ok(passed)
    }

    fn write(&mut self, books: &Books) -> Result<(), Failure> {
        let Ledger { summary, news, .. } = &mut self.ledger;
        summary.next.outcomes = self.outcomes.position();
        summary.next.events = self.events.position();
        books.write(self.partition, summary, news)
    }

    /// The rest of the commands only counts: nobody has answered any of them.
    fn count_undecided(&mut self, from: u64) -> Result<u64, Failure> {
        self.ledger.summary.next.commands = from;
        let mut undecided = 0;
        while self.commands.next()?.is_some() {
            undecided += 1;
        }
        Ok(undecided)
    }

    /// Takes the outcomes up to and with those of this command; gives the first of them.
    fn answer_to(&mut self, command_offset: u64) -> Result<Option<Outcome>, Failure> {
        let mut first: Option<Outcome> = None;
        let mut more = 0;
        while let Some((_, answer)) = self.outcomes.peek()? {
            if answer.as_ref().is_ok_and(|outcome| outcome.command_offset > command_offset.cast_signed()) {
                break;
            }
            let Some((record, answer)) = self.outcomes.next()? else { break };
            match answer {
                Err(error) => self.problem("unreadable_outcome", &record.key, format!("{}: {error}", place(&record))),
                Ok(outcome) if outcome.command_offset < command_offset.cast_signed() => {
                    let at = place(&record);
                    let detail = format!("{at} answers command offset {}, which has its answer or does not exist", outcome.command_offset);
                    self.problem("stray_outcome", &outcome.order_id.to_string(), detail);
                }
                Ok(outcome) => {
                    let summary = &mut self.ledger.summary;
                    summary.newest_ms = summary.newest_ms.max(outcome.time.min(record.time));
                    if first.is_none() {
                        first = Some(outcome);
                    } else {
                        more += 1;
                    }
                }
            }
        }
        if let (Some(outcome), true) = (&first, more > 0) {
            let detail = format!("command offset {command_offset} of partition {} has {} outcomes", self.partition, more + 1);
            self.problem("doubled_outcome", &outcome.order_id.to_string(), detail);
        }
        Ok(first)
    }

    fn unanswered(&mut self, command: &Record, id: Option<Uuid>) -> Result<(), Failure> {
        let detail = format!("{} has no outcome, though it was consumed or later ones have theirs", place(command));
        self.problem("missing_outcome", &command.key, detail);
        // What it has caused is here all the same.
        while let Some(id) = id
            && self.next_caused_by(id)?
        {
            if let Some((record, event)) = self.events.next()? {
                self.ledger.event(&record, event, Cause::Unchecked)?;
            }
        }
        Ok(())
    }

    fn answered(&mut self, command: &Record, id: Option<Uuid>, outcome: &Outcome) -> Result<(), Failure> {
        if let Some(id) = id.filter(|id| *id != outcome.command_id) {
            let detail = format!("{} is command {id}, its outcome is about {}", place(command), outcome.command_id);
            self.problem("foreign_outcome", &command.key, detail);
        }
        if let Some(check) = check_of(outcome) {
            let answers = self.ledger.answers(self.partition, command.offset / STRETCH)?;
            answers.set(command.offset, check);
            answers.oldest_ms = answers.oldest_ms.min(outcome.time.min(command.time));
        }
        let counts = &mut self.ledger.summary.counts;
        let expected: &[String] = match &outcome.result {
            OutcomeResult::Accepted { events, repeated, dry_run, .. } => {
                counts.applied += 1;
                counts.repeated += u64::from(*repeated);
                if *repeated || *dry_run { &[] } else { events }
            }
            OutcomeResult::Refused { .. } => {
                counts.refused += 1;
                &[]
            }
        };
        for name in expected {
            self.expected(outcome, name)?;
        }
        while self.next_caused_by(outcome.command_id)? {
            if let Some((record, event)) = self.events.next()? {
                self.ledger.event(&record, event, Cause::None)?;
            }
        }
        Ok(())
    }

    /// Takes the one event that a command's outcome names, and those of deadlines before it.
    fn expected(&mut self, outcome: &Outcome, name: &str) -> Result<(), Failure> {
        loop {
            if self.next_caused_by(outcome.command_id)? {
                break;
            }
            // Not what is next. An unreadable record of this order is taken for it; whatever else lies before
            // it is nobody's; and where it is not to be found it is missing.
            let key = outcome.order_id.to_string();
            let ahead = self.events.ahead(LOOK_AHEAD)?;
            let is_it =
                |event: &Result<EventBrief, Unreadable>| event.as_ref().is_ok_and(|event| event.command_id == Some(outcome.command_id));
            let (seen, found) = (ahead.len(), ahead.iter().take(LOOK_AHEAD).any(|(_, event)| is_it(event)));
            let unreadable = ahead.front().is_some_and(|(record, event)| event.is_err() && record.key == key);
            if unreadable && !found {
                break;
            }
            if !found {
                // On Kafka, ends count what is still being written: an event may come in behind its outcome.
                let now = self.log.end(Topic::Events, self.partition)?;
                if seen < LOOK_AHEAD && self.events.extend(self.log, Topic::Events, now)? {
                    continue;
                }
                let detail = format!("command {} says {name}, the log has no such event in its place", outcome.command_id);
                self.problem("missing_event", &key, detail);
                return Ok(());
            }
            if let Some((record, event)) = self.events.next()? {
                self.ledger.event(&record, event, Cause::None)?;
            }
        }
        if let Some((record, event)) = self.events.next()? {
            self.ledger.event(&record, event, Cause::Says(name))?;
        }
        Ok(())
    }

    /// Takes the events that deadlines have caused; whether the next one is this command's.
    fn next_caused_by(&mut self, command: Uuid) -> Result<bool, Failure> {
        loop {
            match self.events.peek()? {
                Some((_, Ok(event))) if event.command_id.is_none() => {
                    if let Some((record, event)) = self.events.next()? {
                        self.ledger.event(&record, event, Cause::None)?;
                    }
                }
                next => return Ok(matches!(next, Some((_, Ok(event))) if event.command_id == Some(command))),
            }
        }
    }

    /// What is left once there are no more commands to pass.
    fn rest(&mut self) -> Result<(), Failure> {
        // Answers to commands that there are not, not even now, and to such as have theirs.
        let commands_now = self.log.end(Topic::Commands, self.partition)?;
        let newer = self.ledger.summary.next.commands..commands_now;
        while let Some((record, answer)) = self.outcomes.peek()? {
            let at = place(record);
            let (kind, id, detail) = match answer {
                Ok(outcome) if newer.contains(&outcome.command_offset.cast_unsigned()) => break,
                // It may be the answer to one of them.
                Err(_) if !newer.is_empty() => break,
                Ok(outcome) => {
                    let detail = format!("{at} answers command offset {}, which has its answer or does not exist", outcome.command_offset);
                    ("stray_outcome", outcome.order_id.to_string(), detail)
                }
                Err(error) => ("unreadable_outcome", record.key.clone(), format!("{at}: {error}")),
            };
            self.problem(kind, &id, detail);
            self.outcomes.next()?;
        }
        // Without newer outcomes, events that none speaks of are nobody's. With them, they may be theirs.
        let settled = self.outcomes.is_over()? && self.log.end(Topic::Outcomes, self.partition)? == self.end.of.outcomes;
        while let Some((_, event)) = self.events.peek()? {
            if !settled && !event.as_ref().is_ok_and(|event| event.command_id.is_none()) {
                break;
            }
            if let Some((record, event)) = self.events.next()? {
                self.ledger.event(&record, event, Cause::None)?;
            }
        }
        Ok(())
    }

    fn problem(&mut self, kind: &'static str, id: &str, detail: String) {
        self.ledger.news.problems.push(Problem::new(kind, id, detail));
    }
}
