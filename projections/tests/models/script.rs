//! Lives of orders, written as the engine would write them.

use atelier_domain::Stage;
use atelier_schemas::{
    Actor, After, Customer, Event, EventData, Framed, Item, Measures, Model, Money, Quote, QuoteLine, Topic, partition_of,
};
use uuid::Uuid;

use atelier_log::memory::Memory;
use atelier_log::{Log, NewRecord};

/// When the first event of every order happens, plus its number in seconds.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// An order on its way.
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) time: i64,
    held: bool,
    attention: Vec<String>,
    stage: Stage,
}

pub(crate) fn id(number: u32) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes())
}

pub(crate) fn channel(number: u32) -> &'static str {
    if number.is_multiple_of(3) { "partner" } else { "shop" }
}

impl Order {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            id: id(number),
            version: 0,
            time: START_MS + i64::from(number) * 1000,
            held: false,
            attention: Vec::new(),
            stage: Stage::Draft,
        }
    }

    /// The next event; it leaves the order in `stage`.
    pub(crate) fn then(&mut self, stage: Stage, data: EventData) -> Event {
        self.version += 1;
        self.time += 60_000;
        match &data {
            EventData::OrderHeld { .. } => self.held = true,
            EventData::OrderResumed { .. } => self.held = false,
            EventData::PricingFailed { .. } | EventData::PricingExpired { worker: Some(_), .. } => self.raise("pricing_failed"),
            EventData::PricingExpired { worker: None, .. } => self.raise("pricing_not_accepted"),
            EventData::PricingRequested { .. } => self.settle("pricing_failed"),
            EventData::PricingAccepted { .. } => self.settle("pricing_not_accepted"),
            EventData::PriceCalculated { .. } | EventData::OrderQuoted { .. } => {
                self.settle("pricing_failed");
                self.settle("pricing_not_accepted");
            }
            EventData::DeadlineMissed { .. } => self.raise("overdue"),
            _ => {}
        }
        if stage != self.stage && !(stage.is_pricing() && self.stage.is_pricing()) {
            self.settle("overdue");
        }
        self.stage = stage;
        let ended = matches!(stage, Stage::Closed | Stage::Cancelled);
        if ended {
            self.attention.clear();
        }
        let timer = matches!(data, EventData::DeadlineMissed { .. } | EventData::PricingExpired { .. });
        let name = self.version.to_be_bytes();
        Event {
            event_id: Uuid::new_v5(&self.id, &name),
            order_id: self.id,
            version: self.version,
            type_name: data.type_name().into(),
            time: self.time,
            actor: Actor { role: if timer { "engine" } else { "operator" }.into(), name: "vera".into() },
            command_id: None,
            command_digest: None,
            correlation_id: self.id,
            traceparent: None,
            after: After {
                status: stage.status().as_str().into(),
                stage: stage.as_str().into(),
                held: self.held,
                attention: self.attention.clone(),
                due: (!ended && !self.held).then_some(self.time + 3_600_000),
            },
            data,
            replayed: None,
        }
    }

    fn raise(&mut self, attention: &str) {
        self.settle(attention);
        self.attention.push(attention.into());
    }

    fn settle(&mut self, attention: &str) {
        self.attention.retain(|raised| raised != attention);
    }

    /// An event that leaves the stage as it is.
    pub(crate) fn also(&mut self, data: EventData) -> Event {
        self.then(self.stage, data)
    }
}

pub(crate) fn created(number: u32) -> EventData {
    let channel = channel(number);
    EventData::OrderCreated {
        channel: channel.into(),
        client: if channel == "partner" { format!("partner-{}", number % 2) } else { "web".into() },
        reference: Some(format!("Ref-{number:04}")),
        customer: Some(Customer { name: "Анна Ring".into(), email: "anna@example.org".into() }),
        item: Item { material: "silver-925".into(), quantity: 2, finish: "polished".into() },
        sandbox: false,
    }
}

/// The same in the sandbox of the partner whose order it would be.
pub(crate) fn created_in_sandbox(number: u32) -> EventData {
    let mut data = created(number);
    if let EventData::OrderCreated { channel, client, sandbox, .. } = &mut data {
        (*channel, *client, *sandbox) = ("partner".into(), format!("partner-{}", number % 2), true);
    }
    data
}

pub(crate) fn model() -> Model {
    Model { sha256: "ab".repeat(32), format: "stl".into(), size_bytes: 684 }
}

pub(crate) fn quote() -> Quote {
    Quote {
        price: Money { minor: 12_340, currency: "EUR".into() },
        lines: vec![
            QuoteLine { code: "metal".into(), text: "Silver 925, 10.4 g".into(), minor: 12_590 },
            QuoteLine { code: "rebate".into(), text: "Two pieces".into(), minor: -250 },
        ],
        model_sha256: "ab".repeat(32),
        algorithm: "mesh/1".into(),
        price_book: "2026-01".into(),
        metal_fix: "fix-1".into(),
        measures: Measures { volume_mm3: 1.0, area_mm2: 2.0, triangles: 12, watertight: true, size_mm: vec![1.0, 1.0, 1.0] },
        warnings: vec![],
    }
}

