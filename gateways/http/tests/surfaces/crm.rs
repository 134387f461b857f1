//! Sellers: lists, decisions, prices by hand.

use crate::house::House;

const SAM: &str = "Sam;seller";

#[tokio::test]
async fn a_seller_reads_decides_and_prices() {
    let house = House::new().await;
    let id = house.order("a").await;
    let list =
        house.until(|| house.get_as(SAM, "/crm/v1/orders?status=INITIATED"), |answer| answer.json()["items"][0].is_object()).await.json();
    assert_eq!(list["items"][0]["customer"]["email"], "jane@example.org", "sellers see whom the order is for");
    assert_eq!(house.get_as(SAM, "/crm/v1/attention").await.expect(200).json()["items"], serde_json::json!([]));
    let quote = r#"{"price":{"amount":"123.40","currency":"EUR"},"reason":"hand-set stones"}"#;
    let answer = house.post_as(SAM, &format!("/crm/v1/orders/{id}/quote"), quote).await.expect(200).json();
    assert_eq!(answer["status"], "PRICE_CALCULATED");
    let order = house.get_as(SAM, &format!("/crm/v1/orders/{id}?wait_version=2")).await.expect(200).json();
    assert_eq!((order["price"]["amount"].as_str(), order["price"]["currency"].as_str()), (Some("123.40"), Some("EUR")));
    for (action, body, status) in [
        ("hold", r#"{"reason":"asked back"}"#, "PRICE_CALCULATED"),
        ("resume", r#"{"reason":"answered"}"#, "PRICE_CALCULATED"),
        ("reprice", r#"{"reason":"new metal prices"}"#, "SUBMITTED"),
        ("approve", "", "MANUFACTURING_APPROVED"),
        ("approve", r#"{"reason":"a good customer"}"#, "MANUFACTURING_APPROVED"),
        ("close", r#"{"reason":"collected in person"}"#, "CLOSED"),
    ] {
        let answer = house.post_as(SAM, &format!("/crm/v1/orders/{id}/{action}"), body).await.expect(200).json();
        assert_eq!(answer["status"], status, "{action}");
    }
    for action in ["reject", "cancel"] {
        let id = house.order(action).await;
        let answer =
            house.post_as(SAM, &format!("/crm/v1/orders/{id}/{action}"), r#"{"reason":"cannot be made"}"#).await.expect(200).json();
        assert_eq!(answer["status"], "CANCELLED");
    }
}

#[tokio::test]
async fn money_is_exact_text() {
    let house = House::new().await;
    let id = house.order("a").await;
    for (price, field, words) in [
        (r#"{"amount":123.4,"currency":"EUR"}"#, "price.amount", "has the wrong type. Send a string."),
        (r#"{"amount":"123.4","currency":"EUR"}"#, "price.amount", "for example `\"123.40\"`"),
        (r#"{"amount":"-1.00","currency":"EUR"}"#, "price.amount", "is not an amount"),
        (r#"{"amount":"0.00","currency":"EUR"}"#, "price.amount", "more than zero"),
        (r#"{"amount":"99999999999999999999.00","currency":"EUR"}"#, "price.amount", "at most 10000000.00"),
        (r#"{"amount":"1.00","currency":"USD"}"#, "price.currency", "is not taken. Send `EUR`."),
        (r#"{"amount":"1.00"}"#, "price.currency", "is missing"),
    ] {
        let body = format!(r#"{{"price":{price},"reason":"r"}}"#);
        house.post_as(SAM, &format!("/crm/v1/orders/{id}/quote"), &body).await.refused_field(422, "invalid", field, words);
    }
    let no_reason = r#"{"price":{"amount":"1.00","currency":"EUR"},"reason":""}"#;
    house.post_as(SAM, &format!("/crm/v1/orders/{id}/quote"), no_reason).await.refused_field(422, "invalid", "reason", "is empty");
    assert_eq!(house.log.count(atelier_schemas::Topic::Events), 1);
}
