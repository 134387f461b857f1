//! What partners were shown, in the books: their orders as they last saw them, and each message there has to be. Each run
//! finds it anew.

use std::collections::{BTreeSet, HashMap};

use atelier_projections::feed::{Seen, Shown};
use redb::{ReadableDatabase, TableDefinition, WriteTransaction};
use uuid::Uuid;

use super::books::{Books, bytes, read};
use crate::Failure;

/// Partners' orders as their partners were shown them.
const SEEN: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("seen_by_partners");
/// By order and number among its messages: the event that each tells of.
const TOLD: TableDefinition<'_, (u128, i64), u128> = TableDefinition::new("told_to_partners");
/// In the place of a number, of an order with an event that cannot be read; nobody can tell what it showed.
const UNREAD: i64 = 0;

/// Forgets what only the run before has found.
pub(super) fn begin_run(writing: &WriteTransaction) -> Result<(), Failure> {
    writing.delete_table(SEEN)?;
    writing.open_table(SEEN)?;
    writing.delete_table(TOLD)?;
    writing.open_table(TOLD)?;
    Ok(())
}

impl Books {
    /// Those of these orders that are partners', as they were last kept in this run.
    pub(super) fn seen(&self, orders: &BTreeSet<Uuid>) -> Result<HashMap<Uuid, Seen>, Failure> {
        let table = self.database.begin_read()?.open_table(SEEN)?;
        let mut seen = HashMap::new();
        for order in orders {
            if let Some(found) = table.get(order.as_u128())? {
                seen.insert(*order, read(found.value())?);
            }
        }
        Ok(seen)
    }

    /// Keeps for this run partners' orders, what they were shown, and of which orders something cannot be read.
    pub(super) fn keep_shown<'s>(
        &self,
        seen: &HashMap<Uuid, Seen>,
        shown: impl Iterator<Item = &'s Shown>,
        unread: &BTreeSet<Uuid>,
    ) -> Result<(), Failure> {
        if seen.is_empty() && unread.is_empty() {
            return Ok(());
        }
        let writing = self.database.begin_write()?;
        {
            let mut table = writing.open_table(SEEN)?;
            for (order, seen) in seen {
                table.insert(order.as_u128(), bytes(seen)?.as_slice())?;
            }
            let mut table = writing.open_table(TOLD)?;
            for shown in shown {
                table.insert((shown.order.order_id.as_u128(), shown.order.sequence), shown.event_id.as_u128())?;
            }
            for order in unread {
                table.insert((order.as_u128(), UNREAD), 0)?;
            }
        }
        Ok(writing.commit()?)
    }

    /// Whether the log has shown `partner` what this message tells of, as far as it was followed; also `true` where an event
    /// of the order cannot be read here: a program that reads it tells more.
    pub(super) fn is_told(&self, order: Uuid, sequence: i64, event: Uuid, partner: &str) -> Result<bool, Failure> {
        let reading = self.database.begin_read()?;
        let told = reading.open_table(TOLD)?;
        if told.get((order.as_u128(), UNREAD))?.is_some() {
            return Ok(true);
        }
        if told.get((order.as_u128(), sequence))?.is_none_or(|told| told.value() != event.as_u128()) {
            return Ok(false);
        }
        let seen: Option<Seen> = reading.open_table(SEEN)?.get(order.as_u128())?.map(|seen| read(seen.value())).transpose()?;
        Ok(seen.is_some_and(|seen| seen.partner == partner))
    }
}
