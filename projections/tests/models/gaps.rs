//! Gaps open and close with what the events say, and tell who had the order and what may be done.

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::{Cause, Found, Gap, GapFilter, GapState, Queries};
use atelier_schemas::{Event, EventData};
use serde_json::{Value, json};

use crate::bed::{Bed, run, settle};
use crate::script::{Order, append_all, created, model, quote, to_the_works};

fn asked(attempt: i32) -> EventData {
    EventData::PricingRequested { attempt, cause: "again".into() }
}

fn accepted(attempt: i32, worker: &str, lease_until: i64) -> EventData {
    EventData::PricingAccepted { attempt, worker: worker.into(), lease_until }
}

fn expired(attempt: i32, worker: Option<&str>) -> EventData {
    EventData::PricingExpired { attempt, worker: worker.map(Into::into), cause: "time".into(), policy: Some("1".into()) }
}

fn failed(attempt: i32, worker: &str) -> EventData {
    EventData::PricingFailed { attempt, worker: worker.into(), failure: "mesh".into(), detail: "x".into(), retryable: true }
}

fn missed(order: &Order, stage: &str) -> EventData {
    EventData::DeadlineMissed { stage: stage.into(), due: order.time + 30_000, policy: "1".into(), action: "attention".into() }
}

/// Submitted, and waiting for a worker.
fn submitted(number: u32, order: &mut Order) -> Vec<Event> {
    vec![
        order.then(Stage::Draft, created(number)),
        order.then(Stage::Ready, EventData::ModelAttached { model: model() }),
        order.also(EventData::OrderSubmitted {}),
        order.then(Stage::PricingRequested, asked(1)),
    ]
}

async fn all(queries: &Queries, state: GapState) -> Vec<Gap> {
    queries.gaps(&GapFilter { state, ..GapFilter::default() }, "seller", &Found::default()).await.unwrap().items
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_nobody_takes_is_one_gap_until_somebody_does() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(3);
        let mut life = submitted(3, &mut order);
        life.push(order.then(Stage::PricingExpired, expired(1, None)));
        life.push(order.then(Stage::PricingRequested, asked(2)));
        life.push(order.then(Stage::PricingExpired, expired(2, None)));
        life.push(order.then(Stage::PricingRequested, asked(3)));
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let open = all(&queries, GapState::Open).await;
        let gap_id = open[0].gap_id;
        let mut wanted = json!({
            "gap_id": gap_id, "cause": "no_acceptance", "order_id": order.id.to_string(), "channel": "partner", "status": "SUBMITTED",
            "work": null, "held": false, "version": 8, "since": "2023-11-14T22:17:23.000Z", "expected": "a pricing worker takes the job",
            "expected_by": "2023-11-14T22:18:23.000Z", "holder": null, "failures": 0,
            "last_event": {"type": "PricingRequested", "version": 8, "at": "2023-11-14T22:21:23.000Z"}, "detail": null,
            "opened_at": "2023-11-14T22:18:23.000Z", "closed_at": null, "closed_by": null, "open_ms": null,
            "allowed": ["quote", "hold", "cancel"],
        });
        assert_eq!(json_of(&open), json!([wanted]), "{}", bed.name);

        append_all(&log, &[order.then(Stage::PricingAccepted, accepted(3, "w1", 0))]).await;
        settle(&runner, &log).await;
        assert_eq!(all(&queries, GapState::Open).await, []);
        wanted["closed_at"] = json!("2023-11-14T22:22:23.000Z");
        (wanted["closed_by"], wanted["open_ms"], wanted["allowed"]) = (json!("PricingAccepted"), json!(240_000), json!([]));
        assert_eq!(json_of(&all(&queries, GapState::Closed).await), json!([wanted]), "{}", bed.name);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_and_a_failure_name_the_worker_that_had_it() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        let mut life = submitted(1, &mut order);
        let lease_until = order.time + 90_000;
        life.push(order.then(Stage::PricingAccepted, accepted(1, "w1", lease_until)));
        // A lease runs on while the order is on hold.
        life.push(order.also(EventData::OrderHeld { reason: "r".into() }));
        life.push(order.also(EventData::OrderResumed { reason: "r".into() }));
        life.push(order.then(Stage::PricingExpired, expired(1, Some("w1"))));
        // The engine asks again at once: the same decision, the same time.
        let mut again = order.then(Stage::PricingRequested, asked(2));
        again.time = life.last().unwrap().time;
        life.push(again);
        life.push(order.then(Stage::PricingAccepted, accepted(2, "w2", 0)));
        life.push(order.then(Stage::PricingFailed, failed(2, "w2")));
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let closed = all(&queries, GapState::Closed).await.remove(0);
        assert_eq!(
            (closed.cause, closed.holder.as_deref(), closed.closed_by.as_deref(), closed.open_ms),
            (Cause::LeaseExpired, Some("w1"), Some("PricingRequested"), Some(0)),
            "{}",
            bed.name
        );
        assert_eq!((closed.expected_by, closed.failures), (Some(text(lease_until)), 1));
        let open = all(&queries, GapState::Open).await.remove(0);
        assert_eq!((open.cause, open.holder.as_deref(), open.failures), (Cause::PricingFailed, Some("w2"), 2));

        // A price by hand settles it, and the next pricing starts to count afresh.
        let price = atelier_schemas::Money { minor: 100, currency: "EUR".into() };
        let mut life = vec![order.then(Stage::Priced, EventData::OrderQuoted { price, reason: "r".into() })];
        life.push(order.then(Stage::PricingRequested, asked(3)));
        life.push(order.then(Stage::PricingExpired, expired(3, None)));
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let open = all(&queries, GapState::Open).await;
        assert_eq!((open.len(), open[0].cause, open[0].failures), (1, Cause::NoAcceptance, 0));
        assert_eq!(all(&queries, GapState::Closed).await[1].closed_by.as_deref(), Some("OrderQuoted"));
        runner.drain().await;
    }
}

