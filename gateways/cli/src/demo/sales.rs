//! Sellers: approve, reject, hold and resume, quote by hand what no worker can price, close by hand.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::{As, Refused};
use super::cast::Props;

const SELLER: As<'_> = As::Staff("vera", "seller");
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Of all priced orders.
const REJECT_SHARE: f64 = 0.06;
const HOLD_SHARE: f64 = 0.10;

/// Works off the sellers' lists until the day is over.
pub(super) async fn sellers(props: Props, over: CancellationToken) {
    let mut random = fastrand::Rng::with_seed(props.seed ^ 0x5e11);
    while !over.is_cancelled() {
        let looked = async {
            for id in listed(&props, "/crm/v1/orders?status=PRICE_CALCULATED&limit=200").await? {
                if take(&props, id) {
                    decide(&props, id, &mut random).await?;
                }
            }
            for order in items(&props.api.get(SELLER, "/crm/v1/attention?limit=200").await?) {
                quote_by_hand(&props, &order).await?;
            }
            Ok::<(), Refused>(())
        };
        if let Err(refused) = looked.await {
            props.board.trouble(format!("seller: {refused}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}

fn order_id(order: &Value) -> Option<Uuid> {
    order["order_id"].as_str()?.parse().ok()
}

async fn listed(props: &Props, path: &str) -> Result<Vec<Uuid>, Refused> {
    Ok(items(&props.api.get(SELLER, path).await?).iter().filter_map(order_id).collect())
}

/// Whether the order is of this run and nobody has decided on it yet.
fn take(props: &Props, id: Uuid) -> bool {
    let mut board = props.board.lock();
    board.orders.get_mut(&id).is_some_and(|order| !std::mem::replace(&mut order.taken, true))
}

async fn decide(props: &Props, id: Uuid, random: &mut fastrand::Rng) -> Result<(), Refused> {
    let order = format!("/crm/v1/orders/{id}");
    let key = |step: &str| format!("{}-{step}", props.run);
    let drawn = random.f64();
    if drawn < REJECT_SHARE {
        props.api.post(SELLER, &format!("{order}/reject"), &key("reject"), &json!({"reason": "cannot be cast"})).await?;
        props.board.count("rejected by the seller");
        return Ok(());
    }
    if drawn < REJECT_SHARE + HOLD_SHARE {
        props.api.post(SELLER, &format!("{order}/hold"), &key("hold"), &json!({"reason": "asking the customer"})).await?;
        props.board.count("put on hold and resumed");
        props.api.post(SELLER, &format!("{order}/resume"), &key("resume"), &json!({"reason": "customer agrees"})).await?;
    }
    props.api.post(SELLER, &format!("{order}/approve"), &key("approve"), &json!({})).await?;
    props.board.count("approved");
    Ok(())
}

async fn quote_by_hand(props: &Props, order: &Value) -> Result<(), Refused> {
    let failed = order["attention"].as_array().is_some_and(|list| list.iter().any(|what| what == "pricing_failed"));
    let Some(id) = order_id(order).filter(|_| failed) else { return Ok(()) };
    {
        let mut board = props.board.lock();
        match board.orders.get_mut(&id) {
            Some(order) if !order.by_hand => order.by_hand = true,
            _ => return Ok(()),
        }
    }
    let quote = json!({"price": {"amount": "250.00", "currency": "EUR"}, "reason": "the model cannot be priced by itself"});
    props.api.post(SELLER, &format!("/crm/v1/orders/{id}/quote"), &format!("{}-quote", props.run), &quote).await?;
    props.board.count("quoted by hand");
    Ok(())
}

/// Closes an order the carrier says nothing about.
pub(super) async fn close_by_hand(props: &Props, id: Uuid) -> Result<(), Refused> {
    let why = json!({"reason": "the customer picked it up"});
    props.api.post(SELLER, &format!("/crm/v1/orders/{id}/close"), &format!("{}-close", props.run), &why).await?;
    props.board.count("closed by hand");
    Ok(())
}
