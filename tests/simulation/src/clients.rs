//! People and gateways: who asks, what waits to be sent, and what was sent before.

use std::collections::VecDeque;

use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord};
use atelier_schemas::{Actor, Command, CommandData, Framed, TimeMs, Topic, partition_of};
use fastrand::Rng;
use uuid::Uuid;

use crate::asking;
use crate::trace::Trace;
use crate::watch::Watch;

/// Who there is: role and name. Two of each who can get into each other's way.
const CAST: [(&str, &str); CLIENTS] = [
    ("customer", "shop"),
    ("customer", "shop"),
    ("partner", "p1"),
    ("seller", "s1"),
    ("seller", "s2"),
    ("operator", "op1"),
    ("operator", "op2"),
    ("carrier", "post"),
    ("sandbox", "p1"),
];
/// How many clients there are.
pub(crate) const CLIENTS: usize = 9;
/// Commands that wait in one outbox; a client with more asks nothing new.
const OUTBOX_LIMIT: usize = 8;

struct Client {
    actor: Actor,
    outbox: VecDeque<Command>,
    history: Vec<Command>,
}

/// All clients of a run.
pub(crate) struct Clients {
    seed: u64,
    clients: Vec<Client>,
    /// Orders somebody has begun, in their order.
    pub(crate) orders: Vec<Uuid>,
}

impl Clients {
    pub(crate) fn new(seed: u64) -> Self {
        let client = |(role, name): (&str, &str)| Client {
            actor: Actor { role: role.to_owned(), name: name.to_owned() },
            outbox: VecDeque::new(),
            history: Vec::new(),
        };
        Self { seed, clients: CAST.map(client).into(), orders: Vec::new() }
    }

    /// The id of the `n`th order, which is begun with this if it was not.
    pub(crate) fn order(&mut self, n: usize, watch: &mut Watch) -> Uuid {
        while self.orders.len() <= n {
            let next = self.orders.len();
            let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("order {next} of {}", self.seed).as_bytes());
            watch.name(id, format!("o{next}"));
            self.orders.push(id);
        }
        self.orders[n]
    }

    /// A client asks what seems sensible to it, mostly; one to which nothing comes to mind leaves it to the next.
    pub(crate) fn ask(&mut self, client: usize, pick: u64, now: TimeMs, watch: &mut Watch) {
        for client in (client..client + CLIENTS).map(|client| client % CLIENTS) {
            if self.clients[client].outbox.len() >= OUTBOX_LIMIT {
                continue;
            }
            let mut rng = Rng::with_seed(pick);
            let role = self.clients[client].actor.role.clone();
            if let Some(asked) = asking::choose(&role, self, watch, &mut rng) {
                let order = self.order(asked.order, watch);
                let mut command = self.command(client, order, now, asked.data);
                command.expected_version = asked.expected_version;
                command.dry_run = asked.dry_run;
                self.enqueue(client, command);
                return;
            }
        }
    }

    /// A client asks exactly this.
    pub(crate) fn tell(&mut self, client: usize, order: usize, data: CommandData, now: TimeMs, watch: &mut Watch) {
        let order = self.order(order, watch);
        let command = self.command(client % CLIENTS, order, now, data);
        self.enqueue(client % CLIENTS, command);
    }

    /// The very same again.
    pub(crate) fn again(&mut self, client: usize, pick: u64) {
        let client = &mut self.clients[client % CLIENTS];
        if !client.history.is_empty() && client.outbox.len() < OUTBOX_LIMIT {
            client.outbox.push_back(client.history[pick as usize % client.history.len()].clone());
        }
    }

    /// Something else under a used id.
    pub(crate) fn reuse(&mut self, client: usize, pick: u64) {
        let client = &mut self.clients[client % CLIENTS];
        if !client.history.is_empty() && client.outbox.len() < OUTBOX_LIMIT {
            let mut command = client.history[pick as usize % client.history.len()].clone();
            command.data = CommandData::CancelOrder { reason: "under a used id".into() };
            command.type_name = command.data.type_name().into();
            client.outbox.push_back(command);
        }
    }

    /// The oldest command of the client's outbox is appended, or of the next client's that has one. It stays there
    /// until the log has said that it has it.
    pub(crate) fn send(&mut self, client: usize, log: &Memory, now: TimeMs, watch: &mut Watch, trace: &mut Trace) {
        let waiting = (client..client + CLIENTS).map(|client| client % CLIENTS).find(|client| !self.clients[*client].outbox.is_empty());
        let Some(client) = waiting.map(|client| &mut self.clients[client]) else { return };
        let Some(command) = client.outbox.front() else { return };
        if append(log, command, watch).is_ok() {
            client.outbox.pop_front();
        } else {
            trace.line(now, &client.actor.name, format_args!("was not told that {} arrived; sends it again", command.type_name));
        }
    }

    /// Whether anybody has something to send.
    pub(crate) fn waiting(&self) -> bool {
        self.clients.iter().any(|client| !client.outbox.is_empty())
    }

    fn command(&self, client: usize, order: Uuid, now: TimeMs, data: CommandData) -> Command {
        let Client { actor, history, .. } = &self.clients[client];
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("command {} of {client} of {}", history.len(), self.seed).as_bytes());
        Command::new(id, order, now, actor.clone(), data)
    }

    fn enqueue(&mut self, client: usize, command: Command) {
        let client = &mut self.clients[client];
        client.history.push(command.clone());
        client.outbox.push_back(command);
    }
}

/// Appends a command, as gateways and workers do, and notes what the log confirmed.
pub(crate) fn append(log: &Memory, command: &Command, watch: &mut Watch) -> Result<(), atelier_log::Error> {
    let partition = partition_of(&command.order_id, log.partitions());
    let type_name = CommandData::TYPES.iter().find(|name| **name == command.type_name).copied().unwrap_or("Command");
    let record = NewRecord { key: command.order_id.to_string(), kind: type_name, traceparent: None, payload: command.encode() };
    let offset = done(log.append(Topic::Commands, partition, record))?;
    watch.acknowledged.push((partition, offset, command.command_id));
    Ok(())
}

/// The output of a future that is ready at once, as those of the log in memory are.
pub(crate) fn done<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => unreachable!("the log in memory is done at the call"),
    }
}