fn text(time: i64) -> String {
    chrono::DateTime::from_timestamp_millis(time).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Every stage's missed deadline, in the order of a life: one gap each, closed by the step that was due.
#[tokio::test(flavor = "multi_thread")]
async fn a_missed_deadline_says_who_should_move() {
    let ann = || "ann".to_owned();
    let steps: [(Stage, &str, EventData, Cause, Option<&str>); 9] = [
        (Stage::Ready, "ready", EventData::ModelAttached { model: model() }, Cause::WaitingForBuyer, None),
        (Stage::PricingRequested, "pricing_requested", asked(1), Cause::NotPriced, None),
        (Stage::Priced, "priced", EventData::PriceCalculated { attempt: 1, quote: quote() }, Cause::WaitingForSeller, None),
        (Stage::WorkAvailable, "work_available", EventData::OrderApproved { reason: None }, Cause::NoOperator, None),
        (Stage::WorkClaimed, "work_claimed", EventData::WorkClaimed { operator: ann() }, Cause::OperatorNotMoved, Some("ann")),
        (
            Stage::WorkInProgress,
            "work_in_progress",
            EventData::WorkStarted { operator: "an admin".into() },
            Cause::OperatorNotMoved,
            Some("ann"),
        ),
        (Stage::Completed, "completed", EventData::WorkCompleted { operator: ann() }, Cause::NotPacked, None),
        (Stage::Packaging, "packaging", EventData::OrderPacked { operator: ann() }, Cause::NotShipped, None),
        (
            Stage::Shipped,
            "shipped",
            EventData::OrderShipped { operator: ann(), carrier: "dpx".into(), tracking: "T".into() },
            Cause::NoCarrierMessage,
            Some("dpx"),
        ),
    ];
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        append_all(&log, &[order.then(Stage::Draft, created(1))]).await;
        for (number, (stage, name, step, cause, holder)) in steps.iter().enumerate() {
            append_all(&log, &[order.then(*stage, step.clone())]).await;
            let late = missed(&order, name);
            let EventData::DeadlineMissed { due, .. } = late else { unreachable!("just made") };
            append_all(&log, &[order.also(late)]).await;
            settle(&runner, &log).await;
            let open = all(&queries, GapState::Open).await;
            let gap = &open[0];
            assert_eq!((open.len(), gap.cause, gap.holder.as_deref()), (1, *cause, *holder), "{name} on {}", bed.name);
            assert_eq!(gap.expected_by, Some(text(due)), "{name}");
            let last = gap.last_event.as_ref().unwrap();
            assert_eq!((last.type_name.as_str(), last.version), (step.type_name(), order.version - 1), "the timer is no step");
            assert_eq!(gap.work.is_some(), (3..8).contains(&number), "{name}: {:?}", gap.work);
            let closed = all(&queries, GapState::Closed).await;
            assert_eq!(closed.len(), number, "the step before closed the gap before");
            assert!(closed.last().is_none_or(|gap| gap.closed_by.as_deref() == Some(step.type_name())), "{closed:?}");
        }
        append_all(&log, &[order.then(Stage::Closed, EventData::OrderClosed { reason: "r".into() })]).await;
        settle(&runner, &log).await;
        assert_eq!(all(&queries, GapState::Open).await, []);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_the_gap_and_says_so() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        let mut life = to_the_works(1, &mut order);
        life.push(order.then(Stage::WorkClaimed, EventData::WorkClaimed { operator: "vera".into() }));
        let late = missed(&order, "work_claimed");
        life.push(order.also(late));
        life.push(order.also(EventData::OrderHeld { reason: "stone missing".into() }));
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let (filter, none) = (GapFilter::default(), Found::default());
        let gaps = |role: &'static str| queries.gaps(&filter, role, &none);
        let gap = gaps("operator").await.unwrap().items.remove(0);
        assert_eq!((gap.held, gap.work.as_deref(), gap.version), (true, Some("claimed"), Some(15)), "{}", bed.name);
        assert_eq!(gap.allowed, ["release", "resume"]);
        assert_eq!(gaps("seller").await.unwrap().items[0].allowed, ["resume", "cancel"]);
        append_all(&log, &[order.also(EventData::OrderResumed { reason: "found".into() })]).await;
        settle(&runner, &log).await;
        let gap = gaps("operator").await.unwrap().items.remove(0);
        assert_eq!((gap.held, gap.last_event.unwrap().type_name.as_str()), (false, "OrderResumed"));
        runner.drain().await;
    }
}
