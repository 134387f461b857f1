//! `GET /shop/v1/orders/{id}/timeline`: what happened to the order.

use atelier_projections::TimelineEntry;
use axum::extract::State;

use super::{CHANNEL, TAG};
use crate::app::Gateway;
use crate::extract::{OrderId, OrderPath, Query};
use crate::problem::{Problem, Refusal};
use crate::read::{History, WaitVersion, find, timeline as history};

/// Read an order's timeline
#[utoipa::path(
    get, path = "/shop/v1/orders/{id}/timeline", operation_id = "shop_timeline", tag = TAG,
    params(OrderPath, WaitVersion),
    responses(
        (status = 200, description = "Oldest first; by role alone, without what is the house's own", body = History),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away or has not seen the version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn timeline(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    Query(wait): Query<WaitVersion>,
) -> Result<axum::Json<History>, Refusal> {
    find(&gateway, id, Some(CHANNEL), &wait).await?;
    let items = history(&gateway, id).await?.into_iter().map(for_the_buyer).collect();
    Ok(axum::Json(History::new(id, items)))
}

/// What the buyer is told of each line, where the line has it. Who works here, on which machine, and what went wrong on the
/// way is the house's own.
const TOLD: [&str; 9] = ["channel", "reference", "item", "model", "price", "reason", "carrier", "tracking", "delivered_at"];

/// The line as the buyer sees it: by whom is the role alone.
fn for_the_buyer(mut entry: TimelineEntry) -> TimelineEntry {
    if let Some((role, _)) = entry.by.split_once(':') {
        entry.by = role.to_owned();
    }
    let among_us = matches!(entry.type_name.as_str(), "WorkReleased" | "RecordsSkipped");
    if let Some(detail) = entry.detail.as_object_mut() {
        detail.retain(|name, _| TOLD.contains(&name.as_str()) && !(among_us && name == "reason"));
    }
    entry
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_buyer_is_told_what_happened_and_not_by_whom() {
        let line = |type_name: &str, detail: Value| TimelineEntry {
            version: 7,
            type_name: type_name.into(),
            at: "2026-01-02T03:04:05.000Z".into(),
            by: "operator:vera".into(),
            status: "SHIPPED".into(),
            detail,
        };
        let told = |type_name, detail| {
            let entry = for_the_buyer(line(type_name, detail));
            assert_eq!((entry.by.as_str(), entry.status.as_str(), entry.version), ("operator", "SHIPPED", 7));
            entry.detail
        };
        let shipped = json!({"operator": "vera", "carrier": "dpx", "tracking": "T1"});
        assert_eq!(told("OrderShipped", shipped), json!({"carrier": "dpx", "tracking": "T1"}));
        assert_eq!(told("ReworkOrdered", json!({"defect": "scratch", "operator": "vera"})), json!({}));
        assert_eq!(told("PricingFailed", json!({"attempt": 1, "worker": "w1", "failure": "crashed", "detail": "x"})), json!({}));
        assert_eq!(told("OrderHeld", json!({"reason": "stone missing"})), json!({"reason": "stone missing"}));
        assert_eq!(told("WorkReleased", json!({"reason": "vera is ill", "operator": "vera"})), json!({}));
    }
}
