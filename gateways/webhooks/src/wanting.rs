//! Which events are due to which endpoint. Reading the log goes by it, and so does the audit of what was read.

use std::collections::BTreeSet;

use atelier_log::Partition;
use atelier_projections::feed::Shown;
use atelier_store::{Columns, Error, Row, Select, Value};
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

/// An endpoint as far as it decides what is due to it.
#[derive(Clone, Debug)]
pub(crate) struct Wanting {
    pub(crate) endpoint_id: Uuid,
    pub(crate) partner: String,
    types: Vec<String>,
    /// By partition: from this offset on.
    from: Vec<u64>,
    pub(crate) pruned_to: i64,
}

impl Wanting {
    /// The questions after the endpoints of the partners concerned.
    pub(crate) fn of(told: &[Told]) -> Vec<Select> {
        const ASK: &str = "SELECT endpoint_id, partner, events, events_from, pruned_to FROM webhook_endpoints WHERE";
        let partners: BTreeSet<&str> = told.iter().map(|told| told.shown.order.partner.as_str()).collect();
        let partners: Vec<Value> = partners.into_iter().map(Value::from).collect();
        partners.chunks(LOOKED_UP).map(|partners| Select::text(ASK).any_of(" partner IN", partners.to_vec())).collect()
    }

    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            endpoint_id: columns.id()?,
            partner: columns.text()?,
            types: columns.text()?.split_whitespace().map(ToOwned::to_owned).collect(),
            from: offsets_of(&columns.text()?),
            pruned_to: columns.int()?,
        })
    }

    pub(crate) fn wants(&self, told: &Told) -> bool {
        self.partner == told.shown.order.partner
            && self.from.get(told.partition as usize).is_none_or(|from| told.offset >= *from)
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == told.shown.event_type))
    }
}

/// The column `events_from`: offsets by partition. One that is none lets nothing through.
pub(crate) fn offsets_of(text: &str) -> Vec<u64> {
    text.split_whitespace().map(|offset| offset.parse().unwrap_or(u64::MAX)).collect()
}
