//! A small engine that follows a script: enough of the lifecycle to exercise the surfaces, and none of
//! the reasoning, which is the domain's and tested there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use atelier_log::{CommandRecord, Log, Membership, NewRecord, Partition, Polled, Transaction};
use atelier_schemas::{After, Command, CommandData, Event, EventData, Framed, Outcome, OutcomeResult, Topic};
use uuid::Uuid;

/// What the test tells the thread.
#[derive(Default)]
struct Switches {
    /// Commands wait in the log while this is set.
    asleep: AtomicBool,
    /// The engine has seen that it should sleep.
    resting: AtomicBool,
    stop: AtomicBool,
}

/// The engine's thread; ends with it.
pub(crate) struct Engine {
    switches: Arc<Switches>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn start(log: Arc<dyn Log>, clock: Arc<AtomicI64>) -> Self {
        let switches = Arc::new(Switches::default());
        let thread = std::thread::spawn({
            let switches = switches.clone();
            move || run(&*log, &clock, &switches)
        });
        Self { switches, thread: Some(thread) }
    }

    /// From the return on no command is decided until [`Engine::wake`].
    pub(crate) fn sleep(&self) {
        self.switches.asleep.store(true, Ordering::SeqCst);
        while !self.switches.resting.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn wake(&self) {
        self.switches.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.switches.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the engine of the test panicked");
        }
    }
}

fn run(log: &dyn Log, clock: &AtomicI64, switches: &Switches) {
    let membership = Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 };
    let mut owner = log.own(membership).expect("the log is there");
    let mut orders = HashMap::new();
    while !switches.stop.load(Ordering::SeqCst) {
        let asleep = switches.asleep.load(Ordering::SeqCst);
        switches.resting.store(asleep, Ordering::SeqCst);
        if asleep {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        // A log that is switched off is asked again.
        let Ok(polled) = owner.poll(100, Duration::from_millis(10)) else { continue };
        let Polled::Commands(records) = polled else { continue };
        for record in records {
            let transaction = decided(&mut orders, &record, clock.load(Ordering::SeqCst));
            owner.commit(&transaction).expect("nobody takes the partition away");
        }
    }
}

#[derive(Default)]
struct Order {
    version: i64,
    stage: &'static str,
    held: bool,
    channel: String,
    client: String,
    sandbox: bool,
    seen: HashMap<Uuid, (CommandData, OutcomeResult)>,
}

fn decided(orders: &mut HashMap<Uuid, Order>, record: &CommandRecord, now: i64) -> Transaction {
    let command = Command::decode(&record.payload).expect("the gateway writes commands");
    let partition = record.partition;
    let mut transaction = Transaction { partition, records: Vec::new(), next_command: record.offset + 1 };
    let result = decide(orders, &command, now, partition, &mut transaction);
    let outcome = Outcome {
        command_id: command.command_id,
        order_id: command.order_id,
        type_name: command.type_name.clone(),
        command_offset: i64::try_from(record.offset).expect("small"),
        time: now,
        correlation_id: command.correlation_id,
        traceparent: command.traceparent.clone(),
        result,
    };
    transaction.records.push((Topic::Outcomes, partition, new_record(command.order_id, command.data.type_name(), outcome.encode())));
    transaction
}

