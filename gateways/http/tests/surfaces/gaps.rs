//! The ledger of gaps, and the sellers' list that agrees with it.

use std::sync::atomic::Ordering;

use atelier_log::{Log, NewRecord};
use atelier_schemas::{Actor, After, Event, EventData, Framed, Topic, partition_of};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{Answer, House, NOW_MS};

const ANN: &str = "Ann;operator";
const SAM: &str = "Sam;seller";

/// The engine's timer finds the deadline of an order that waits for an operator passed.
async fn missed(house: &House, id: Uuid, version: i64) {
    let event = Event {
        event_id: Uuid::new_v5(&id, &version.to_be_bytes()),
        order_id: id,
        version,
        type_name: "DeadlineMissed".into(),
        time: NOW_MS + 60_000,
        actor: Actor { role: "engine".into(), name: "deadline".into() },
        command_id: None,
        command_digest: None,
        correlation_id: id,
        traceparent: None,
        after: After {
            status: "MANUFACTURING_APPROVED".into(),
            stage: "work_available".into(),
            held: false,
            attention: vec!["overdue".into()],
            due: Some(NOW_MS + 30_000),
        },
        data: EventData::DeadlineMissed {
            stage: "work_available".into(),
            due: NOW_MS + 30_000,
            policy: "1".into(),
            action: "attention".into(),
        },
        replayed: None,
    };
    let record = NewRecord { key: id.to_string(), kind: "DeadlineMissed", traceparent: None, payload: event.encode() };
    house.log.append(Topic::Events, partition_of(&id, house.log.partitions()), record).await.expect("the log is there");
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().cloned().unwrap_or_default()
}

async fn listed(house: &House, gaps: usize) -> Vec<Value> {
    items(&house.until(|| house.get_as(ANN, "/mes/v1/gaps"), |answer| items(answer).len() == gaps).await)
}

#[tokio::test]
async fn an_order_nobody_claims_shows_up_with_what_may_be_done() {
    let house = House::new().await;
    let id = house.approved("a").await;
    assert_eq!(house.get_as(ANN, "/mes/v1/gaps").await.expect(200).json(), json!({"items": [], "next": null, "unknown": [], "cut": []}));
    missed(&house, id, 3).await;
    let gap = listed(&house, 1).await.remove(0);
    assert_eq!(
        gap,
        json!({
            "gap_id": gap["gap_id"], "cause": "no_operator", "order_id": id.to_string(), "channel": "shop", "status": "MANUFACTURING_APPROVED",
            "work": "available", "held": false, "version": 3, "since": "2026-01-02T03:04:05.000Z", "expected": "an operator claims the work",
            "expected_by": "2026-01-02T03:04:35.000Z", "holder": null, "failures": 0,
            "last_event": {"type": "OrderApproved", "version": 2, "at": "2026-01-02T03:04:05.000Z"}, "detail": null,
            "opened_at": "2026-01-02T03:05:05.000Z", "closed_at": null, "closed_by": null, "open_ms": null, "allowed": ["claim", "hold"],
        })
    );
    // Each sees what it may do; inner stages stay inside.
    let sam = house.get_as(SAM, "/mes/v1/gaps").await.expect(200);
    assert_eq!(items(&sam)[0]["allowed"], json!(["hold", "cancel"]));
    assert!(!sam.text().contains("work_available"), "{}", sam.text());
    let admin = house.get_as("A;admin", "/mes/v1/gaps").await.expect(200);
    assert_eq!(items(&admin)[0]["allowed"], json!(["claim", "hold", "cancel"]));

    // The sellers' list has the same order for the same cause.
    let needy = house.until(|| house.get_as(SAM, "/crm/v1/attention"), |answer| items(answer).len() == 1).await;
    let order = &items(&needy)[0];
    assert_eq!((order["order_id"].as_str(), &order["gaps"]), (Some(id.to_string().as_str()), &json!(["no_operator"])));
    assert_eq!(order["attention_since"], gap["opened_at"]);
}

