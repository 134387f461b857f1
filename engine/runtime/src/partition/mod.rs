//! The state of one partition and what it makes of commands and of time.
//!
//! Nothing here touches the log: records go in, a [`Transaction`] comes out. The worker commits it, or
//! drops the whole state where it cannot tell whether it did.

mod answer;
mod batch;
mod parked;
mod replay;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use atelier_domain::{self as domain, Event, Order, Policy, TimeMs, deadline, evolve};
use atelier_log::{CommandRecord, Partition, Record, Transaction};
use uuid::Uuid;

use crate::closed::{self, ClosedOrders};
use crate::refused::Refusals;
use crate::timers::Timers;
pub(crate) use parked::Parked;

/// Most deadlines written in one transaction; the rest follows in the next.
const DUE_LIMIT: usize = 500;

/// What a partition goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which one.
    pub partition: Partition,
    /// Of how many.
    pub partitions: u32,
    /// What decisions go by.
    pub policy: Arc<Policy>,
    /// Of the log.
    pub max_payload_bytes: usize,
    /// Where the index of ended orders may write. It is scratch space.
    pub index_folder: PathBuf,
}

/// Open orders in memory, ended ones on disk, deadlines, and where the commands are read from next.
pub struct PartitionState {
    settings: Settings,
    open: HashMap<Uuid, Box<Order>>,
    closed: ClosedOrders,
    timers: Timers,
    refusals: Refusals,
    /// Orders with an event that this binary cannot understand, by key.
    parked: HashMap<String, Parked>,
    next_command: u64,
    /// Events below this offset were read. What lies above was written since: by this owner, or by somebody who must not.
    read_to: u64,
    /// The command because of which they were read again.
    read_for: Option<u64>,
    /// Commands that wait for that.
    left: Vec<CommandRecord>,
}

impl PartitionState {
    /// An empty partition. `next_command` is the first command offset not yet consumed.
    ///
    /// # Errors
    /// When the folder of the index cannot be written.
    pub fn new(settings: Settings, next_command: u64) -> Result<Self, closed::Error> {
        Ok(Self {
            closed: ClosedOrders::create(&settings.index_folder)?,
            settings,
            open: HashMap::new(),
            timers: Timers::default(),
            refusals: Refusals::default(),
            parked: HashMap::new(),
            next_command,
            read_to: 0,
            read_for: None,
            left: Vec::new(),
        })
    }

    /// Decides the commands, in order, as one transaction. It ends before a command that needs the events read again:
    /// that one and the rest are given back by [`Self::left`].
    ///
    /// # Errors
    /// When the index of ended orders fails; the state must be dropped then.
    pub fn decide(&mut self, commands: Vec<CommandRecord>, now: TimeMs) -> Result<Transaction, closed::Error> {
        batch::decide(self, commands, now)
    }

    /// The commands that were not decided because the first of them speaks of events that somebody else may have written
    /// while this state was the owner's: restore the partition once what was decided is committed, and decide them then.
    pub fn left(&mut self) -> Vec<CommandRecord> {
        std::mem::take(&mut self.left)
    }

    /// The events below `end` were read.
    pub(crate) fn was_read_to(&mut self, end: u64) {
        self.read_to = end;
    }

    /// That was done for the command at `offset`, and all before it are decided.
    pub(crate) fn was_read_for(&mut self, offset: u64) {
        self.read_for = Some(offset);
        // What this owner has just consumed may be on its way into the log's own books.
        self.next_command = self.next_command.max(offset);
    }

    /// Writes, at `now`, what was overdue at `noticed`; `None` when nothing was, or all of it has been averted since.
    ///
    /// # Errors
    /// When the index of ended orders fails; the state must be dropped then.
    pub fn fire_due(&mut self, noticed: TimeMs, now: TimeMs) -> Result<Option<Transaction>, closed::Error> {
        batch::fire_due(self, self.timers.due(noticed, DUE_LIMIT), now)
    }

    /// Takes over one event of the log; used to restore. Deadlines are left for [`Self::arm`].
    ///
    /// # Errors
    /// When the index of ended orders fails; the state must be dropped then.
    pub fn replay(&mut self, record: &Record) -> Result<(), closed::Error> {
        replay::replay(self, record)
    }

    /// Sets the deadlines of all open orders, after the last event was replayed.
    pub fn arm(&mut self) {
        let policy = &self.settings.policy;
        let deadlines = self.open.iter().filter_map(|(id, order)| Some((deadline(order, policy)?.at, *id)));
        self.timers = Timers::all(deadlines);
    }

    /// Goes by `policy` from now on; nothing to do where it does already.
    pub fn follow(&mut self, policy: &Arc<Policy>) {
        if !Arc::ptr_eq(policy, &self.settings.policy) {
            self.settings.policy = policy.clone();
            self.arm();
        }
    }

    /// The soonest deadline.
    pub fn next_due(&self) -> Option<TimeMs> {
        self.timers.next()
    }

