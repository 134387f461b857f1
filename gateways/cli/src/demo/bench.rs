//! Operators at the bench, and the carrier.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::{As, Refused};
use super::cast::{Parcel, Props};
use super::sales;
use crate::wiring;

const IDLE: Duration = Duration::from_millis(120);
/// Of all pieces made.
const REWORK_SHARE: f64 = 0.12;
/// Of all parcels.
const PICKED_UP_SHARE: f64 = 0.10;
const CARRIER: &str = "parcelline";

/// Takes the next piece, makes, packs and ships it, until the day is over.
pub(super) async fn operator(props: Props, name: &'static str, ship: mpsc::Sender<Parcel>, over: CancellationToken) {
    let salt = name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte));
    let mut random = fastrand::Rng::with_seed(props.seed ^ salt);
    let mut round = 0_u64;
    let mut done = BTreeSet::new();
    while !over.is_cancelled() {
        round += 1;
        match piece(&props, name, round, &done, &mut random).await {
            Ok(Some(parcel)) => {
                done.insert(parcel.order);
                if ship.send(parcel).await.is_err() {
                    return;
                }
            }
            Ok(None) => tokio::time::sleep(IDLE).await,
            Err(refused) => props.board.trouble(format!("operator {name}: {refused}")),
        }
    }
}

/// What I claimed and never began: the answer to the claim was lost on its way.
async fn left_over(props: &Props, name: &str, done: &BTreeSet<Uuid>) -> Result<Option<Uuid>, Refused> {
    let page = props.api.get(As::Staff(name, "operator"), &format!("/mes/v1/queue?work=claimed&holder={name}")).await?;
    let mine = page["items"].as_array().into_iter().flatten().filter_map(|item| item["order_id"].as_str()?.parse().ok());
    Ok(mine.into_iter().find(|id| !done.contains(id)))
}

async fn claim(props: &Props, name: &str, round: u64) -> Result<Option<Uuid>, Refused> {
    let me = As::Staff(name, "operator");
    match props.api.post(me, "/mes/v1/queue/claim", &format!("{}-{name}-claim-{round}", props.run), &json!({})).await {
        Ok(claimed) => Ok(claimed["order_id"].as_str().and_then(|id| id.parse().ok())),
        // Nothing to do.
        Err(refused) if matches!(refused.status, 404 | 409) => Ok(None),
        Err(refused) => Err(refused),
    }
}

async fn piece(
    props: &Props,
    name: &str,
    round: u64,
    done: &BTreeSet<Uuid>,
    random: &mut fastrand::Rng,
) -> Result<Option<Parcel>, Refused> {
    let me = As::Staff(name, "operator");
    let id = match left_over(props, name, done).await? {
        Some(id) => Some(id),
        None => claim(props, name, round).await?,
    };
    let Some(id) = id.filter(|id| !done.contains(id)) else { return Ok(None) };
    let order = format!("/mes/v1/orders/{id}");
    let key = |step: &str| format!("{}-{step}", props.run);
    props.api.post(me, &format!("{order}/start"), &key("start"), &json!({})).await?;
    if random.f64() < REWORK_SHARE {
        props.api.post(me, &format!("{order}/rework"), &key("rework"), &json!({"defect": "porous casting"})).await?;
        props.board.count("made again for a defect");
    }
    props.api.post(me, &format!("{order}/complete"), &key("complete"), &json!({})).await?;
    props.api.post(me, &format!("{order}/pack"), &key("pack"), &json!({})).await?;
    let tracking = format!("P{}", id.simple());
    let parcel = json!({"carrier": CARRIER, "tracking": tracking});
    props.api.post(me, &format!("{order}/ship"), &key("ship"), &parcel).await?;
    props.board.count("made and shipped");
    Ok(Some(Parcel { order: id, carrier: CARRIER.into(), tracking }))
}

/// Delivers parcels, signed; some customers pick theirs up instead.
pub(super) async fn carrier(props: Props, secret: String, mut parcels: mpsc::Receiver<Parcel>) {
    let secret = match atelier_http::Secret::parse(&secret) {
        Ok(secret) => secret,
        Err(error) => return props.board.trouble(format!("carrier: {error}")),
    };
    let mut random = fastrand::Rng::with_seed(props.seed ^ 0xca22);
    while let Some(parcel) = parcels.recv().await {
        let done = if random.f64() < PICKED_UP_SHARE {
            sales::close_by_hand(&props, parcel.order).await
        } else {
            deliver(&props, &secret, &parcel).await
        };
        if let Err(refused) = done {
            props.board.trouble(format!("carrier, order {}: {refused}", parcel.order));
        }
    }
}

async fn deliver(props: &Props, secret: &atelier_http::Secret, parcel: &Parcel) -> Result<(), Refused> {
    // A parcel the gateway has not seen yet is no matter: it keeps the message.
    let now_ms = (wiring::clock())();
    let body = json!({
        "carrier": parcel.carrier, "tracking": parcel.tracking, "status": "delivered",
        "delivered_at": crate::publish::time_text(now_ms),
    })
    .to_string();
    let id = format!("{}-{}", props.run, parcel.tracking);
    let timestamp = now_ms / 1000;
    let headers = [
        ("webhook-id", id.clone()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", atelier_http::signature::sign(secret, &id, timestamp, body.as_bytes())),
    ];
    props.api.post_signed("/carrier/v1/deliveries", &headers, body.as_bytes()).await?;
    props.board.count("delivered by the carrier");
    Ok(())
}
