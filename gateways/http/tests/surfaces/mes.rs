//! Operators: the queue, taking the next, and the way of a piece to its parcel.

use atelier_schemas::Topic;
use axum::body::Body;

use crate::house::{Answer, House, post};

const ANN: &str = "Ann;operator";
const BOB: &str = "Bob;operator";

async fn queued(house: &House, orders: usize) -> Vec<String> {
    let all = |answer: &Answer| answer.json()["items"].as_array().is_some_and(|items| items.len() == orders);
    let queue = house.until(|| house.get_as(ANN, "/mes/v1/queue?work=available"), all).await.json();
    queue["items"].as_array().into_iter().flatten().map(|item| item["order_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn the_oldest_is_taken_first_and_by_one_only() {
    let house = House::new().await;
    house.post_as(ANN, "/mes/v1/queue/claim", "").await.refused(404, "nothing_to_do", "No order is waiting for an operator");
    let mut orders = Vec::new();
    for key in ["a", "b", "c"] {
        orders.push(house.approved(key).await.to_string());
        house.clock.fetch_add(1000, std::sync::atomic::Ordering::SeqCst);
    }
    assert_eq!(queued(&house, 3).await, orders);
    // Two ask at once, and again at once: the read model cannot have seen the first claim by then.
    let (ann, bob) = tokio::join!(house.post_as(ANN, "/mes/v1/queue/claim", ""), house.post_as(BOB, "/mes/v1/queue/claim", "{}"));
    let mut taken = vec![
        ann.expect(200).id().to_string(),
        bob.expect(200).id().to_string(),
        house.post_as(ANN, "/mes/v1/queue/claim", "").await.expect(200).id().to_string(),
    ];
    taken.sort();
    orders.sort();
    assert_eq!(taken, orders);
    let done = house.post_as(BOB, "/mes/v1/queue/claim", "").await;
    assert!(done.status == 404 || done.status == 503, "{}", done.text());
    queued(&house, 0).await;
    let mine = house.get_as(ANN, "/mes/v1/queue?holder=Ann").await.expect(200).json();
    assert!(
        mine["items"].as_array().is_some_and(|items| !items.is_empty() && items.iter().all(|item| item["work"] == "claimed")),
        "{mine}"
    );
}

#[tokio::test]
async fn a_repeated_claim_gives_the_same_order_again() {
    let house = House::new().await;
    for key in ["a", "b"] {
        house.approved(key).await;
    }
    queued(&house, 2).await;
    let claim = |key: &str| {
        post("/mes/v1/queue/claim").header("x-staff", ANN).header("idempotency-key", key).body(Body::empty()).expect("a request")
    };
    let first = house.call(claim("tap-1")).await.expect(200);
    assert_eq!(house.call(claim("tap-1")).await.expect(200).bytes, first.bytes);
    queued(&house, 1).await;
    assert_eq!(house.call(claim("tap-1")).await.expect(200).bytes, first.bytes);
    house.post_as(ANN, &format!("/mes/v1/orders/{}/start", first.id()), "").await.expect(200);
    assert_eq!(house.call(claim("tap-1")).await.expect(200).bytes, first.bytes, "also when the work has begun");
    assert_ne!(house.call(claim("tap-2")).await.expect(200).id(), first.id());
}

#[tokio::test]
async fn a_piece_goes_from_the_bench_to_its_parcel() {
    let house = House::new().await;
    let id = house.approved("a").await;
    queued(&house, 1).await;
    house.post_as(ANN, "/mes/v1/queue/claim", "").await.expect(200);
    for (action, body, status) in [
        ("start", "", "MANUFACTURING_STARTED"),
        ("hold", r#"{"reason":"no gas"}"#, "MANUFACTURING_STARTED"),
        ("resume", r#"{"reason":"gas is back"}"#, "MANUFACTURING_STARTED"),
        ("complete", "{}", "MANUFACTURING_COMPLETED"),
        ("rework", r#"{"defect":"a scratch"}"#, "MANUFACTURING_STARTED"),
        ("release", r#"{"reason":"end of shift"}"#, "MANUFACTURING_APPROVED"),
        ("complete", "", "MANUFACTURING_COMPLETED"),
        ("pack", "", "PACKAGING"),
        ("ship", r#"{"carrier":"dhl","tracking":"T1"}"#, "SHIPPED"),
    ] {
        let answer = house.post_as(ANN, &format!("/mes/v1/orders/{id}/{action}"), body).await.expect(200);
        assert_eq!(answer.json()["status"], status, "{action}");
    }
    let order = house.get_as(ANN, &format!("/mes/v1/orders/{id}?wait_version=12")).await.expect(200).json();
    assert_eq!((order["carrier"].as_str(), order["tracking"].as_str()), (Some("dhl"), Some("T1")));
    let timeline = house.get_as("Sam;seller", &format!("/crm/v1/orders/{id}/timeline")).await.expect(200).json();
    assert_eq!(timeline["items"].as_array().map(Vec::len), Some(12), "{timeline}");
}

#[tokio::test]
async fn a_parcel_needs_a_carrier_and_a_number() {
    let house = House::new().await;
    let id = house.order("a").await;
    let before = house.log.count(Topic::Commands);
    for (body, field) in [
        ("", "body"),
        (r#"{"carrier":"dhl"}"#, "tracking"),
        (r#"{"carrier":"DHL Express","tracking":"T1"}"#, "carrier"),
        (r#"{"carrier":"dhl","tracking":""}"#, "tracking"),
        (r#"{"carrier":"dhl","tracking":7}"#, "tracking"),
    ] {
        let answer = house.post_as(ANN, &format!("/mes/v1/orders/{id}/ship"), body).await;
        match field {
            "body" => drop(answer.refused(400, "malformed", "The body is empty")),
            field => answer.refused_field(422, "invalid", field, field),
        }
    }
    assert_eq!(house.log.count(Topic::Commands), before);
}

#[tokio::test]
async fn the_queue_is_read_in_pages_and_filters() {
    let house = House::new().await;
    for key in ["a", "b", "c"] {
        house.approved(key).await;
    }
    let all = queued(&house, 3).await;
    let page = house.get_as(ANN, "/mes/v1/queue?limit=2").await.expect(200).json();
    let next = page["next"].as_str().expect("a cursor");
    let rest = house.get_as(ANN, &format!("/mes/v1/queue?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((rest["items"][0]["order_id"].as_str(), rest["next"].is_null()), (Some(all[2].as_str()), true));
    house.get_as(ANN, "/mes/v1/queue?cursor=xyz").await.refused_field(422, "invalid", "cursor", "was not given out by this list");
    house.get_as(ANN, "/mes/v1/queue?limit=many").await.refused_field(422, "invalid", "limit", "has a value that is not taken");
    house.get_as(ANN, "/mes/v1/queue?sort=newest").await.refused_field(422, "invalid", "sort", "is not a parameter of this address");
}