    /// The first command offset not yet decided.
    pub fn next_command(&self) -> u64 {
        self.next_command
    }

    /// Which partition this is.
    pub fn partition(&self) -> Partition {
        self.settings.partition
    }

    /// Orders in memory.
    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    /// Orders that have ended.
    pub fn closed_orders(&self) -> u64 {
        self.closed.len()
    }

    /// Orders that are stopped because an event of theirs cannot be understood, and why.
    pub fn parked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parked.iter().map(|(key, parked)| (key.as_str(), parked.reason.as_str()))
    }

    /// An order as it stands, open or ended.
    ///
    /// # Errors
    /// When the index of ended orders fails.
    pub fn order(&self, id: &Uuid) -> Result<Option<Order>, closed::Error> {
        match self.open.get(id) {
            Some(order) => Ok(Some((**order).clone())),
            None => self.closed.get(id),
        }
    }

    /// Bytes the open orders take, their map and timers included.
    pub fn memory_bytes(&self) -> usize {
        let entry = size_of::<(Uuid, Box<Order>)>() + 1;
        let timer = size_of::<(TimeMs, Uuid)>() * 2;
        self.open.capacity() * entry + self.open.values().map(|order| order.size_bytes() + timer).sum::<usize>()
    }

    /// Takes over an order of a checkpoint, the open ones first. Deadlines are left for [`Self::arm`].
    pub(crate) fn adopt(&mut self, id: Uuid, order: Order) -> Result<(), closed::Error> {
        if !order.status().is_final() {
            self.open.insert(id, Box::new(order));
        } else if !self.open.contains_key(&id) {
            self.closed.insert(id, order)?;
        }
        Ok(())
    }

    /// The orders that are set aside, by key.
    pub(crate) fn set_aside(&self) -> BTreeMap<String, Parked> {
        self.parked.iter().map(|(key, parked)| (key.clone(), parked.clone())).collect()
    }

    /// Takes over orders that a checkpoint has as set aside, and reads their events again.
    pub(crate) fn adopt_set_aside(&mut self, orders: &BTreeMap<String, Parked>) -> Result<(), closed::Error> {
        orders.iter().try_for_each(|(key, parked)| parked::read_again(self, key, parked.clone()))
    }

    /// The same without reading anything, to carry them into the next checkpoint: orders that have ended are not at hand.
    pub(crate) fn carry_set_aside(&mut self, orders: &BTreeMap<String, Parked>) {
        self.parked.extend(orders.iter().map(|(key, parked)| (key.clone(), parked.clone())));
    }

    /// How many orders there are, open and ended, each counted once.
    pub(crate) fn orders(&self) -> Result<u64, closed::Error> {
        Ok(self.open.len() as u64 + self.closed.distinct()?)
    }

    /// The open orders, in no order.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&Uuid, &Order)> {
        self.open.iter().map(|(id, order)| (id, &**order))
    }

    /// Shows ended orders by id, from `first` on, until `take` wants no more; the next one then.
    pub(crate) fn ended_from(&mut self, first: Uuid, take: impl FnMut(Uuid, Order) -> bool) -> Result<Option<Uuid>, closed::Error> {
        self.closed.each_from(first, take)
    }

    /// Takes the order out, with the deadline it had.
    fn take(&mut self, id: &Uuid) -> Result<(Option<Box<Order>>, Option<TimeMs>), closed::Error> {
        match self.open.remove(id) {
            Some(order) => {
                let due = self.due_of(&order);
                Ok((Some(order), due))
            }
            None => Ok((self.closed.get(id)?.map(Box::new), None)),
        }
    }

    /// Puts the order back where it belongs now.
    fn put(&mut self, id: Uuid, order: Box<Order>, due_before: Option<TimeMs>) -> Result<(), closed::Error> {
        let due_after = self.due_of(&order);
        self.timers.moved(id, due_before, due_after);
        if order.status().is_final() {
            self.closed.insert(id, *order)
        } else {
            self.open.insert(id, order);
            Ok(())
        }
    }

    fn due_of(&self, order: &Order) -> Option<TimeMs> {
        deadline(order, &self.settings.policy).map(|deadline| deadline.at)
    }
}

/// Where it stands, without what the orders are about.
impl fmt::Debug for PartitionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: BTreeMap<_, _> = self.open.iter().map(|(id, order)| (id, (order.version, order.stage))).collect();
        f.debug_struct("PartitionState")
            .field("partition", &self.settings.partition)
            .field("next_command", &self.next_command)
            .field("open", &open)
            .field("closed", &self.closed.len())
            .field("parked", &self.parked.len())
            .field("next_due", &self.timers.next())
            .finish_non_exhaustive()
    }
}

/// The order after `event`, in place where there is one.
fn advance(order: &mut Option<Box<Order>>, event: &Event, at: TimeMs) {
    match order {
        Some(order) => domain::advance(order, event, at),
        None => *order = evolve(None, event, at).map(Box::new),
    }
}