#[tokio::test]
async fn it_is_read_in_pages_and_filters() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        let id = house.approved(key).await;
        missed(&house, id, 3).await;
        ids.push(id.to_string());
    }
    let all = listed(&house, 3).await;
    let page = house.get_as(ANN, "/mes/v1/gaps?limit=2").await.expect(200).json();
    let next = page["next"].as_str().expect("a cursor");
    let rest = house.get_as(ANN, &format!("/mes/v1/gaps?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((&rest["items"], rest["next"].is_null()), (&json!([all[2]]), true));
    for (query, found) in [
        ("cause=no_operator", 3),
        ("cause=not_packed", 0),
        ("cause=projection_behind", 0),
        ("status=MANUFACTURING_APPROVED&channel=shop", 3),
        ("channel=partner", 0),
        ("holder=Ann", 0),
        ("state=closed", 0),
        ("state=all", 3),
        ("opened_before=2026-01-02T03:05:05.001Z", 3),
        ("opened_before=2026-01-02T03:05:05Z", 0),
    ] {
        let answer = house.get_as(ANN, &format!("/mes/v1/gaps?{query}")).await.expect(200);
        assert_eq!(items(&answer).len(), found, "{query}: {}", answer.text());
    }
    let of_one = house.get_as(ANN, &format!("/mes/v1/gaps?order={}", ids[1])).await.expect(200);
    assert_eq!(items(&of_one)[0]["order_id"], json!(ids[1]));
    for (query, field) in [
        ("cause=boredom", "cause"),
        ("state=ajar", "state"),
        ("status=LOST", "status"),
        ("channel=fax", "channel"),
        ("order=one", "order"),
        ("opened_before=yesterday", "opened_before"),
        ("limit=many", "limit"),
    ] {
        let answer = house.get_as(ANN, &format!("/mes/v1/gaps?{query}")).await;
        answer.refused_field(422, "invalid", field, "has a value that is not taken");
    }
    house.get_as(ANN, "/mes/v1/gaps?cursor=xyz").await.refused_field(422, "invalid", "cursor", "was not given out by this list");
    house.get_as(ANN, "/mes/v1/gaps?sort=newest").await.refused_field(422, "invalid", "sort", "is not a parameter of this address");
}

#[tokio::test]
async fn read_models_nobody_feeds_show_up_too() {
    let house = House::without_projections().await;
    house.order("a").await;
    house.clock.fetch_add(30_000, Ordering::SeqCst);
    assert_eq!(items(&house.get_as(ANN, "/mes/v1/gaps").await.expect(200)), [] as [Value; 0], "not for too long yet");
    house.clock.fetch_add(1, Ordering::SeqCst);
    let found = items(&house.get_as(ANN, "/mes/v1/gaps").await.expect(200));
    let models: Vec<bool> = ["shop", "queue", "crm", "partner", "feed", "gaps", "outcomes"]
        .map(|model| {
            found
                .iter()
                .any(|gap| gap["detail"].as_str().is_some_and(|detail| detail.contains(&format!("read model {model} lacks 1 records"))))
        })
        .to_vec();
    assert_eq!((found.len(), models), (7, vec![true; 7]), "{found:?}");
    assert!(found.iter().all(|gap| gap["cause"] == "projection_behind" && gap["opened_at"] == "2026-01-02T03:04:05.000Z"));
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_named() {
    let house = House::new().await;
    let id = house.approved("a").await;
    missed(&house, id, 3).await;
    listed(&house, 1).await;
    house.log.away(true);
    let answer = house.get_as(ANN, "/mes/v1/gaps").await.expect(200).json();
    assert_eq!((answer["items"].as_array().map(Vec::len), &answer["unknown"]), (Some(1), &json!(["projection_behind", "no_engine"])));
    let answer = house.get_as(ANN, "/mes/v1/gaps?cause=no_operator").await.expect(200).json();
    assert_eq!((answer["items"].as_array().map(Vec::len), &answer["unknown"]), (Some(1), &json!([])), "not asked for");

    let lost = House::without_store().await;
    lost.get_as(ANN, "/mes/v1/gaps").await.refused(503, "unavailable", "read models do not answer");
}

#[tokio::test]
async fn without_the_webhooks_store_both_lists_have_the_rest_and_say_what_they_lack() {
    let house = House::new().await;
    let id = house.approved("a").await;
    missed(&house, id, 3).await;
    listed(&house, 1).await;
    house.break_webhooks().await;
    let gaps = house.get_as(ANN, "/mes/v1/gaps").await.expect(200).json();
    assert_eq!((gaps["items"].as_array().map(Vec::len), &gaps["unknown"]), (Some(1), &json!(["webhook_undelivered"])));
    let needy = house.until(|| house.get_as(SAM, "/crm/v1/attention"), |answer| items(answer).len() == 1).await.json();
    assert_eq!((&needy["items"][0]["order_id"], &needy["unknown"]), (&json!(id.to_string()), &json!(["webhook_undelivered"])));
}

#[tokio::test]
async fn every_parcel_nobody_knows_is_listed_however_many_there_are() {
    let house = House::new().await;
    for number in 0..1001 {
        let message = atelier_partners::Waiting {
            carrier: "dhl".into(),
            message_id: format!("m{number}"),
            tracking: format!("T{number}"),
            delivered_at: NOW_MS,
            received_at: NOW_MS + number,
        };
        house.accounts.keep_delivery(&message).await.expect("a store");
    }
    let (mut found, mut cursor) = (0, String::new());
    loop {
        let path = format!("/mes/v1/gaps?cause=unknown_parcel&limit=200{cursor}");
        let page = house.get_as(ANN, &path).await.expect(200).json();
        found += page["items"].as_array().map_or(0, Vec::len);
        assert_eq!((&page["unknown"], &page["cut"]), (&json!([]), &json!([])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, 1001);
}
