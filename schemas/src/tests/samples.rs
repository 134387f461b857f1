//! One record of every kind: each branch of each union.

use uuid::Uuid;

use crate::{
    Actor, After, Command, CommandData, Customer, Event, EventData, Item, Measures, Model, Money, Outcome, OutcomeResult, PricingJob,
    Quote, QuoteLine, Replayed,
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}

fn actor() -> Actor {
    Actor { role: "seller".into(), name: "vera".into() }
}

fn replayed() -> Replayed {
    Replayed { actor: Actor { role: "admin".into(), name: "olga".into() }, reason: "its sender was newer".into() }
}

fn item() -> Item {
    Item { material: "silver-925".into(), quantity: 2, finish: "polished".into() }
}

fn model() -> Model {
    Model { sha256: "ab".repeat(32), format: "stl".into(), size_bytes: 84 }
}

fn customer() -> Customer {
    Customer { name: "Ada".into(), email: "ada@example.org".into() }
}

fn money() -> Money {
    Money { minor: 12_340, currency: "EUR".into() }
}

fn quote() -> Quote {
    Quote {
        price: money(),
        lines: vec![QuoteLine { code: "metal".into(), text: "silver".into(), minor: 12_340 }],
        model_sha256: "ab".repeat(32),
        algorithm: "mesh/1".into(),
        price_book: "book".into(),
        metal_fix: "fix".into(),
        measures: Measures { volume_mm3: 1.5, area_mm2: 6.25, triangles: 12, watertight: true, size_mm: vec![1.0, 2.0, 3.0] },
        warnings: vec!["thin".into()],
    }
}

pub(super) fn commands() -> Vec<Command> {
    let reason = || "because".to_owned();
    let worker = || "w1".to_owned();
    let data = vec![
        CommandData::CreateOrder {
            channel: "shop".into(),
            client: "shop".into(),
            reference: None,
            customer: Some(customer()),
            item: item(),
        },
        CommandData::AttachModel { model: model() },
        CommandData::SubmitOrder {},
        CommandData::AcceptPricing { attempt: 1, worker: worker() },
        CommandData::HeartbeatPricing { attempt: 1, worker: worker(), progress_percent: 40 },
        CommandData::CompletePricing { attempt: 1, worker: worker(), quote: quote() },
        CommandData::FailPricing { attempt: 1, worker: worker(), failure: "internal".into(), detail: "x".into(), retryable: true },
        CommandData::ApproveOrder { reason: None },
        CommandData::RejectOrder { reason: reason() },
        CommandData::QuoteOrder { price: money(), reason: reason() },
        CommandData::RepriceOrder { reason: reason() },
        CommandData::HoldOrder { reason: reason() },
        CommandData::ResumeOrder { reason: reason() },
        CommandData::CancelOrder { reason: reason() },
        CommandData::CloseOrder { reason: reason() },
        CommandData::ClaimWork {},
        CommandData::StartWork {},
        CommandData::CompleteWork {},
        CommandData::ReworkOrder { defect: "scratch".into() },
        CommandData::ReleaseWork { reason: reason() },
        CommandData::PackOrder {},
        CommandData::ShipOrder { carrier: "dhl".into(), tracking: "P1".into() },
        CommandData::DeliverOrder { carrier: "dhl".into(), tracking: "P1".into(), delivered_at: 1_700_000_000_000 },
        CommandData::SubmitOrderUpTo { price: money() },
        CommandData::AcceptQuote { price: money() },
        CommandData::AmendOrder { item: Some(item()), model: None },
        CommandData::SkipRecords { offsets: vec![7, 300], reason: reason() },
        CommandData::AdvanceOrder {},
        CommandData::AdvanceClock { by_ms: 86_400_000 },
    ];
    assert_eq!(data.iter().map(CommandData::type_name).collect::<Vec<_>>(), CommandData::TYPES, "one sample per branch");
    let commands = data.into_iter().map(|data| {
        let mut command = Command::new(id(1), id(2), 1_700_000_000_000, actor(), data);
        command.traceparent = Some(TRACE.into());
        command.expected_version = Some(3);
        command
    });
    let mut commands: Vec<Command> = commands.collect();
    commands.push(Command { replayed: Some(replayed()), ..commands[0].clone() });
    commands
}