/// From the shop to the works: the order waits for an operator.
pub(crate) fn to_the_works(number: u32, order: &mut Order) -> Vec<Event> {
    let worker = || "w1".to_owned();
    vec![
        order.then(Stage::Draft, created(number)),
        order.then(Stage::Ready, EventData::ModelAttached { model: model() }),
        order.then(Stage::PricingRequested, EventData::OrderSubmitted {}),
        order.also(EventData::PricingRequested { attempt: 1, cause: "submitted".into() }),
        order.then(Stage::PricingAccepted, EventData::PricingAccepted { attempt: 1, worker: worker(), lease_until: 0 }),
        order.then(
            Stage::PricingRunning,
            EventData::PricingProgressed { attempt: 1, worker: worker(), progress_percent: 10, lease_until: 0 },
        ),
        order.also(EventData::PricingProgressed { attempt: 1, worker: worker(), progress_percent: 60, lease_until: 0 }),
        order.then(
            Stage::PricingFailed,
            EventData::PricingFailed { attempt: 1, worker: worker(), failure: "crashed".into(), detail: "x".into(), retryable: true },
        ),
        order.then(Stage::PricingRequested, EventData::PricingRequested { attempt: 2, cause: "retry".into() }),
        order.then(Stage::PricingAccepted, EventData::PricingAccepted { attempt: 2, worker: worker(), lease_until: 0 }),
        order.then(Stage::Priced, EventData::PriceCalculated { attempt: 2, quote: quote() }),
        order.then(Stage::WorkAvailable, EventData::OrderApproved { reason: None }),
    ]
}

/// From the works to the customer.
pub(crate) fn to_the_customer(order: &mut Order) -> Vec<Event> {
    let operator = || "vera".to_owned();
    vec![
        order.then(Stage::WorkClaimed, EventData::WorkClaimed { operator: operator() }),
        order.also(EventData::OrderHeld { reason: "stone missing".into() }),
        order.also(EventData::OrderResumed { reason: "found".into() }),
        order.then(Stage::WorkInProgress, EventData::WorkStarted { operator: operator() }),
        order.then(Stage::Completed, EventData::WorkCompleted { operator: operator() }),
        order.then(Stage::WorkRework, EventData::ReworkOrdered { defect: "scratch".into(), operator: operator() }),
        order.then(Stage::Completed, EventData::WorkCompleted { operator: operator() }),
        order.then(Stage::Packaging, EventData::OrderPacked { operator: operator() }),
        order.then(
            Stage::Shipped,
            EventData::OrderShipped { operator: operator(), carrier: "dpx".into(), tracking: format!("T{}", order.id) },
        ),
        order.also(EventData::DeadlineMissed { stage: "shipped".into(), due: 0, policy: "1".into(), action: "attention".into() }),
        order.also(EventData::OrderDelivered { carrier: "dpx".into(), tracking: format!("T{}", order.id), delivered_at: order.time }),
        order.then(Stage::Closed, EventData::OrderClosed { reason: "delivered".into() }),
    ]
}

/// Many orders at different points of their lives, their events mixed but each order's in sequence.
pub(crate) fn many(orders: u32) -> Vec<Event> {
    let mut lives: Vec<std::vec::IntoIter<Event>> = (0..orders)
        .map(|number| {
            let mut order = Order::new(number);
            let mut life = to_the_works(number, &mut order);
            life.extend(to_the_customer(&mut order));
            life.truncate(1 + (number as usize * 7) % life.len());
            life.into_iter()
        })
        .collect();
    let mut mixed = Vec::new();
    let mut turn = 0;
    while !lives.is_empty() {
        turn = (turn * 31 + 7) % lives.len();
        match lives[turn].next() {
            Some(event) => mixed.push(event),
            None => drop(lives.remove(turn)),
        }
    }
    mixed
}

pub(crate) async fn append(log: &Memory, event: &Event) {
    append_raw(log, event.order_id, &event.order_id.to_string(), event.encode()).await;
}

pub(crate) async fn append_all(log: &Memory, events: &[Event]) {
    for event in events {
        append(log, event).await;
    }
}

/// Bytes of any kind, in the partition of `order`.
pub(crate) async fn append_raw(log: &Memory, order: Uuid, key: &str, payload: Vec<u8>) {
    let record = NewRecord { key: key.into(), kind: "Event", traceparent: None, payload };
    log.append(Topic::Events, partition_of(&order, log.partitions()), record).await.expect("the log takes it");
}
