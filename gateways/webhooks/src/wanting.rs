//! Which messages are due to which endpoint. Sending goes by it, and so does the audit.

use std::collections::BTreeSet;

use atelier_log::Partition;
use atelier_projections::feed::Shown;
use atelier_store::{Columns, Error, Select, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Looked up by one statement.
pub(crate) const LOOKED_UP: usize = 200;

/// What an event showed, and where it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of `orders.events`.
    pub partition: Partition,
    /// Of `orders.events`.
    pub offset: u64,
    /// What the partner is told.
    pub shown: Shown,
}

/// Columns of [`Wanting::read`].
pub(crate) const WANTING: &str = "endpoint_id, partner, events, events_from, wanted_before, taken, pruned_to";

/// An endpoint as far as it decides what is due to it.
#[derive(Clone, Debug)]
pub(crate) struct Wanting {
    pub(crate) endpoint_id: Uuid,
    pub(crate) partner: String,
    pub(crate) wishes: Wishes,
    /// Its partner's messages up to this number are taken up.
    pub(crate) taken: i64,
    pub(crate) pruned_to: i64,
}

/// What an endpoint wants, and wanted of messages that were there before it wished for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    now: Wish,
    before: Vec<Before>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wish {
    /// None: all.
    types: Vec<String>,
    /// By partition: from this offset on.
    from: Vec<u64>,
}

/// A wish that another one took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    /// It holds of messages up to this number.
    until: i64,
    wish: Wish,
}

impl Wish {
    fn reaches(&self, partition: Partition, offset: u64) -> bool {
        self.from.get(partition as usize).is_none_or(|from| offset >= *from)
    }

    fn wants(&self, event_type: &str, partition: Partition, offset: u64) -> bool {
        self.reaches(partition, offset) && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == event_type))
    }
}

impl Wishes {
    /// From the columns `events`, `events_from` and `wanted_before`, which come next.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        let types = columns.text()?.split_whitespace().map(ToOwned::to_owned).collect();
        let now = Wish { types, from: offsets_of(&columns.text()?) };
        let before = columns.text()?;
        let before = serde_json::from_str(&before).map_err(|error| Error::Broken(format!("webhook_endpoints.wanted_before: {error}")))?;
        Ok(Self { now, before })
    }

    /// Whether the message of this number, type and place in the log is due.
    pub(crate) fn want(&self, number: i64, event_type: &str, partition: Partition, offset: u64) -> bool {
        let before = self.before.iter().find(|before| number <= before.until);
        before.map_or(&self.now, |before| &before.wish).wants(event_type, partition, offset)
    }

    /// Whether every message of this place in the log was due, of whatever type and number; `false` says nothing.
    pub(crate) fn want_any(&self, partition: Partition, offset: u64) -> bool {
        self.before.is_empty() && self.now.types.is_empty() && self.now.reaches(partition, offset)
    }

    /// The column `wanted_before` once another wish takes the place of this one: it goes on to hold of messages up to
    /// `last`. Those up to `taken` are nobody's concern any more. `None` after too many changes while messages wait.
    pub(crate) fn kept(mut self, taken: i64, last: i64) -> Option<String> {
        const CHANGES_MAX: usize = 32;
        self.before.retain(|before| before.until > taken);
        if last > taken && self.before.last().is_none_or(|before| before.until < last) {
            self.before.push(Before { until: last, wish: self.now });
        }
        (self.before.len() <= CHANGES_MAX).then(|| serde_json::to_string(&self.before).expect("texts and numbers are JSON"))
    }
}

impl Wanting {
    /// The questions after the endpoints of the partners concerned.
    pub(crate) fn of<'a>(partners: impl Iterator<Item = &'a str>) -> Vec<Select> {
        let partners: BTreeSet<&str> = partners.collect();
        let partners: Vec<Value> = partners.into_iter().map(Value::from).collect();
        let ask = |partners: &[Value]| {
            Select::text("SELECT ").push(WANTING, []).push(" FROM webhook_endpoints WHERE", []).any_of(" partner IN", partners.to_vec())
        };
        partners.chunks(LOOKED_UP).map(ask).collect()
    }

    /// From the columns [`WANTING`], which come next.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            endpoint_id: columns.id()?,
            partner: columns.text()?,
            wishes: Wishes::read(columns)?,
            taken: columns.int()?,
            pruned_to: columns.int()?,
        })
    }

    /// Whether this is due by what is wished for now.
    pub(crate) fn wants(&self, told: &Told) -> bool {
        self.partner == told.shown.order.partner && self.wishes.now.wants(told.shown.event_type, told.partition, told.offset)
    }
}

/// The column `events_from`: offsets by partition. One that is none lets nothing through.
pub(crate) fn offsets_of(text: &str) -> Vec<u64> {
    text.split_whitespace().map(|offset| offset.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(types: &[&str], from: u64) -> Wishes {
        let wish = Wish { types: types.iter().map(|wanted| (*wanted).to_owned()).collect(), from: vec![from] };
        Wishes { now: wish, before: Vec::new() }
    }

    #[test]
    fn what_was_wished_goes_on_to_hold_of_what_was_there() {
        let first = wishes(&["order.held"], 5);
        assert!(first.want(1, "order.held", 0, 5) && !first.want(1, "order.held", 0, 4) && !first.want(1, "order.created", 0, 5));
        let kept = first.clone().kept(7, 9).unwrap();
        let second = Wishes { before: serde_json::from_str(&kept).unwrap(), ..wishes(&["order.created"], 20) };
        assert!(second.want(9, "order.held", 0, 5) && !second.want(9, "order.created", 0, 30));
        assert!(!second.want(10, "order.held", 0, 30) && second.want(10, "order.created", 0, 30));
        let third = Wishes { before: serde_json::from_str(&second.kept(8, 12).unwrap()).unwrap(), ..wishes(&[], 0) };
        assert!(third.want(9, "order.held", 0, 5) && third.want(12, "order.created", 0, 30) && third.want(13, "order.held", 0, 0));
        assert!(!third.want_any(0, 0), "it did not want everything of what was there");
        let all = Wishes { before: serde_json::from_str(&third.kept(12, 12).unwrap()).unwrap(), ..wishes(&[], 3) };
        assert!(all.before.is_empty() && all.want_any(0, 3) && !all.want_any(0, 2), "everything is taken up");
    }

    #[test]
    fn changes_without_end_are_refused() {
        let mut wishes = wishes(&[], 0);
        for last in 1..=32 {
            wishes.before = serde_json::from_str(&wishes.clone().kept(0, last).unwrap()).unwrap();
        }
        assert_eq!(wishes.kept(0, 33), None);
    }
}
