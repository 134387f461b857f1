//! What people read.

use atelier_domain::Stage;
use atelier_log::memory::Memory;
use atelier_projections::{Cause, CrmFilter, PartnerFilter, QueueFilter};
use atelier_schemas::EventData;
use serde_json::{Value, json};

use crate::bed::{Bed, run, settle};
use crate::script::{Order, append, append_all, id, to_the_customer, to_the_works};

fn json_of(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reads_as_the_contract_says() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(3);
        append_all(&log, &to_the_works(3, &mut order)).await;
        settle(&runner, &log).await;

        let price = json!({"amount": "123.40", "currency": "EUR", "lines": [
            {"code": "metal", "text": "Silver 925, 10.4 g", "amount": "125.90"}, {"code": "rebate", "text": "Two pieces", "amount": "-2.50"}]});
        let view = queries.order(order.id).await.unwrap().unwrap();
        assert_eq!(view.allowed_for("seller"), ["hold", "cancel"]);
        assert_eq!(view.clone().seen_by("operator").allowed, ["claim", "hold"]);
        assert_eq!(
            json_of(view),
            json!({
                "order_id": order.id, "status": "MANUFACTURING_APPROVED", "version": 12, "held": false, "attention": [],
                "item": {"material": "silver-925", "quantity": 2, "finish": "polished"},
                "channel": "partner", "reference": "Ref-0003",
                "model": {"sha256": "ab".repeat(32), "format": "stl", "size_bytes": 684}, "price": price,
                "due": "2023-11-14T23:25:23.000Z", "created_at": "2023-11-14T22:14:23.000Z", "updated_at": "2023-11-14T22:25:23.000Z",
                "allowed": [],
            }),
            "{}",
            bed.name
        );
        assert_eq!(queries.owner_of(order.id).await.unwrap(), Some(("partner".into(), "partner-1".into())));

        let queue = queries.queue(&QueueFilter { work: Some("available".into()), ..QueueFilter::default() }).await.unwrap();
        assert_eq!(
            json_of(queue),
            json!({"items": [{
                "order_id": order.id, "status": "MANUFACTURING_APPROVED", "version": 12, "work": "available", "holder": null,
                "material": "silver-925", "quantity": 2, "finish": "polished", "due_at": "2023-11-14T23:25:23.000Z", "held": false,
                "model_sha256": "ab".repeat(32), "created_at": "2023-11-14T22:14:23.000Z", "allowed": ["claim", "hold"],
            }], "next": null})
        );
        let crm = queries.crm_orders(&CrmFilter { text: Some("EF-00".into()), ..CrmFilter::default() }).await.unwrap();
        assert_eq!(
            json_of(crm),
            json!({"items": [{
                "order_id": order.id, "status": "MANUFACTURING_APPROVED", "version": 12, "channel": "partner", "reference": "Ref-0003",
                "customer": {"name": "Анна Ring", "email": "anna@example.org"}, "price": price, "held": false, "hold_reason": null,
                "attention": [], "attention_since": null, "gaps": [], "due": "2023-11-14T23:25:23.000Z", "created_at": "2023-11-14T22:14:23.000Z",
                "updated_at": "2023-11-14T22:25:23.000Z", "allowed": ["hold", "cancel"],
            }], "next": null})
        );
        let partner = queries.partner_order("partner-1", order.id).await.unwrap();
        assert_eq!(
            json_of(partner),
            json!({
                "order_id": order.id, "reference": "Ref-0003", "status": "MANUFACTURING_APPROVED", "version": 12, "previous_version": 11,
                "held": false, "attention": [], "item": {"material": "silver-925", "quantity": 2, "finish": "polished"}, "price": price,
                "created_at": "2023-11-14T22:14:23.000Z", "updated_at": "2023-11-14T22:25:23.000Z", "allowed": [],
            })
        );
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_all_but_heartbeats_and_names_nobody() {
    for bed in Bed::both() {
        let log = Memory::new(3);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        append_all(&log, &to_the_works(1, &mut order)).await;
        append_all(&log, &to_the_customer(&mut order)).await;
        settle(&runner, &log).await;

        let timeline = queries.timeline(order.id).await.unwrap();
        let versions: Vec<i64> = timeline.iter().map(|entry| entry.version).collect();
        assert_eq!(versions, (1..=24).filter(|version| ![6, 7].contains(version)).collect::<Vec<_>>());
        assert_eq!(
            json_of(&timeline[8 - 2 - 1]),
            json!({"version": 8, "type": "PricingFailed", "at": "2023-11-14T22:21:21.000Z", "by": "operator:vera", "status": "SUBMITTED",
                "detail": {"attempt": 1, "worker": "w1", "failure": "crashed", "detail": "x", "retryable": true}})
        );
        let text = json_of(&timeline).to_string();
        for secret in ["anna", "Анна", "\"stage\"", "pricing_running", "client"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let view = queries.order(order.id).await.unwrap().unwrap();
        assert_eq!((view.status.as_str(), view.version, view.carrier.as_deref()), ("CLOSED", 24, Some("dpx")));
        assert_eq!(queries.order_by_tracking("dpx", &format!("T{}", order.id)).await.unwrap(), Some(order.id));
        assert_eq!(queries.order_by_tracking("other", &format!("T{}", order.id)).await.unwrap(), None);
        assert_eq!(queries.queue(&QueueFilter::default()).await.unwrap().items, []);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_holders_and_attention_come_and_go() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        let mut life = to_the_works(1, &mut order);
        let rest = life.split_off(8);
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let needy = queries.attention(&CrmFilter::default(), &[]).await.unwrap().items;
        assert_eq!((needy.len(), needy[0].attention.as_slice()), (1, ["pricing_failed".to_owned()].as_slice()));
        assert_eq!(
            (needy[0].gaps.as_slice(), needy[0].attention_since.as_deref()),
            ([Cause::PricingFailed].as_slice(), Some("2023-11-14T22:21:21.000Z"))
        );

        append_all(&log, &rest).await;
        append_all(&log, &to_the_customer(&mut order)[..2]).await;
        // An administrator helps on with a piece that stays with who has claimed it.
        let mut other = Order::new(2);
        append_all(&log, &to_the_works(2, &mut other)).await;
        append_all(&log, &[other.then(Stage::WorkClaimed, EventData::WorkClaimed { operator: "ann".into() })]).await;
        append_all(&log, &[other.then(Stage::WorkInProgress, EventData::WorkStarted { operator: "an admin".into() })]).await;
        settle(&runner, &log).await;
        let of_ann = queries.queue(&QueueFilter { holder: Some("ann".into()), ..QueueFilter::default() }).await.unwrap().items;
        assert_eq!(of_ann.iter().map(|item| item.work.as_str()).collect::<Vec<_>>(), ["in_progress"]);
        assert_eq!(queries.attention(&CrmFilter::default(), &[]).await.unwrap().items, []);
        let item = queries.queue(&QueueFilter { holder: Some("vera".into()), ..QueueFilter::default() }).await.unwrap().items.remove(0);
        assert_eq!(
            (item.work.as_str(), item.held, item.due_at.as_deref(), item.allowed.as_slice()),
            ("claimed", true, None, ["release".to_owned(), "resume".to_owned()].as_slice())
        );
        let view = queries.order(order.id).await.unwrap().unwrap();
        assert_eq!(view.hold_reason.as_deref(), Some("stone missing"));
        let not_held = QueueFilter { held: Some(false), holder: Some("vera".into()), ..QueueFilter::default() };
        assert_eq!(queries.queue(&not_held).await.unwrap().items, []);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_very_long_timeline_tells_what_is_newest() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let runner = run(&store, &log);
        let mut order = Order::new(1);
        append_all(&log, &to_the_works(1, &mut order)).await;
        let life: Vec<_> = (0..600)
            .flat_map(|_| [EventData::OrderHeld { reason: "stone missing".into() }, EventData::OrderResumed { reason: "found".into() }])
            .map(|data| order.also(data))
            .collect();
        append_all(&log, &life).await;
        settle(&runner, &log).await;
        let versions: Vec<i64> = store.queries().timeline(order.id).await.unwrap().iter().map(|line| line.version).collect();
        let last = life.last().unwrap().version;
        assert_eq!(versions, (last - 999..=last).collect::<Vec<_>>(), "{}", bed.name);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_sees_what_is_made_and_what_needs_a_person() {
    for bed in Bed::both() {
        let log = Memory::new(1);
        let store = bed.store().await;
        let runner = run(&store, &log);
        let mut order = Order::new(3);
        append_all(&log, &to_the_works(3, &mut order)).await;
        let missed =
            || EventData::DeadlineMissed { stage: "work_available".into(), due: 0, policy: "1".into(), action: "attention".into() };
        append(&log, &order.also(missed())).await;
        settle(&runner, &log).await;
        let read = store.queries().partner_order("partner-1", order.id).await.unwrap().expect("its order");
        assert_eq!(read.attention, ["overdue"], "{}", bed.name);
        assert_eq!((read.item.material.as_str(), read.item.quantity, read.item.finish.as_str()), ("silver-925", 2, "polished"));
        append(&log, &order.then(Stage::WorkClaimed, EventData::WorkClaimed { operator: "vera".into() })).await;
        settle(&runner, &log).await;
        let read = store.queries().partner_order("partner-1", order.id).await.unwrap().expect("its order");
        assert_eq!(read.attention, Vec::<String>::new(), "{}", bed.name);
        runner.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_sees_its_own_orders_only() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        let store = bed.store().await;
        let queries = store.queries();
        let runner = run(&store, &log);
        for number in [1, 3, 6] {
            append_all(&log, &to_the_works(number, &mut Order::new(number))).await;
        }
        settle(&runner, &log).await;
        let own = queries.partner_orders("partner-1", &PartnerFilter::default()).await.unwrap().items;
        assert_eq!(own.iter().map(|order| order.order_id).collect::<Vec<_>>(), [id(3)]);
        assert_eq!(queries.partner_order("partner-1", id(6)).await.unwrap(), None);
        assert_eq!(queries.partner_order("web", id(1)).await.unwrap(), None);
        let by_reference = PartnerFilter { reference: Some("Ref-0006".into()), ..PartnerFilter::default() };
        assert_eq!(queries.partner_orders("partner-0", &by_reference).await.unwrap().items.len(), 1);
        assert_eq!(queries.partner_orders("partner-1", &by_reference).await.unwrap().items, []);
        runner.drain().await;
    }
}
