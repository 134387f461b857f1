//! Health, readiness, metrics.

use crate::house::{BROKEN_CLOCK, House, NOW_MS, ORDER, create};

#[tokio::test]
async fn readiness_names_what_does_not_answer() {
    let house = House::new().await;
    assert_eq!(house.get("/healthz").await.expect(200).json()["status"], "ok");
    assert_eq!(house.get("/readyz").await.expect(200).json()["status"], "ready");
    house.log.away(true);
    let problem = house.get("/readyz").await.refused(503, "unavailable", "`log` does not answer. See that the log runs");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "the store is fine: {problem}");
    house.get("/healthz").await.expect(200);
    house.log.away(false);
    house.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn requests_are_counted_by_template() {
    let house = House::new().await;
    let id = house.order("a").await;
    house.get(&format!("/shop/v1/orders/{id}?wait_version=1")).await.expect(200);
    house.get("/shop/v1/orders/nonsense").await.expect(404);
    house.get("/secret-of-somebody").await.expect(404);
    house.call(create("k", "{")).await.expect(400);
    house.post(&format!("/shop/v1/orders/{id}/submit"), "").await.expect(409);
    let answer = house.get("/metrics").await.expect(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text();
    for line in [
        r#"http_requests_total{method="GET",route="/shop/v1/orders/{id}",status="2xx"} 1"#,
        r#"http_requests_total{method="GET",route="/shop/v1/orders/{id}",status="4xx"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="4xx"} 1"#,
        r#"http_requests_total{method="POST",route="/shop/v1/orders",status="4xx"} 1"#,
        r#"http_request_duration_seconds_count{method="POST",route="/shop/v1/orders"} 2"#,
        r#"http_commands_total{type="CreateOrder",result="accepted"} 1"#,
        r#"http_commands_total{type="SubmitOrder",result="refused"} 1"#,
        "projection_lag_unknown",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    assert!(!text.contains(&id.to_string()) && !text.contains("secret-of-somebody") && !text.contains("Jane"), "{text}");
    assert!(house.call(create("z", ORDER)).await.status == 201);
}

#[tokio::test]
async fn a_defect_costs_one_request_and_tells_nobody_what_it_was() {
    let house = House::new().await;
    house.clock.store(BROKEN_CLOCK, std::sync::atomic::Ordering::SeqCst);
    let problem = house.call(create("k", ORDER)).await.refused(500, "internal", "is safe to send again");
    assert!(!problem.to_string().contains("clock"), "{problem}");
    house.clock.store(NOW_MS, std::sync::atomic::Ordering::SeqCst);
    house.call(create("k", ORDER)).await.expect(201);
}
