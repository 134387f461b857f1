//! Entering events: the chain, each order's versions, where it stands.

use std::collections::hash_map::Entry;

use atelier_domain::Status;
use atelier_log::{Partition, Record};
use atelier_schemas::{Event, EventBrief, EventData, Framed, Unreadable};
use uuid::Uuid;

use super::answers::Answers;
use super::books::{Books, Facts, News, Summary, UNREADABLE_EVENT};
use super::problem::Problem;
use super::stream::{place, place_at};
use crate::Failure;

const CREATED: &str = "OrderCreated";
const PRICING_REQUESTED: &str = "PricingRequested";
const SKIPPED: &str = "RecordsSkipped";
const PARTNER: &str = "partner";

/// What is known of an event's cause.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// No outcome speaks of it: it must be a deadline's.
    None,
    /// An outcome says it is of this type.
    Says(&'a str),
    /// Its outcome is missing.
    Unchecked,
}

/// The books of one partition with what was learnt since they were last written.
pub(super) struct Ledger<'a> {
    pub(super) books: &'a Books,
    pub(super) summary: Summary,
    pub(super) news: News,
}

impl Ledger<'_> {
    /// Enters the next event of the partition.
    pub(super) fn event(&mut self, record: &Record, event: Result<EventBrief, Unreadable>, cause: Cause<'_>) -> Result<(), Failure> {
        self.news.blocks.extend(self.summary.chain.add(record));
        self.summary.counts.events += 1;
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.problem(UNREADABLE_EVENT, &record.key, format!("{}: {error}", place(record)));
                return Ok(());
            }
        };
        // Written out only where something is wrong; nearly every event goes without.
        let order = event.order_id;
        let id = || order.to_string();
        if record.key != *order.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) {
            self.problem("foreign_key", &id(), format!("{} has the key {:?}", place(record), record.key));
        }
        match cause {
            Cause::Says(expected) if expected != event.type_name => {
                let detail = format!("{} is {}, its command's outcome says {expected}", place(record), event.type_name);
                self.problem("wrong_event", &id(), detail);
            }
            Cause::None => {
                if let Some(command) = event.command_id {
                    let detail = format!("{} is caused by command {command}, whose outcome does not speak of it", place(record));
                    self.problem("stray_event", &id(), detail);
                }
            }
            Cause::Says(_) | Cause::Unchecked => {}
        }
        let facts = self.facts(event.order_id.as_u128())?;
        let previous = facts.version;
        facts.version = event.version;
        facts.status = event.after.status.parse().ok();
        facts.stage = event.after.stage.parse().ok();
        facts.held = event.after.held;
        if event.type_name == CREATED {
            (facts.partner, facts.sandbox) = whose(&record.payload);
        }
        facts.pricing_requested += u32::from(event.type_name == PRICING_REQUESTED);
        let understood: Option<Status> = facts.status;
        if event.type_name == SKIPPED {
            self.news.skipped.extend(skipped_by(record));
        }
        if event.version != previous + 1 {
            let detail = format!("version {} follows version {previous} at {}", event.version, place(record));
            self.problem("version_gap", &id(), detail);
        }
        if understood.is_none() {
            self.problem("unknown_status", &id(), format!("{} leaves it in status {:?}", place(record), event.after.status));
        }
        Ok(())
    }

    /// What is known of an order, to be changed.
    fn facts(&mut self, order: u128) -> Result<&mut Facts, Failure> {
        Ok(match self.news.orders.entry(order) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.books.facts(order)?.unwrap_or_default()),
        })
    }

    /// The checks of a stretch of the partition's commands, to be changed.
    pub(super) fn answers(&mut self, partition: Partition, stretch: u64) -> Result<&mut Answers, Failure> {
        Ok(match self.news.answers.entry(stretch) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.books.answers(partition, stretch)?.unwrap_or_default()),
        })
    }

    fn problem(&mut self, kind: &'static str, id: &str, detail: String) {
        self.news.problems.push(Problem::new(kind, id, detail));
    }
}

/// The places of the records that do not count because this one says so.
fn skipped_by(record: &Record) -> Vec<String> {
    let Ok(Event { data: EventData::RecordsSkipped { offsets, .. }, .. }) = Event::decode(&record.payload) else { return Vec::new() };
    offsets.iter().map(|offset| place_at(record.topic, record.partition, offset.cast_unsigned())).collect()
}

/// Whether an order is a partner's, and of its sandbox, by its first event.
fn whose(payload: &[u8]) -> (bool, bool) {
    match Event::decode(payload) {
        Ok(Event { data: EventData::OrderCreated { channel, sandbox, .. }, .. }) => (channel == PARTNER, sandbox),
        _ => (false, false),
    }
}
