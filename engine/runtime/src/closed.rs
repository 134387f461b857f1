//! Orders that have ended: on disk, not in memory.
//!
//! An ended order is asked about rarely, but it must still refuse by name and repeat its answers. The
//! index is a cache of the log: it is made anew with every restore and never needs to survive a crash.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use atelier_domain::Order;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};
use uuid::Uuid;

const ORDERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("closed_orders");
/// Ended orders wait here for one write; bounds the memory they take.
const BUFFER: usize = 256;
/// Every so many writes the file is brought in order, which lets it use its free pages again.
const SETTLE_EVERY: u32 = 64;
/// Most of what is asked of it was written lately, and the system caches the file too.
const CACHE_BYTES: usize = 1024 * 1024;

/// Why the index does not work: its folder is gone or full.
#[derive(Debug, thiserror::Error)]
#[error("the index of closed orders failed: {0}")]
pub struct Error(String);

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

/// The ended orders of one partition.
pub(crate) struct ClosedOrders {
    /// What is stored, as of the last write. Opening it costs more than a look into it.
    written: Option<ReadOnlyTable<u128, &'static [u8]>>,
    /// Made with the first write: most partitions are restored without one.
    database: Option<Database>,
    buffer: HashMap<Uuid, Order>,
    /// In the file, each counted once.
    stored: u64,
    writes: u32,
    /// It has no name, so that nothing of it stays whatever ends the process.
    file: File,
}

impl ClosedOrders {
    /// An empty index in a file of its own under `folder`. The file is made at once: a folder that cannot be
    /// written is found now.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let place = |error: std::io::Error| Error(format!("cannot write to {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(place)?;
        let file = tempfile::tempfile_in(folder).map_err(place)?;
        Ok(Self { database: None, written: None, buffer: HashMap::new(), stored: 0, writes: 0, file })
    }

    pub(crate) fn insert(&mut self, id: Uuid, order: Order) -> Result<(), Error> {
        self.buffer.insert(id, order);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    pub(crate) fn get(&self, id: &Uuid) -> Result<Option<Order>, Error> {
        if let Some(order) = self.buffer.get(id) {
            return Ok(Some(order.clone()));
        }
        let Some(written) = &self.written else { return Ok(None) };
        let found = written.get(id.as_u128())?;
        found.map(|bytes| decoded(bytes.value())).transpose()
    }

    /// Shows the orders by id, from `first` on, until `take` wants no more; the id of the next one then.
    pub(crate) fn each_from(&mut self, first: Uuid, mut take: impl FnMut(Uuid, Order) -> bool) -> Result<Option<Uuid>, Error> {
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        let Some(table) = &self.written else { return Ok(None) };
        let mut wanted = true;
        for entry in table.range(first.as_u128()..)? {
            let (id, bytes) = entry?;
            let id = Uuid::from_u128(id.value());
            if !wanted {
                return Ok(Some(id));
            }
            wanted = take(id, decoded(bytes.value())?);
        }
        Ok(None)
    }

    /// How many there are. One that was inserted again since the last write counts twice; see [`Self::distinct`].
    pub(crate) fn len(&self) -> u64 {
        self.stored + self.buffer.len() as u64
    }

    /// How many orders there are, each counted once however often it was inserted.
    pub(crate) fn distinct(&self) -> Result<u64, Error> {
        let Some(written) = &self.written else { return Ok(self.len()) };
        let mut distinct = self.stored;
        for id in self.buffer.keys() {
            distinct += u64::from(written.get(id.as_u128())?.is_none());
        }
        Ok(distinct)
    }

    fn flush(&mut self) -> Result<(), Error> {
        let database = match &mut self.database {
            Some(database) => database,
            none => {
                // What a try left that failed is none of it.
                self.file.set_len(0)?;
                none.insert(Database::builder().set_cache_size(CACHE_BYTES).create_file(self.file.try_clone()?)?)
            }
        };
        // Whoever reads holds pages that the write could use again.
        self.written = None;
        let mut transaction = database.begin_write()?;
        self.writes += 1;
        let durability = if self.writes.is_multiple_of(SETTLE_EVERY) { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability)?;
        let mut new = 0;
        {
            let mut table = transaction.open_table(ORDERS)?;
            // In the order of the keys: neighbours share pages.
            let mut orders: Vec<_> = self.buffer.iter().collect();
            orders.sort_unstable_by_key(|(id, _)| **id);
            for (id, order) in orders {
                let bytes = postcard::to_stdvec(order).map_err(|error| Error(error.to_string()))?;
                new += u64::from(table.insert(id.as_u128(), bytes.as_slice())?.is_none());
            }
        }
        transaction.commit()?;
        self.written = Some(database.begin_read()?.open_table(ORDERS)?);
        self.stored += new;
        self.buffer.clear();
        Ok(())
    }
}

fn decoded(bytes: &[u8]) -> Result<Order, Error> {
    postcard::from_bytes(bytes).map_err(|error| Error(error.to_string()))
}

#[cfg(test)]
mod tests {
    use atelier_domain::testing::Scenario;

    use super::*;

    #[test]
    fn an_order_that_is_inserted_again_is_one_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut closed = ClosedOrders::create(folder.path()).expect("an index");
        let order = Scenario::created().order.expect("it was created");
        let insert = |closed: &mut ClosedOrders, numbers: std::ops::Range<u64>| {
            for number in numbers {
                closed.insert(Uuid::from_u128(number.into()), order.clone()).expect("inserted");
            }
            closed.distinct().expect("counted")
        };
        assert_eq!(insert(&mut closed, 0..10), 10);
        assert_eq!(insert(&mut closed, 0..10), 10, "both wait");
        let many = 2 * BUFFER as u64;
        assert_eq!(insert(&mut closed, 0..many), many, "one of the two is written");
        assert_eq!(insert(&mut closed, 0..many), many, "both are written");
        assert_eq!(insert(&mut closed, 5..6), many, "one is written, the other waits");
        assert_eq!(insert(&mut closed, many..many + 1), many + 1);
    }
}
