//! Orders that have ended: on disk, not in memory.
//!
//! An ended order is asked about rarely, but it must still refuse by name and repeat its answers. They lie one
//! after the other in a file; an index on disk tells where. Both are a cache of the log: they are made anew with
//! every restore and never need to survive a crash.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use atelier_domain::Order;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};
use uuid::Uuid;

/// Where an order lies: its first byte and its length.
type Place = (u64, u32);

const PLACES: TableDefinition<'_, u128, Place> = TableDefinition::new("closed_orders");
/// Ended orders wait here for one write; bounds the memory they take.
const BUFFER: usize = 256;
/// Places wait here for one write to the index. Ids come in no order, so that each would rewrite a page of its own:
/// for an engine that works off a backlog that was a sixth of everything it did.
const RECENT: usize = 4096;
/// Every so many writes the index is brought in order, which lets it use its free pages again.
const SETTLE_EVERY: u32 = 4;
/// The system caches the file too.
const CACHE_BYTES: usize = 512 * 1024;

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
    buffer: HashMap<Uuid, Order>,
    /// Of those that are in the file, and not in the index yet or elsewhere than it says.
    recent: HashMap<Uuid, Place>,
    index: Index,
    /// Neither file has a name, so that nothing of them stays whatever ends the process.
    orders: File,
    orders_bytes: u64,
}

impl ClosedOrders {
    /// No orders, in files of their own under `folder`. These are made at once: a folder that cannot be written is
    /// found now.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let place = |error: std::io::Error| Error(format!("cannot write to {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(place)?;
        let file = || tempfile::tempfile_in(folder).map_err(place);
        let index = Index { written: None, database: None, stored: 0, writes: 0, file: file()? };
        Ok(Self { buffer: HashMap::new(), recent: HashMap::new(), index, orders: file()?, orders_bytes: 0 })
    }

    pub(crate) fn insert(&mut self, id: Uuid, order: Order) -> Result<(), Error> {
        self.buffer.insert(id, order);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    pub(crate) fn get(&self, id: &Uuid) -> Result<Option<Order>, Error> {
        if let Some(order) = self.buffer.get(id) {
            return Ok(Some(order.clone()));
        }
        let place = match self.recent.get(id) {
            Some(place) => Some(*place),
            None => self.index.get(id)?,
        };
        place.map(|place| self.read(place, &mut Vec::new())).transpose()
    }

    /// Shows the orders by id, from `first` on, until `take` wants no more; the id of the next one then.
    pub(crate) fn each_from(&mut self, first: Uuid, mut take: impl FnMut(Uuid, Order) -> bool) -> Result<Option<Uuid>, Error> {
        self.flush()?;
        self.index.add(&mut self.recent)?;
        let Some(index) = &self.index.written else { return Ok(None) };
        let mut wanted = true;
        let mut bytes = Vec::new();
        for entry in index.range(first.as_u128()..)? {
            let (id, place) = entry?;
            let id = Uuid::from_u128(id.value());
            if !wanted {
                return Ok(Some(id));
            }
            wanted = take(id, self.read(place.value(), &mut bytes)?);
        }
        Ok(None)
    }

    /// How many there are. One that was inserted again lately counts twice; see [`Self::distinct`].
    pub(crate) fn len(&self) -> u64 {
        self.index.stored + (self.recent.len() + self.buffer.len()) as u64
    }

    /// How many orders there are, each counted once however often it was inserted.
    pub(crate) fn distinct(&self) -> Result<u64, Error> {
        let mut distinct = self.index.stored;
        let waiting = self.buffer.keys().filter(|id| !self.recent.contains_key(id));
        for id in self.recent.keys().chain(waiting) {
            distinct += u64::from(self.index.get(id)?.is_none());
        }
        Ok(distinct)
    }

    fn read(&self, (first, length): Place, bytes: &mut Vec<u8>) -> Result<Order, Error> {
        bytes.resize(length as usize, 0);
        self.orders.read_exact_at(bytes, first).map_err(redb::Error::from)?;
        postcard::from_bytes(bytes).map_err(|error| Error(error.to_string()))
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let mut places = Vec::with_capacity(self.buffer.len());
        for (id, order) in &self.buffer {
            let first = bytes.len();
            bytes = postcard::to_extend(order, bytes).map_err(|error| Error(error.to_string()))?;
            places.push((*id, (self.orders_bytes + first as u64, (bytes.len() - first) as u32)));
        }
        // What a write leaves that failed is written over by the next.
        self.orders.write_all_at(&bytes, self.orders_bytes).map_err(redb::Error::from)?;
        self.orders_bytes += bytes.len() as u64;
        self.recent.extend(places);
        self.buffer.clear();
        if self.recent.len() >= RECENT { self.index.add(&mut self.recent) } else { Ok(()) }
    }
}