pub(super) fn events() -> Vec<Event> {
    let reason = || "because".to_owned();
    let worker = || "w1".to_owned();
    let operator = || "olga".to_owned();
    let data = vec![
        EventData::OrderCreated {
            channel: "partner".into(),
            client: "acme".into(),
            reference: Some("A-1".into()),
            customer: Some(customer()),
            item: item(),
            sandbox: false,
        },
        EventData::ModelAttached { model: model() },
        EventData::OrderSubmitted {},
        EventData::PricingRequested { attempt: 1, cause: "submitted".into() },
        EventData::PricingAccepted { attempt: 1, worker: worker(), lease_until: 1_700_000_030_000 },
        EventData::PricingProgressed { attempt: 1, worker: worker(), progress_percent: 40, lease_until: 1_700_000_040_000 },
        EventData::PriceCalculated { attempt: 1, quote: quote() },
        EventData::PricingFailed { attempt: 1, worker: worker(), failure: "internal".into(), detail: "x".into(), retryable: false },
        EventData::PricingExpired { attempt: 1, worker: None, cause: "nobody".into(), policy: None },
        EventData::OrderQuoted { price: money(), reason: reason() },
        EventData::OrderApproved { reason: Some(reason()) },
        EventData::OrderRejected { reason: reason() },
        EventData::OrderHeld { reason: reason() },
        EventData::OrderResumed { reason: reason() },
        EventData::OrderCancelled { reason: reason() },
        EventData::OrderClosed { reason: reason() },
        EventData::WorkClaimed { operator: operator() },
        EventData::WorkStarted { operator: operator() },
        EventData::WorkCompleted { operator: operator() },
        EventData::ReworkOrdered { defect: "scratch".into(), operator: operator() },
        EventData::WorkReleased { reason: reason(), operator: operator() },
        EventData::OrderPacked { operator: operator() },
        EventData::OrderShipped { operator: operator(), carrier: "dhl".into(), tracking: "P1".into() },
        EventData::OrderDelivered { carrier: "dhl".into(), tracking: "P1".into(), delivered_at: 1_700_000_000_000 },
        EventData::DeadlineMissed {
            stage: "priced".into(),
            due: 1_700_000_000_000,
            policy: "default-1".into(),
            action: "attention".into(),
        },
        EventData::TermsAgreed { approve_up_to: money() },
        EventData::OrderAmended { item: None, model: Some(model()) },
        EventData::RecordsSkipped { offsets: vec![7, 300], reason: reason() },
        EventData::ClockAdvanced { by_ms: 86_400_000 },
    ];
    assert_eq!(data.iter().map(EventData::type_name).collect::<Vec<_>>(), EventData::TYPES, "one sample per branch");
    let events = data.into_iter().zip(1..).map(|(data, version)| Event {
        event_id: id(100 + version as u128),
        order_id: id(2),
        version,
        type_name: data.type_name().into(),
        time: 1_700_000_000_000,
        actor: actor(),
        command_id: (version % 2 == 0).then(|| id(1)),
        command_digest: (version % 2 == 0).then_some(-5),
        correlation_id: id(1),
        traceparent: None,
        after: After {
            status: "SUBMITTED".into(),
            stage: "pricing_running".into(),
            held: false,
            attention: vec!["overdue".into()],
            due: Some(1_700_003_600_000),
        },
        data,
        replayed: None,
    });
    let mut events: Vec<Event> = events.collect();
    events.push(Event { replayed: Some(replayed()), ..events[0].clone() });
    events
}

pub(super) fn outcomes() -> Vec<Outcome> {
    let results = vec![
        OutcomeResult::Accepted {
            status: "SUBMITTED".into(),
            version: 4,
            events: vec!["OrderSubmitted".into(), "PricingRequested".into()],
            repeated: false,
            dry_run: false,
        },
        OutcomeResult::Refused {
            code: "not_allowed".into(),
            detail: "approve is not possible while the order is SUBMITTED".into(),
            field: None,
            fix: "possible now: cancel".into(),
            status: Some("SUBMITTED".into()),
            version: Some(4),
            allowed: vec!["cancel".into()],
            attempt: None,
        },
        OutcomeResult::Refused {
            code: "stale_attempt".into(),
            detail: "attempt 1 is not the current one (2)".into(),
            field: None,
            fix: "ask for attempt 2 instead: it is the same work, and nobody has it".into(),
            status: Some("SUBMITTED".into()),
            version: Some(6),
            allowed: Vec::new(),
            attempt: Some(2),
        },
    ];
    assert_eq!(results[..2].iter().map(OutcomeResult::type_name).collect::<Vec<_>>(), OutcomeResult::TYPES, "one sample per branch");
    results
        .into_iter()
        .map(|result| Outcome {
            command_id: id(1),
            order_id: id(2),
            type_name: "SubmitOrder".into(),
            command_offset: 17,
            time: 1_700_000_000_000,
            correlation_id: id(1),
            traceparent: Some(TRACE.into()),
            result,
        })
        .collect()
}

pub(super) fn jobs() -> Vec<PricingJob> {
    vec![PricingJob {
        order_id: id(2),
        attempt: 2,
        model: model(),
        item: item(),
        requested_at: 1_700_000_000_000,
        correlation_id: id(1),
        traceparent: None,
    }]
}