fn decide(orders: &mut HashMap<Uuid, Order>, command: &Command, now: i64, partition: Partition, out: &mut Transaction) -> OutcomeResult {
    let creates = matches!(command.data, CommandData::CreateOrder { .. });
    if let Some((data, first)) = orders.get(&command.order_id).and_then(|order| order.seen.get(&command.command_id)) {
        return match first {
            _ if *data != command.data => refused("key_reused", "the key was used for another request", None, "use a new key", None),
            OutcomeResult::Accepted { status, version, events, .. } => OutcomeResult::Accepted {
                status: status.clone(),
                version: *version,
                events: events.clone(),
                repeated: true,
                dry_run: false,
            },
            refusal => refusal.clone(),
        };
    }
    let known = orders.contains_key(&command.order_id);
    if creates && known {
        return refused("key_reused", "the key was used for another request", None, "use a new key", None);
    }
    let others = |order: &Order| match command.actor.role.as_str() {
        "customer" => order.channel != "shop",
        "partner" => order.channel != "partner" || order.sandbox || order.client != command.actor.name,
        "sandbox" => !order.sandbox || order.client != command.actor.name,
        _ => false,
    };
    if !creates && (!known || others(&orders[&command.order_id])) {
        return refused("unknown_order", "there is no such order", None, "check the order id", None);
    }
    let sandbox = command.actor.role == "sandbox";
    if !creates && orders[&command.order_id].sandbox != sandbox {
        return refused("sandbox_order", "the order is one of a sandbox", None, "leave it to the partner", None);
    }
    if !sandbox && matches!(command.data, CommandData::AdvanceOrder {} | CommandData::AdvanceClock { .. }) {
        return refused("live_order", "the order is a real one", None, "use a sandbox key", None);
    }
    let mut fresh = Order { stage: "draft", sandbox, ..Order::default() };
    let order = orders.get_mut(&command.order_id).unwrap_or(&mut fresh);
    if command.expected_version.is_some_and(|expected| expected != order.version) {
        return refused("version", "the order has moved on", None, "read it again", Some(order));
    }
    let (events, stage) = match script(order, command) {
        Ok(decision) => decision,
        Err(refusal) => return *refusal,
    };
    let accepted = OutcomeResult::Accepted {
        status: status(stage).into(),
        version: order.version + i64::try_from(events.len()).expect("few"),
        events: events.iter().map(|event| event.type_name().to_owned()).collect(),
        repeated: false,
        dry_run: command.dry_run,
    };
    if command.dry_run {
        return accepted;
    }
    for data in events {
        order.version += 1;
        order.held = match data {
            EventData::OrderHeld { .. } => true,
            EventData::OrderResumed { .. } => false,
            _ => order.held,
        };
        let event = event_of(order, command, stage, now, data);
        out.records.push((Topic::Events, partition, new_record(command.order_id, event.data.type_name(), event.encode())));
    }
    order.stage = stage;
    order.seen.insert(command.command_id, (command.data.clone(), accepted.clone()));
    if let CommandData::CreateOrder { channel, client, .. } = &command.data {
        fresh.channel.clone_from(channel);
        fresh.client.clone_from(client);
        orders.insert(command.order_id, fresh);
    }
    accepted
}

/// What a command does, and where the order stands then. Approving also plays pricing.
#[rustfmt::skip]
fn script(order: &Order, command: &Command) -> Result<(Vec<EventData>, &'static str), Box<OutcomeResult>> {
    let operator = || command.actor.name.clone();
    let from: &[&str] = match &command.data {
        CommandData::AttachModel { .. } => &["draft", "ready"],
        CommandData::SubmitOrder {} | CommandData::SubmitOrderUpTo { .. } => &["ready"],
        CommandData::AcceptQuote { .. } => &["priced"],
        CommandData::AmendOrder { .. } => &["pricing_requested", "priced"],
        CommandData::ClaimWork {} => &["work_available"],
        CommandData::DeliverOrder { .. } => &["shipped"],
        _ => &[],
    };
    if order.held && matches!(command.data, CommandData::DeliverOrder { .. }) {
        return Err(Box::new(refused("held", "the order is on hold", None, "resume it first", Some(order))));
    }
    if !from.is_empty() && !from.contains(&order.stage) {
        return Err(Box::new(refused("not_allowed", "not possible in this status", None, "possible now: cancel", Some(order))));
    }
    Ok(match command.data.clone() {
        CommandData::CreateOrder { item, .. } if item.material == "unobtainium" => {
            return Err(Box::new(refused("invalid", "item.material is not one we work with", Some("item.material"), "choose silver-925", None)));
        }
        CommandData::CreateOrder { channel, client, reference, customer, item } =>
            (vec![EventData::OrderCreated { channel, client, reference, customer, item, sandbox: order.sandbox }], "draft"),
        CommandData::AttachModel { model } => (vec![EventData::ModelAttached { model }], "ready"),
        CommandData::SubmitOrder {} =>
            (vec![EventData::OrderSubmitted {}, EventData::PricingRequested { attempt: 1, cause: "submitted".into() }], "pricing_requested"),
        CommandData::SubmitOrderUpTo { price } => (
            vec![
                EventData::TermsAgreed { approve_up_to: price },
                EventData::OrderSubmitted {},
                EventData::PricingRequested { attempt: 1, cause: "submitted".into() },
            ],
            "pricing_requested",
        ),
        CommandData::AcceptQuote { .. } => (vec![EventData::OrderApproved { reason: Some("accepted".into()) }], "work_available"),
        CommandData::AmendOrder { item, model } => (
            vec![EventData::OrderAmended { item, model }, EventData::PricingRequested { attempt: 2, cause: "amended".into() }],
            "pricing_requested",
        ),
        CommandData::ApproveOrder { reason } => (vec![EventData::OrderApproved { reason }], "work_available"),
        CommandData::RejectOrder { reason } => (vec![EventData::OrderRejected { reason }], "cancelled"),
        CommandData::QuoteOrder { price, reason } => (vec![EventData::OrderQuoted { price, reason }], "priced"),
        CommandData::RepriceOrder { reason } => (vec![EventData::PricingRequested { attempt: 2, cause: reason }], "pricing_requested"),
        CommandData::HoldOrder { reason } => (vec![EventData::OrderHeld { reason }], order.stage),
        CommandData::ResumeOrder { reason } => (vec![EventData::OrderResumed { reason }], order.stage),
        CommandData::CancelOrder { reason } => (vec![EventData::OrderCancelled { reason }], "cancelled"),
        CommandData::CloseOrder { reason } => (vec![EventData::OrderClosed { reason }], "closed"),
        CommandData::ClaimWork {} => (vec![EventData::WorkClaimed { operator: operator() }], "work_claimed"),
        CommandData::StartWork {} => (vec![EventData::WorkStarted { operator: operator() }], "work_in_progress"),
        CommandData::CompleteWork {} => (vec![EventData::WorkCompleted { operator: operator() }], "completed"),
        CommandData::ReworkOrder { defect } => (vec![EventData::ReworkOrdered { defect, operator: operator() }], "work_rework"),
        CommandData::ReleaseWork { reason } => (vec![EventData::WorkReleased { reason, operator: operator() }], "work_available"),
        CommandData::PackOrder {} => (vec![EventData::OrderPacked { operator: operator() }], "packaging"),
        CommandData::ShipOrder { carrier, tracking } => (vec![EventData::OrderShipped { operator: operator(), carrier, tracking }], "shipped"),
        CommandData::DeliverOrder { carrier, tracking, delivered_at } =>
            (vec![EventData::OrderDelivered { carrier, tracking, delivered_at }, EventData::OrderClosed { reason: "delivered".into() }], "closed"),
        CommandData::AdvanceOrder {} => match order.stage {
            "pricing_requested" => (vec![EventData::OrderApproved { reason: Some("within the limit".into()) }], "work_available"),
            "work_available" => (vec![EventData::WorkClaimed { operator: operator() }], "work_claimed"),
            "work_claimed" => (vec![EventData::WorkStarted { operator: operator() }], "work_in_progress"),
            "work_in_progress" => (vec![EventData::WorkCompleted { operator: operator() }], "completed"),
            "completed" => (vec![EventData::OrderPacked { operator: operator() }], "packaging"),
            "packaging" => (
                vec![EventData::OrderShipped { operator: operator(), carrier: "dhl".into(), tracking: "T1".into() }],
                "shipped",
            ),
            "shipped" => (vec![EventData::OrderClosed { reason: "delivered".into() }], "closed"),
            _ => return Err(Box::new(refused("not_allowed", "nobody's turn", None, "possible now: cancel", Some(order)))),
        },
        CommandData::AdvanceClock { by_ms } => (vec![EventData::ClockAdvanced { by_ms }], order.stage),
        CommandData::SkipRecords { offsets, reason } => (vec![EventData::RecordsSkipped { offsets, reason }], order.stage),
        CommandData::AcceptPricing { .. } | CommandData::HeartbeatPricing { .. } | CommandData::CompletePricing { .. } | CommandData::FailPricing { .. } =>
            unreachable!("no worker here"),
    })
}