/// Where the orders lie, by id.
struct Index {
    /// What is stored, as of the last write. Opening it costs more than a look into it.
    written: Option<ReadOnlyTable<u128, Place>>,
    /// Made with the first write: most partitions are restored without one.
    database: Option<Database>,
    /// Entries, each counted once.
    stored: u64,
    writes: u32,
    file: File,
}

impl Index {
    fn get(&self, id: &Uuid) -> Result<Option<Place>, Error> {
        let Some(written) = &self.written else { return Ok(None) };
        Ok(written.get(id.as_u128())?.map(|place| place.value()))
    }

    /// Takes these over.
    fn add(&mut self, places: &mut HashMap<Uuid, Place>) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let database = match &mut self.database {
            Some(database) => database,
            none => {
                // What a try left that failed is none of it.
                self.file.set_len(0).map_err(redb::Error::from)?;
                none.insert(Database::builder().set_cache_size(CACHE_BYTES).create_file(self.file.try_clone().map_err(redb::Error::from)?)?)
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
            let mut table = transaction.open_table(PLACES)?;
            // In the order of the keys: neighbours share pages.
            let mut sorted: Vec<_> = places.iter().collect();
            sorted.sort_unstable_by_key(|(id, _)| **id);
            for (id, place) in sorted {
                new += u64::from(table.insert(id.as_u128(), *place)?.is_none());
            }
        }
        transaction.commit()?;
        self.written = Some(database.begin_read()?.open_table(PLACES)?);
        self.stored += new;
        places.clear();
        Ok(())
    }
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
        let many = 2 * RECENT as u64 + 7;
        assert_eq!(insert(&mut closed, 0..many), many, "some are in the index, some in the file, some wait");
        assert_eq!(insert(&mut closed, 0..many), many, "and once more");
    }

    #[test]
    fn the_latest_of_an_order_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut closed = ClosedOrders::create(folder.path()).expect("an index");
        let order = Scenario::created().order.expect("it was created");
        let many = 2 * RECENT as u64 + 7;
        for version in [1, 2, 3] {
            for number in 0..many {
                let order = Order { version: version * 1_000_000 + number, ..order.clone() };
                closed.insert(Uuid::from_u128(number.into()), order).expect("inserted");
            }
            for number in (0..many).step_by(97).chain(many - 9..many) {
                let found = closed.get(&Uuid::from_u128(number.into())).expect("read").expect("it is there");
                assert_eq!(found.version, version * 1_000_000 + number);
            }
            assert!(closed.get(&Uuid::from_u128(many.into())).expect("read").is_none());
        }
        let mut shown = Vec::new();
        let next = closed.each_from(Uuid::from_u128(5), |id, order| {
            shown.push((id.as_u128() as u64, order.version));
            shown.len() < 20
        });
        assert_eq!(next.expect("read"), Some(Uuid::from_u128(25)));
        assert_eq!(shown, (5..25).map(|number| (number, 3_000_000 + number)).collect::<Vec<_>>());
        assert_eq!(closed.each_from(Uuid::from_u128(many.into()), |_, _| true).expect("read"), None);
    }
}
