//! Partners' messages as lanes read them: each once for all the endpoints of its partner.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use atelier_log::Partition;
use atelier_store::{Bulk, Columns, Row, Select, Transaction};
use bytes::Bytes;
use uuid::Uuid;

use crate::Error;
use crate::message::with_previous;
use crate::wanting::Wishes;

/// Read at once, at most and at least.
const PAGE: usize = 512;
const PAGE_MIN: usize = 16;
/// Of one partner, kept for lanes that are behind others.
const KEPT: usize = 4096;

/// A message as it is kept.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) number: i64,
    pub(super) order_id: Uuid,
    pub(super) sequence: i64,
    pub(super) event_id: Arc<str>,
    event_type: String,
    pub(super) event_at: i64,
    partition: Partition,
    offset: u64,
    before_offset: Option<i64>,
    body: Bytes,
}

/// Columns of [`Stored::read`], of `webhook_messages m`.
pub(super) const STORED: &str =
    "m.number, m.order_id, m.sequence, m.event_id, m.event_type, m.event_at, m.log_partition, m.log_offset, m.before_offset, m.body";

impl Stored {
    /// From the columns [`STORED`], which come next.
    pub(super) fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            number: columns.int()?,
            order_id: columns.id()?,
            sequence: columns.int()?,
            event_id: columns.text()?.into(),
            event_type: columns.text()?,
            event_at: columns.int()?,
            partition: Partition::try_from(columns.int()?).unwrap_or(Partition::MAX),
            offset: columns.int()?.cast_unsigned(),
            before_offset: columns.optional_int()?,
            body: Bytes::from(columns.text()?),
        })
    }

    pub(super) fn is_wanted(&self, wishes: &Wishes) -> bool {
        wishes.want(self.number, &self.event_type, self.partition, self.offset)
    }

    /// The sequence of the message that an endpoint was sent before, where that is known without asking.
    fn previous(&self, wishes: &Wishes) -> Option<i64> {
        let before = |offset: i64| wishes.want_any(self.partition, offset.cast_unsigned());
        (self.sequence == 1 || self.before_offset.is_some_and(before)).then_some(self.sequence - 1)
    }
}

/// The bodies of messages as an endpoint of these wishes gets them, in their order.
pub(super) async fn bodies(transaction: &mut Transaction, stored: &[Arc<Stored>], wishes: &Wishes) -> Result<Vec<Bytes>, Error> {
    static BEFORE: Bulk = Bulk::joining(
        &["order_id", "number"],
        "SELECT given.number, m.number, m.event_type, m.log_partition, m.log_offset, m.sequence FROM given \
         JOIN webhook_messages m ON m.order_id = given.order_id AND m.number < given.number",
    );
    let asked: Vec<_> = stored.iter().filter(|stored| stored.previous(wishes).is_none()).collect();
    let rows = asked.iter().map(|stored| vec![stored.order_id.into(), stored.number.into()]).collect();
    let mut found: HashMap<i64, i64> = HashMap::new();
    for row in &BEFORE.read(transaction, rows).await? {
        let mut columns = Columns::of(row);
        let (of, number, event_type) = (columns.int()?, columns.int()?, columns.text()?);
        let partition = Partition::try_from(columns.int()?).unwrap_or(Partition::MAX);
        if wishes.want(number, &event_type, partition, columns.int()?.cast_unsigned()) {
            let sequence = columns.int()?;
            found.entry(of).and_modify(|last| *last = sequence.max(*last)).or_insert(sequence);
        }
    }
    let previous = |stored: &Stored| stored.previous(wishes).unwrap_or_else(|| found.get(&stored.number).copied().unwrap_or(0));
    Ok(stored.iter().map(|stored| with_previous(&stored.body, stored.sequence, previous(stored))).collect())
}

/// What was read lately, by partner.
#[derive(Default)]
pub(super) struct Recent {
    partners: HashMap<String, Stretch>,
}

/// All messages of a partner whose number lies after `from`, up to `to`.
struct Stretch {
    from: i64,
    to: i64,
    messages: VecDeque<Arc<Stored>>,
    /// In this turn nothing lay after them.
    over: bool,
}

impl Recent {
    /// A new turn: there may be more. `read_to` has, by partner, how far the last of its lanes has read: what lies before
    /// nobody needs any more.
    pub(super) fn turn(&mut self, read_to: &HashMap<&str, i64>) {
        self.partners.retain(|partner, _| read_to.contains_key(partner.as_str()));
        for (partner, stretch) in &mut self.partners {
            stretch.over = false;
            stretch.forget(read_to.get(partner.as_str()).copied().unwrap_or(i64::MAX));
        }
    }

    pub(super) fn clear(&mut self) {
        self.partners.clear();
    }

    /// The next messages of a partner after the one of this number, of which about so many are wanted. None: there are
    /// none.
    pub(super) async fn after(
        &mut self,
        transaction: &mut Transaction,
        partner: &str,
        number: i64,
        wanted: usize,
    ) -> Result<Vec<Arc<Stored>>, Error> {
        let limit = wanted.clamp(PAGE_MIN, PAGE);
        let new = || Stretch { from: number, to: number, messages: VecDeque::new(), over: false };
        let stretch = self.partners.entry(partner.to_owned()).or_insert_with(new);
        if number < stretch.from {
            // Far behind the others: it reads for itself.
            return page(transaction, partner, number, limit).await;
        }
        if number > stretch.to {
            *stretch = new();
        }
        if number == stretch.to && !stretch.over {
            let page = page(transaction, partner, number, limit).await?;
            stretch.over = page.len() < limit;
            stretch.to = page.last().map_or(stretch.to, |last| last.number);
            stretch.messages.extend(page);
            if let Some(first_kept) = stretch.messages.len().checked_sub(KEPT).and_then(|at| stretch.messages.get(at)) {
                stretch.forget(first_kept.number - 1);
            }
        }
        let at = stretch.messages.partition_point(|stored| stored.number <= number);
        Ok(stretch.messages.range(at..).take(limit).cloned().collect())
    }
}

impl Stretch {
    /// Those up to this number.
    fn forget(&mut self, upto: i64) {
        let upto = upto.min(self.to);
        if upto > self.from {
            self.messages.drain(..self.messages.partition_point(|stored| stored.number <= upto));
            self.from = upto;
        }
    }
}

async fn page(transaction: &mut Transaction, partner: &str, number: i64, limit: usize) -> Result<Vec<Arc<Stored>>, Error> {
    let select = Select::text("SELECT ").push(STORED, []).push(
        " FROM webhook_messages m WHERE m.partner = ? AND m.number > ? ORDER BY m.number LIMIT ?",
        [partner.into(), number.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    let rows: Vec<Row> = select.all_in(transaction).await?;
    let stored = rows.iter().map(|row| Stored::read(&mut Columns::of(row)).map(Arc::new));
    stored.collect()
}
