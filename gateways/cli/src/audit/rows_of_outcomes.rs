//! The read model of outcomes against the log's. It keeps the first answer to each command for a week; what
//! is old enough to be dropped at any moment is not asked for.

use std::collections::HashMap;
use std::time::Duration;

use atelier_log::{Log, Partition};
use atelier_projections::Queries;
use atelier_projections::outcomes::KEPT_MS;
use atelier_schemas::{Outcome, OutcomeResult, Topic, partition_of};
use uuid::Uuid;

use super::answers::{Answers, STRETCH, check_of};
use super::books::{Books, Found, News, Summary};
use super::partition::command_id;
use super::problem::Problem;
use super::read_models::PAGE;
use crate::Failure;

/// The log moves on while the rows are read, and the oldest ones are dropped meanwhile.
const MARGIN_MS: i64 = 3600 * 1000;
const POLL: Duration = Duration::from_millis(500);

/// What is still to be found of one partition: two bytes per command of the week.
struct Wanted {
    summary: Summary,
    stretches: HashMap<u64, Answers>,
}

/// Holds the rows against the log both ways. Gives how many there are.
pub(super) async fn compare(log: &dyn Log, queries: &Queries, books: &Books) -> Result<u64, Failure> {
    let (since_ms, mut wanted) = wanted(log, books)?;
    let mut found = Found::new(books);
    let mut seen = 0;
    let mut last = None;
    loop {
        let page = queries.outcomes_after(last, PAGE).await?;
        let Some(newest) = page.last() else { break };
        last = Some(newest.command_id);
        seen += page.len() as u64;
        for row in page {
            let (kind, order, detail) = match &row.outcome {
                Err(error) => ("wrong_row", row.command_id, format!("the row of command {} cannot be read: {error}", row.command_id)),
                Ok(outcome) => {
                    let partition = partition_of_row(outcome, log.partitions());
                    match judge(&mut wanted[partition as usize], row.command_id, outcome) {
                        None => continue,
                        Some((kind, detail)) => (kind, outcome.order_id, detail),
                    }
                }
            };
            found.add(Problem::new(kind, order.to_string(), format!("read model outcomes: {detail}")))?;
        }
    }
    for (partition, wanted) in (0..).zip(wanted) {
        for (stretch, answers) in wanted.stretches {
            missing(log, queries, &mut found, books, (partition, stretch), since_ms, &answers).await?;
        }
    }
    found.write()?;
    Ok(seen)
}

/// By partition, and since when: answers to older commands may be gone at any moment.
fn wanted(log: &dyn Log, books: &Books) -> Result<(i64, Vec<Wanted>), Failure> {
    let summaries = (0..log.partitions()).map(|partition| books.summary(partition)).collect::<Result<Vec<_>, _>>()?;
    let newest_ms = summaries.iter().map(|summary| summary.newest_ms).max().unwrap_or(0);
    let since_ms = newest_ms - KEPT_MS + MARGIN_MS;
    let mut wanted = Vec::with_capacity(summaries.len());
    for (partition, summary) in (0..).zip(summaries) {
        let mut stretches = HashMap::new();
        let mut before: Option<(u64, Answers)> = None;
        for stretch in books.all_answers(partition)? {
            let (number, answers) = stretch?;
            // The next one's oldest tells how new the newest of this one are.
            stretches.extend(before.take().filter(|_| answers.oldest_ms >= since_ms));
            before = Some((number, answers));
        }
        stretches.extend(before);
        wanted.push(Wanted { summary, stretches });
    }
    Ok((since_ms, wanted))
}

/// Where its command lies. The order of a record that nobody can read says nothing about that, the answer's id does.
fn partition_of_row(outcome: &Outcome, partitions: u32) -> Partition {
    let is_at = |partition: &Partition| Outcome::id_of_unreadable(*partition, outcome.command_offset.cast_unsigned()) == outcome.command_id;
    let unreadable = matches!(&outcome.result, OutcomeResult::Refused { code, .. } if code == "unreadable");
    let place = if unreadable { (0..partitions).find(is_at) } else { None };
    place.unwrap_or_else(|| partition_of(&outcome.order_id, partitions))
}

/// What is wrong with a row, if anything. What it answers is found and no longer wanted.
fn judge(wanted: &mut Wanted, command: Uuid, outcome: &Outcome) -> Option<(&'static str, String)> {
    let offset = outcome.command_offset.cast_unsigned();
    if offset >= wanted.summary.next.commands {
        // Newer than the audit.
        return None;
    }
    // Too old to be asked for, or a repetition that outlived what it repeats.
    let answers = wanted.stretches.get_mut(&(offset / STRETCH))?;
    let check = check_of(outcome)?;
    let known = answers.check(offset);
    answers.set(offset, 0);
    if known == 0 {
        return Some(("unknown_row", format!("command {command} has an answer at command offset {offset} of which the log knows nothing")));
    }
    (known != check || outcome.command_id != command).then(|| ("wrong_row", format!("the answer to command {command} is not the log's")))
}

/// Answers of the log without a row. A command that was refused before has its first answer under the same
/// id, and needs no other; that is remembered.
async fn missing(
    log: &dyn Log,
    queries: &Queries,
    found: &mut Found<'_>,
    books: &Books,
    (partition, stretch): (Partition, u64),
    since_ms: i64,
    answers: &Answers,
) -> Result<(), Failure> {
    let places: Vec<u64> = answers.left().map(|place| stretch * STRETCH + place).collect();
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(()) };
    let commands = tokio::task::block_in_place(|| {
        let mut commands = HashMap::new();
        let mut reader = log.read(Topic::Commands, &[(partition, *first)])?;
        while reader.position(partition) <= *last {
            for record in reader.poll(STRETCH as usize, POLL)? {
                if record.time >= since_ms && places.binary_search(&record.offset).is_ok() {
                    commands.insert(record.offset, record);
                }
            }
        }
        Ok::<_, atelier_log::Error>(commands)
    })?;
    let mut found_elsewhere = Vec::new();
    for (offset, record) in commands {
        let command_id = command_id(&record, log.partitions()).unwrap_or_else(|| Outcome::id_of_unreadable(partition, offset));
        if queries.outcome(command_id).await?.is_some() {
            found_elsewhere.push(offset);
            continue;
        }
        let detail = format!("read model outcomes lacks the answer to command {command_id}");
        found.add(Problem::new("missing_row", record.key, detail))?;
    }
    if let (false, Some(mut stored)) = (found_elsewhere.is_empty(), books.answers(partition, stretch)?) {
        found_elsewhere.into_iter().for_each(|offset| stored.set(offset, 0));
        let mut news = News::default();
        news.answers.insert(stretch, stored);
        books.write(partition, &books.summary(partition)?, &mut news)?;
    }
    Ok(())
}