fn event_of(order: &Order, command: &Command, stage: &str, now: i64, data: EventData) -> Event {
    Event {
        event_id: Uuid::new_v5(&command.order_id, order.version.to_string().as_bytes()),
        order_id: command.order_id,
        version: order.version,
        type_name: data.type_name().to_owned(),
        time: now,
        actor: command.actor.clone(),
        command_id: Some(command.command_id),
        command_digest: None,
        correlation_id: command.correlation_id,
        traceparent: command.traceparent.clone(),
        after: After { status: status(stage).into(), stage: stage.into(), held: order.held, attention: Vec::new(), due: Some(now + 1000) },
        data,
        replayed: command.replayed.clone(),
    }
}

fn refused(code: &str, detail: &str, field: Option<&str>, fix: &str, order: Option<&Order>) -> OutcomeResult {
    OutcomeResult::Refused {
        code: code.into(),
        detail: detail.into(),
        field: field.map(Into::into),
        fix: fix.into(),
        status: order.map(|order| status(order.stage).into()),
        version: order.map(|order| order.version),
        allowed: order.map(|_| vec!["cancel".into()]).unwrap_or_default(),
        attempt: None,
    }
}

fn status(stage: &str) -> &'static str {
    match stage {
        "draft" => "INITIATED",
        "ready" => "FILE_UPLOADED",
        "priced" => "PRICE_CALCULATED",
        "work_available" | "work_claimed" => "MANUFACTURING_APPROVED",
        "work_in_progress" | "work_rework" => "MANUFACTURING_STARTED",
        "completed" => "MANUFACTURING_COMPLETED",
        "packaging" => "PACKAGING",
        "shipped" => "SHIPPED",
        "closed" => "CLOSED",
        "cancelled" => "CANCELLED",
        _ => "SUBMITTED",
    }
}

fn new_record(order_id: Uuid, kind: &'static str, payload: Vec<u8>) -> NewRecord {
    NewRecord { key: order_id.to_string(), kind, traceparent: None, payload }
}
